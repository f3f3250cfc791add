"""Plots of what kaon generates are drawn, and their distances are right; how they look is for the eye."""

import h5py
import numpy as np
import pytest

pytest.importorskip("mplhep")

from kaon_plots.cli import main  # noqa: E402
from kaon_plots.generated import wasserstein  # noqa: E402


def _group(file, name, counts, random):
    group = file.create_group(name)
    group["offsets"] = np.cumsum([0, *counts])
    group["csts"] = random.normal(size=(sum(counts), 7)).astype(np.float32)


@pytest.fixture
def reconstructed(tmp_path):
    path = tmp_path / "reconstructed.h5"
    random = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file["labels"] = [0, 1, 1]
        file["labels"].attrs["names"] = ["QCD", "Hbb"]
        file.attrs["reconstructions"] = ["regression", "flow"]
        _group(file, "original", [5, 1, 9], random)
        _group(file, "survivors", [3, 1, 6], random)
        for name in ["dropped", "regression", "flow"]:
            _group(file, name, [2, 0, 3], random)
    return path


def test_reconstructions_are_drawn(reconstructed, tmp_path):
    picture = tmp_path / "a3.png"
    assert main(["reconstruction", str(reconstructed), "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_generated_jets_are_compared(run, sources, tmp_path, capsys):
    jets = str(run(sources) / "jets_000.h5")
    picture = tmp_path / "generated.png"
    assert main(["generated", jets, jets, "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["pt", "deta", "dphi", "count", "jet_pt", "jet_mass"]
    assert all(float(line.split()[1]) == 0 for line in lines[1:])


def test_distances():
    random = np.random.default_rng(2)
    a = random.normal(size=1000)
    assert wasserstein(a, a + 0.25) == pytest.approx(0.25)
    assert wasserstein(a, np.repeat(a, 3)) == pytest.approx(0, abs=1e-12)
    assert wasserstein(np.array([0.0, 1.0]), np.array([0.5])) == pytest.approx(0.5)


def test_what_cannot_be_drawn_is_said(reconstructed, run, sources, tmp_path, capsys):
    jets = str(run(sources) / "jets_000.h5")
    for arguments, words in [
        ([jets], "'kaon generate --reconstruct'"),
        ([str(tmp_path / "no.h5")], "no.h5"),
        ([str(reconstructed), "--jets", "3"], "there is no jet 3"),
        ([str(reconstructed), "--jets", "-1"], "numbered from 0"),
    ]:
        assert main(["reconstruction", *arguments, "--output", str(tmp_path / "x.png")]) == 1
        assert words in capsys.readouterr().err
    assert main(["generated", jets, jets, "--output", str(tmp_path / "x.txt")]) == 1
    assert ".pdf, .png or .svg" in capsys.readouterr().err
