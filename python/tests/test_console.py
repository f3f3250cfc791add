"""Versions, closed pipes and terminals without Unicode."""

import os
import subprocess
import sys

import pytest
from run_folders import make_run

MODULES = {
    "kaon-results": "from kaon_results.cli import main", "kaon-plot": "from kaon_plots.cli import main",
    "convert-jetclass": "from kaon_data.cli import convert_jetclass as main",
    "convert-btag": "from kaon_data.cli import convert_btag as main",
    "kaon-import": "from kaon_import.cli import main",
    "kaon_data": "from kaon_data.__main__ import main",
}


def start(program, *arguments, stdout=subprocess.PIPE, encoding="ascii"):
    code = f"import sys; {MODULES[program]}; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C"})


@pytest.mark.parametrize("program", MODULES)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_every_tool_has_help_and_a_version(program, option):
    ended = start(program, option)
    assert ended.returncode == 0 and ended.stderr == b""
    assert ended.stdout.decode("ascii").startswith("usage: " if option == "--help" else f"{program} ")


@pytest.fixture
def sweep(tmp_path):
    for seed in range(2):
        make_run(tmp_path / str(seed), {"accuracy": 0.5 + 0.01 * seed}, seed=seed)
    return tmp_path


def test_terminals_without_unicode(sweep):
    ended = start("kaon-results", sweep, "--measure", "accuracy")
    assert ended.returncode == 0 and b"0.5050 +/- 0.0071" in ended.stdout and ended.stderr == b""


# argparse itself ignores that it cannot print its help.
@pytest.mark.parametrize(("option", "code"), [("--measure=accuracy", 141), ("--help", 0)])
def test_closed_pipes_end_silently(sweep, option, code):
    reading, writing = os.pipe()
    os.close(reading)
    ended = start("kaon-results", sweep, option, stdout=writing)
    os.close(writing)
    assert ended.stderr == b"" and ended.returncode == code
