"""Runs the cases and prints a table: case, exit code, sentence. The last line is "N passed, N failed".

    python scripts/cases/run.py KAON SOURCE.h5 [--short] [--only TEXT]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import classes
import configurations
import jet_files
import weights

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODULES = {"kaon-plot": "kaon_plots.cli"}
TRAPS = re.compile(
    r"Traceback|Fatal error|Segmentation fault|Illegal instruction|\*\*\* |stack dump|Process received signal")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kaon")
    parser.add_argument("source")
    parser.add_argument("--short", action="store_true", help="some cases of every kind")
    parser.add_argument("--only", default="", help="cases whose name contains this text")
    options = parser.parse_args()
    options.kaon, options.source = os.path.abspath(options.kaon), os.path.abspath(options.source)
    with tempfile.TemporaryDirectory(prefix="kaon-cases-") as folder:
        os.chdir(folder)
        found = [
            case for case in all_cases(options)
            if (case.is_short or not options.short) and options.only in case.name]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            outcomes = list(pool.map(lambda case: run(case, options.kaon), found))
        harmed = os.path.exists("harmed")
    width = max((len(case.name) for case in found), default=0)
    failed = 0
    for case, (code, sentence, problem) in zip(found, outcomes):
        failed += problem is not None
        mark = "  " if problem is None else "! "
        print(f"{mark}{case.name:<{width}}  {code:>4}  {sentence[:200]}")
        if problem is not None:
            print(f"! {'':<{width}}        {problem}")
    if harmed:
        failed += 1
        print("! a configuration has run a command")
    print(f"{len(found) - failed + harmed} passed, {failed} failed")
    return 1 if failed or not found else 0


def all_cases(options):
    jets = jet_files.Jets(options.source, ".")
    train = os.path.basename(jets.write("plain"))
    with open("tiny.yaml", "w") as file:
        file.write(configurations.TINY.format(run="run", train=train))
    for objective in ("classification", "vertexing", "track_origin"):
        with open(f"{objective}.yaml", "w") as file:
            file.write(classes.CONFIGURATION.format(objective=objective))
    subprocess.run([options.kaon, "pretrain", "tiny.yaml", "run.directory=first"], check=True, capture_output=True)
    subprocess.run(
        [options.kaon, "export", "first/checkpoints/latest", "--all", "--output", "exported.safetensors"], check=True,
        capture_output=True)
    os.mkdir("yaml")
    yield from jet_files.cases(jets)
    yield from classes.cases(jets)
    yield from configurations.cases("yaml", train)
    yield from weights.cases(jets, "exported.safetensors")


def run(case, kaon):
    """Exit code, sentence and problem of a case; the problem is None if it did what it should."""
    program, *arguments = case.arguments
    folder = "run-" + re.sub(r"[^A-Za-z0-9]+", "-", case.name)
    if program in MODULES:
        start = f"import sys; from {MODULES[program]} import main; sys.exit(main(sys.argv[1:]))"
        command = [sys.executable, "-c", start, *arguments]
    else:
        command = [kaon, *case.arguments]
        if program in ("pretrain", "finetune"):
            command.append(f"run.directory={folder}")
    try:
        ended = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
            env=os.environ | {"PWD": os.getcwd(), "PYTHONPATH": os.path.join(ROOT, "python")})
    except subprocess.TimeoutExpired:
        return "", "", "it did not end within two minutes"
    output = (ended.stdout + ended.stderr).decode(errors="replace")
    errors = ended.stderr.decode(errors="replace").strip().splitlines()
    sentence = shown(case, output, errors)
    if ended.returncode < 0 or ended.returncode > 125 or TRAPS.search(output):
        return ended.returncode, sentence, "it crashed"
    if case.accepted != (ended.returncode == 0):
        return ended.returncode, sentence, f"it should be {'accepted' if case.accepted else 'refused'}"
    if not case.accepted and not is_sentence(errors):
        return ended.returncode, sentence, f"{len(errors)} lines instead of one sentence"
    if case.text and case.text not in output:
        return ended.returncode, sentence, f"it should name {case.text!r}"
    if not case.accepted and program in ("pretrain", "finetune") and has_checkpoint(folder):
        return ended.returncode, sentence, "it has trained before the refusal"
    return ended.returncode, sentence, None


def shown(case, output, errors):
    if not case.accepted:
        return errors[0] if errors else ""
    lines = [line for line in output.splitlines() if case.text and case.text in line]
    return lines[0] if lines else ""


def is_sentence(errors):
    """One line, or one with the usage of the command."""
    return len([line for line in errors if not re.match(r"(Usage|usage|  See|Help):?", line)]) == 1


def has_checkpoint(folder):
    checkpoints = os.path.join(folder, "checkpoints")
    return os.path.isdir(checkpoints) and any(name.startswith("step-") for name in os.listdir(checkpoints))


if __name__ == "__main__":
    sys.exit(main())
