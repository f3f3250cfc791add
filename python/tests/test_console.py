"""Versions, closed pipes and terminals without Unicode."""

import io
import os
import subprocess
import sys

import h5py
import jetssl
import numpy as np
import pytest
from kaon_data.progress import Progress
from run_folders import make_run

MODULES = {
    "kaon-results": "from kaon_results.cli import main", "kaon-plot": "from kaon_plots.cli import main",
    "convert-jetclass": "from kaon_data.cli import convert_jetclass as main",
    "convert-btag": "from kaon_data.cli import convert_btag as main",
    "kaon-import": "from kaon_import.cli import main", "kaon-follow": "from kaon_results.follow import main",
    # As where PyTorch is not installed.
    "kaon-onnx": "sys.modules['torch'] = None; from kaon_torch.cli import main",
    "kaon-scaling": "from kaon_scaling.cli import main",
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


@pytest.mark.parametrize("program, arguments, message", [
    ("convert-jetclass", ["--workers", "abc"], b"'abc' is not a whole number of at least 1"),
    ("convert-btag", ["--seed", "x"], b"'x' is not a whole number of at least 0"),
    ("convert-btag", ["--max-skipped", "x"], b"'x' is not a number in 0 ... 1"),
    ("kaon-plot", ["features", "--jets", "0"], b"'0' is not a whole number of at least 1"),
])
def test_numbers_that_are_none(program, arguments, message):
    ended = start(program, *arguments)
    assert ended.returncode == 2 and message in ended.stderr


def test_onnx_files_need_pytorch(tmp_path):
    ended = start("kaon-onnx", "model.safetensors", "--output", tmp_path / "model.onnx")
    assert ended.returncode == 1 and ended.stdout == b""
    assert ended.stderr == b"kaon-onnx: PyTorch is not installed; run: pip install './python[onnx]'\n"
    code = "import sys; sys.modules['torch'] = None; import kaon_torch; kaon_torch.load('model.safetensors')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.endswith("\nModuleNotFoundError: kaon_torch needs PyTorch: pip install './python[torch]'\n")


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


@pytest.fixture
def model(tmp_path):
    return jetssl.save(tmp_path / "modèle.pt", jetssl.Model("jetssl").tensors)


@pytest.fixture
def jets(tmp_path):
    path = tmp_path / "jets.h5"
    with h5py.File(path, "w") as file:
        file["csts"], file["csts_id"] = np.random.default_rng(0).uniform(1, 2, (20, 4, 7)), np.ones((20, 4), "i4")
        file["mask"], file["labels"] = np.ones((20, 4), bool), np.zeros(20, "i4")
    return path


@pytest.mark.parametrize("program", ["kaon-import", "kaon-plot"])
@pytest.mark.parametrize("is_closed", [False, True])
def test_other_tools_that_print(program, is_closed, request, tmp_path):
    if program == "kaon-import":
        arguments = [request.getfixturevalue("model"), "--output", tmp_path / "modèle.safetensors"]
    else:
        jets = request.getfixturevalue("jets")
        arguments = ["generated", jets, jets, "--output", tmp_path / "modèle.png"]
    if not is_closed:
        ended = start(program, *arguments)
        said = ended.stderr.decode("ascii")
        assert ended.returncode == 0 and ended.stdout.decode("ascii")
        # The measures of generated jets need more than these twenty.
        assert not said or program == "kaon-plot" and "too few" in said
        return
    reading, writing = os.pipe()
    os.close(reading)
    ended = start(program, *arguments, stdout=writing)
    os.close(writing)
    assert b"Traceback" not in ended.stderr and ended.returncode == 141
    assert os.path.exists(arguments[-1])


@pytest.mark.parametrize("program", sorted(MODULES.keys() - {"kaon-onnx"}))
def test_names_beyond_ascii_in_errors(program, tmp_path):
    """Every tool names a missing input on an ASCII terminal, in one line."""
    missing = tmp_path / "fehlt-größe"
    arguments = {
        "kaon-results": [missing], "kaon-plot": ["features", missing, "--output", tmp_path / "f.png"],
        "kaon-import": [missing, "--output", tmp_path / "f.safetensors"], "kaon-scaling": ["predict", missing],
        "kaon_data": ["convert-jetclass", missing, "--output", tmp_path / "out"],
        "kaon-follow": [missing, "--to", "mlflow"],
    }.get(program, [missing, "--output", tmp_path / "out"])
    ended = start(program, *arguments)
    assert ended.returncode == 1 and b"fehlt-gr" in ended.stderr and len(ended.stderr.splitlines()) == 1
    ended.stderr.decode("ascii")


@pytest.mark.parametrize(("name", "is_redrawn"), [("xterm", True), ("dumb", False)])
def test_progress_is_redrawn_where_the_terminal_can(monkeypatch, name, is_redrawn):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", name)
    stream = Terminal()
    progress = Progress("converted", 10, stream=stream, interval=0)
    progress.advance(5)
    progress.finish()
    assert ("\r" in stream.getvalue()) == is_redrawn
