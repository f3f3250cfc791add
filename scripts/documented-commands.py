#!/usr/bin/env python3
"""Runs every documented command in bash, zsh and fish with programs that only record their arguments, and compares.

    python3 scripts/documented-commands.py .build/release/kaon

Commands are read from indented blocks and code spans of the pages, comments of configurations and scripts, and the help
of the program. Each has to pass the same arguments in all three shells, in an empty folder, where patterns match no
file: a list that is not quoted is an error of zsh and fish. zsh does not accept comments after interactive commands.
The last line is "N passed, N failed".
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHELLS = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-f", "-i", "-c"], "fish": ["fish", "--no-config", "-c"]}
PROGRAMS = ["apptainer", "bash", "convert-btag", "convert-jetclass", "convert-table", "crb", "dnf", "gdb", "git",
            "kaon", "kaon-follow", "kaon-import", "kaon-onnx", "kaon-plot", "kaon-results", "kaon-scaling", "man",
            "module", "mpirun", "pip", "podman", "python", "python3", "sbatch", "scancel", "scontrol", "spack", "srun",
            "swift", "tar", "tensorboard", "bin/kaon", "condor_submit", ".build/debug/kaon",
            ".build/release/kaonPackageTests.xctest"]
BUILTINS = ["cd", "export", "mkdir", "source"]
# Also assignments and expansions, which are not the same in all shells.
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(%s)(?= |$)|[a-z_]+=\$\(|\"?\$\{?[a-z]"
                     % "|".join(map(re.escape, PROGRAMS + BUILTINS)))
# Optional parts in the usage of a script, and lines of sourced bash scripts.
USAGE = re.compile(r"\[[^\]]*(…|[A-Z]{4,}|--)|BASH_SOURCE|^\"\$")
RECORDER = """#!/bin/sh
{ printf '%s\\037' "${0##*/}" "$@"; printf '\\036'; } >> "$RECORD"
case "$0 $*" in */wc\ * | *--parsable*) echo 7 ;; esac
"""


def joined(lines):
    """Pairs of a line number and a command; a backslash at the end continues a line."""
    command, begin = "", 0
    for number, line in lines:
        begin = begin or number
        command += line
        if command.endswith("\\"):
            command = command[:-1]
            continue
        yield begin, re.sub(r"\s{2,}", " ", command.strip())
        command, begin = "", 0


def page_lines(path):
    """Lines of a page that may be commands: indented by four spaces, or in a block for a shell."""
    block = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            block = None if block is not None else line[3:]
        elif block in ("sh", "bash", "console") or (block is None and line.startswith("    ")):
            yield number, line.rstrip()


def spans(path):
    """Code spans of a page that begin with a program and have arguments."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", lambda match: "\n" * match.group().count("\n"), text, flags=re.S)
    for match in re.finditer(r"`([^`]+)`", text):
        yield text.count("\n", 0, match.start()) + 1, re.sub(r"\s+", " ", match.group(1))


def comment_lines(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.match(r"# {3,}", line):
            # The help of scripts has a column of explanations.
            yield number, re.sub(r"\s{2,}#.*", "", line[1:]).rstrip()


def help_lines(program):
    dump = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    command = json.loads(dump)["command"]
    for each in [command, *command["subcommands"]]:
        lines = [line for line in each.get("discussion", "").splitlines() if line.startswith("  ")]
        yield f"help of {each['commandName']}", list(enumerate(lines, 1))


def commands(program):
    """Pairs of a place and a command."""
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout.split("\n")
    for name in tracked:
        path = ROOT / name
        if not path.is_file():
            continue
        found = []
        if name.endswith(".md"):
            found = [*joined(page_lines(path)), *((n, text) for n, text in spans(path) if " " in text)]
        elif name.startswith(("configs/", "scripts/", "slurm/", "containers/", "examples/")):
            found = [each for each in joined(comment_lines(path)) if not USAGE.search(each[1])]
        yield from ((f"{name}:{number}", text) for number, text in found)
    for place, lines in help_lines(program):
        yield from ((f"{place}, line {number}", text) for number, text in joined(lines))


def record(shell, command, stubs):
    """The programs that a shell starts for the command, with their arguments, and PATH after it."""
    with tempfile.TemporaryDirectory() as folder:
        work, log = Path(folder, "work"), Path(folder, "record")
        work.mkdir()
        log.touch()
        for name in re.findall(r"(?:<|^cd|^source|&& cd) ?([\w./-]+)", command):
            target = work / name
            if command.startswith("cd") or "cd " + name in command:
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch()
        for name in re.findall(r"> ?([\w./~-]+)", command):
            Path(work, name.replace("~", str(work))).parent.mkdir(parents=True, exist_ok=True)
        for name in re.findall(r"(?:^|&& )((?:\.build|bin)/[\w./]+)", command):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(stubs / "kaon", work / name)
        ended = subprocess.run(
            [shutil.which(SHELLS[shell][0]), *SHELLS[shell][1:], command + "\n/usr/bin/printenv PATH"], cwd=work,
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30,
            env={"PATH": f"{stubs}:{work}", "RECORD": str(log), "HOME": str(work), "LC_ALL": "C.UTF-8", "TERM": "dumb"})
        text = log.read_text(encoding="utf-8").replace(str(work), "WORK")
        starts = [entry.split("\037")[:-1] for entry in text.split("\036")[:-1]]
        path = ended.stdout.strip().splitlines()[-1:] if ended.stdout.strip() else []
        return starts, [text.replace(str(work), "WORK") for text in path], ended.stderr.strip()


def verdict(command, stubs):
    """What is wrong with a command, or nothing."""
    # A comment, not the heading of a link.
    if re.search(r"\s#\s", command):
        return "zsh: interactive shells pass the comment to the program; put it on a line of the page"
    results = {shell: record(shell, command, stubs) for shell in SHELLS}
    starts, path, message = results["bash"]
    for shell in ("zsh", "fish"):
        if results[shell][0] != starts or results[shell][1] != path:
            reason = results[shell][2].splitlines()[:1] or [f"starts {results[shell][0]}, bash {starts}"]
            return f"{shell}: {reason[0]}"
    if not starts and not re.match("|".join(BUILTINS), command):
        return f"bash: {message.splitlines()[0] if message else 'starts nothing'}"
    if not re.search(r"[$<>|&;~#]|^[A-Z_]+=", command) and starts and len(starts) == 1:
        wanted = shlex.split(command)
        if starts[0][1:] != wanted[1:]:
            return f"bash expands it to {shlex.join(starts[0])}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the kaon program, whose help is checked too")
    program = os.path.abspath(parser.parse_args().program)
    missing = [shell for shell in SHELLS if not shutil.which(shell)]
    if missing:
        sys.exit(f"documented-commands: not installed: {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        stubs = Path(folder)
        for name in PROGRAMS + ["wc"]:
            if "/" not in name:
                (stubs / name).write_text(RECORDER)
                (stubs / name).chmod(0o755)
        (stubs / "mkdir").symlink_to(shutil.which("mkdir"))
        found = [(place, command) for place, command in commands(program)
                 if COMMAND.match(command) and command not in PROGRAMS + BUILTINS]
        distinct = sorted({command for _, command in found})
        with ThreadPoolExecutor(4) as threads:
            verdicts = dict(zip(distinct, threads.map(lambda command: verdict(command, stubs), distinct)))
        for place, command in found:
            if verdicts[command]:
                print(f"{place}: {command}\n    {verdicts[command]}")
        failed = sum(text is not None for text in verdicts.values())
        passed = len(verdicts) - failed
    if passed + failed < 100:
        print(f"only {passed + failed} commands were found")
        failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
