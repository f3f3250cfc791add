"""Help and versions of the scripts."""

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("scripts/*.sh"), *ROOT.glob("slurm/*")])
VERSION = re.search('kaonVersion = "(.*)"', (ROOT / "Sources/System/Version.swift").read_text()).group(1)


def run(*command, folder=ROOT):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, cwd=folder)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_every_script_has_help_and_a_version(script, option, tmp_path):
    ended = run("bash", script, option, folder=tmp_path)
    assert ended.returncode == 0 and ended.stderr == ""
    if option == "--version":
        assert ended.stdout == f"kaon {VERSION}\n"
        return
    comment = [line for line in script.read_text().splitlines() if not re.match("#!|# shellcheck|#SBATCH", line)]
    assert ended.stdout.splitlines()[0] == comment[0].removeprefix("# ")
    assert not any(line.startswith(("#", "set -")) for line in ended.stdout.splitlines())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["lint", "quickstart", "setup", "test", "test-faults", "test-hosts", "test-python",
                                  "test-scaling", "test-slurm"])
def test_scripts_without_arguments_take_none(name):
    ended = run("bash", f"scripts/{name}.sh", "--hlep")
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr == f"{name}: unknown argument '--hlep'; see --help\n"


def test_wrong_use_prints_the_help():
    ended = run("bash", "scripts/scale-test.sh")
    assert ended.returncode == 64 and ended.stderr == run("bash", "scripts/scale-test.sh", "--help").stdout


@pytest.mark.parametrize("is_known", [True, False])
def test_jobs_load_modules_also_without_the_function(is_known, tmp_path):
    init = tmp_path / "init/bash"
    init.parent.mkdir()
    init.write_text('false; echo "$UNSET_VARIABLE"; module() { echo "module $* $ANOTHER"; }\n')
    script = "set -euo pipefail; source scripts/jobs.sh; load_libraries /nowhere; echo $-"
    environment = {"PATH": "/usr/bin:/bin", "KAON_MODULES": "openmpi/4.1 hdf5"}
    if is_known:
        environment["MODULESHOME"] = str(tmp_path)
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, env=environment)
    if not is_known:
        assert ended.returncode == 1 and ended.stderr.startswith("KAON_MODULES is set, but 'module' is not defined")
        return
    _, loaded, options = ended.stdout.splitlines()
    assert loaded.strip() == "module load openmpi/4.1 hdf5" and {"e", "u"} <= set(options)


def test_images_contain_the_source_alone():
    listed = (ROOT / "containers/kaon.def").read_text().split("%files\n")[1].split("\n\n")[0].split()[::2]
    tracked = {line.split("/")[0] for line in run("git", "ls-files").stdout.splitlines()}
    left = {name for name in tracked if not any(fnmatch.fnmatch(name, pattern) for pattern in listed)}
    assert left == {".dockerignore", ".editorconfig", ".swift-format"}
    assert all(list(ROOT.glob(pattern)) for pattern in listed)
    assert {".build", ".venv", "data", "runs"} <= set((ROOT / ".dockerignore").read_text().splitlines())


def test_sourced_scripts_do_not_read_arguments(tmp_path):
    script = tmp_path / "script"
    script.write_text(f"set -euo pipefail; source {ROOT}/scripts/mpi-environment.sh; echo ${{mpirun[0]}}\n")
    ended = run("bash", script, "--help")
    assert ended.returncode == 0 and "mpirun" in ended.stdout


@pytest.mark.parametrize(
    "missing, said", [(".git", "Sources/*.swift Sources/*.c"), ("a.py", "*.py"), ("a.c", "*.c *.h")])
def test_style_is_not_that_of_no_files(missing, said, tmp_path):
    (tmp_path / "scripts").mkdir()
    for name in ("lint.sh", "help.sh", "checks.sh"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    for name in ("Sources/a.swift", "a.c", "a.py", "a.md", "configs/a.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        if name != missing:
            (tmp_path / name).touch()
    if missing != ".git":
        assert run("git", "init", "--quiet", folder=tmp_path).returncode == 0
    ended = run("bash", "scripts/lint.sh", folder=tmp_path)
    assert ended.returncode == 1 and ended.stdout == "0 passed, 1 failed\n"
    assert f"lint: git lists no files {said}" in ended.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_benchmark_has_help_without_pytorch(option):
    ended = run(sys.executable, "python/bench_pytorch.py", option)
    assert ended.returncode == 0 and ended.stderr == ""
    assert ended.stdout.startswith("Compares PyTorch" if option == "--help" else f"kaon {VERSION}")


@pytest.mark.parametrize("launcher, placed", [
    ("srun", "--cpus-per-task=4 --distribution=block:block --cpu-bind=cores"), ("mpirun", "--map-by slot:PE=4"),
])
def test_jobs_place_the_ranks_of_a_socket_together(launcher, placed, tmp_path):
    command = tmp_path / launcher
    command.write_text('#!/bin/sh\necho "started: $*"\n')
    command.chmod(0o755)
    script = tmp_path / "job"
    script.write_text(f"set -euo pipefail; cd {ROOT}; source slurm/env.sh; kaon_run \"$@\"\n")

    def started(*arguments, **variables):
        job = {"SLURM_NTASKS": "8", "SLURM_CPUS_PER_TASK": "4", "SLURM_JOB_ID": "1", "SLURM_JOB_NODELIST": "a"}
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "KAON_LAUNCHER": launcher, **job, **variables}
        ended = subprocess.run(
            ["bash", str(script), *arguments], capture_output=True, text=True, timeout=60, env=environment)
        assert ended.returncode == 0 and ended.stderr == ""
        return ended.stdout.splitlines()[-1]

    sockets = {"SLURM_NTASKS_PER_SOCKET": "2"}
    for command in ("pretrain", "finetune"):
        assert placed in started(command, "x.yaml")
        assert started(command, "x.yaml").endswith(f"{command} x.yaml parallel.threads=4")
        assert started(command, "x.yaml", **sockets).endswith("x.yaml parallel.threads=4 parallel.ranks_per_group=2")
        # A number on the command line remains.
        assert started(command, "x.yaml", "parallel.ranks_per_group=1", **sockets).endswith(
            "x.yaml parallel.ranks_per_group=1 parallel.threads=4")
    # The other commands refuse the key.
    for command in ("evaluate", "generate", "encode"):
        assert started(command, "x.h5", **sockets).endswith(f"{command} x.h5 parallel.threads=4")
