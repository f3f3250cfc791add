"""Submits the list to Slurm: a job array for each command and configuration of a stage."""

import os
import shlex
import subprocess
import sys

from kaon_data import DataError

from .runs import STAGES
from .scales import ROOT


def submit(book, arguments):
    """Every stage starts when all jobs of the earlier stages have ended, whether or not one failed, and the last job
    writes the page. Finished runs are left out, so that the same command repeats what failed."""
    folder = book.folder
    lines = folder / "slurm"
    left = [run for run in book.ordered() if not run.is_finished(folder)]
    before, count = [], 0
    for stage in STAGES:
        arrays = {}
        for run in left:
            if run.stage == stage:
                # `evaluate` and `generate` have their checkpoint in the line.
                subject = run.subject if run.command in ("pretrain", "finetune") else _flag(run)
                arrays.setdefault((run.command, subject), []).append(run)
        jobs = []
        for (command, subject), runs in arrays.items():
            lines.mkdir(parents=True, exist_ok=True)
            path = lines / f"{stage}-{count}.txt"
            count += 1
            path.write_text("".join(_line(run, book) + "\n" for run in runs), encoding="utf-8")
            for run in runs:
                run.prepare(folder)
            jobs.append(_sbatch(before, [f"--array=1-{len(runs)}", "--job-name=kaon-book", "slurm/sweep.sbatch", path,
                                         command, subject]))
        before += jobs
    packages = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
    page = shlex.join(["env", f"PYTHONPATH={packages}", sys.executable, "-m", "kaon_book", f"runs={folder}",
                       *_absolute(arguments), "--page"])
    _sbatch(before, ["--ntasks=1", "--job-name=kaon-book-page", f"--wrap={page}"])
    print(f"submitted {len(left)} runs in {len(before)} job arrays, and a job that writes the page")


def _flag(run):
    return "--force" if run.command == "evaluate" else "--reconstruct"


def _line(run, book):
    words = run.words(book)[1:]
    if run.command in ("pretrain", "finetune"):
        words = words[1:]
    else:
        words = [word for word in words if word != _flag(run)]
    return shlex.join(words)


def _absolute(arguments):
    """The arguments with absolute paths, since the job runs in another folder."""
    found = []
    for word in arguments:
        key, _, text = word.partition("=")
        found.append(f"{key}={os.path.abspath(text)}" if key in ("data", "runs", "output") else word)
    return found


def _sbatch(before, words):
    dependency = [f"--dependency=afterany:{':'.join(before)}"] if before else []
    try:
        ended = subprocess.run(["sbatch", "--parsable", *dependency, *map(str, words)], cwd=ROOT, capture_output=True,
                               text=True)
    except FileNotFoundError:
        raise DataError("sbatch not found: --slurm needs Slurm; leave it out to run on this machine") from None
    if ended.returncode:
        raise DataError(f"sbatch failed: {ended.stderr.strip()}")
    return ended.stdout.strip().partition(";")[0]
