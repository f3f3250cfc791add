"""Help and versions of the scripts."""

import re
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


@pytest.mark.parametrize("name", ["lint", "quickstart", "setup", "test", "test-hosts", "test-python", "test-slurm"])
def test_scripts_without_arguments_take_none(name):
    ended = run("bash", f"scripts/{name}.sh", "--hlep")
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr == f"{name}: unknown argument '--hlep'; see --help\n"


def test_sourced_scripts_do_not_read_arguments(tmp_path):
    script = tmp_path / "script"
    script.write_text(f"set -euo pipefail; source {ROOT}/scripts/mpi-environment.sh; echo ${{mpirun[0]}}\n")
    ended = run("bash", script, "--help")
    assert ended.returncode == 0 and "mpirun" in ended.stdout


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_benchmark_has_help_without_pytorch(option):
    ended = run(sys.executable, "python/bench_pytorch.py", option)
    assert ended.returncode == 0 and ended.stderr == ""
    assert ended.stdout.startswith("Compares PyTorch" if option == "--help" else f"kaon {VERSION}")
