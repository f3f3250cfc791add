"""Plots are drawn without errors; their appearance is not tested."""

import h5py
import makers
import numpy as np
import pytest

pytest.importorskip("mplhep")

from kaon_plots.cli import main  # noqa: E402


@pytest.mark.parametrize("labels", [[], ["--labels"]])
def test_features_are_drawn(run, sources, tmp_path, labels):
    jets = run(sources) / "jets_000.h5"
    tracks = run(makers.write_root(tmp_path / "b.root", makers.btag_arrays(50)), "btag", "btag") / "jets_000.h5"
    picture = tmp_path / "features.png"
    names = ["--names", "JetClass", "BTag"]
    assert main(["features", str(jets), str(tracks), "--output", str(picture), *names, *labels]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_features_that_a_model_did_not_know_are_left_out(run, sources, tmp_path, capsys):
    jets = run(sources) / "jets_000.h5"
    with h5py.File(jets, "r+") as file:
        file["csts"][:, 3:] = 0
    assert main(["features", str(jets), "--output", str(tmp_path / "features.png")]) == 0
    with h5py.File(jets, "r+") as file:
        few = file["csts"][:, :3]
        del file["csts"]
        file["csts"] = few
    assert main(["features", str(jets), "--output", str(tmp_path / "features.png")]) == 1
    assert "expected 7 features per constituent" in capsys.readouterr().err


def test_observables_are_drawn_and_their_medians_printed(tmp_path, capsys):
    random = np.random.default_rng(1)
    predictions, picture = tmp_path / "predictions.h5", tmp_path / "observables.png"
    with h5py.File(predictions, "w") as file:
        for name, median in [("jet_pt", 600), ("jet_mass", 100)]:
            file[name] = random.normal(median, 20, 1001).astype("float32")
            file[f"decoded_{name}"] = 1.02 * file[name][:]
    assert main(["observables", str(predictions), "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["quantity", "jet_pt", "jet_mass"]
    assert [line.split()[3] for line in lines[1:]] == ["1.0200", "1.0200"]


def test_what_cannot_be_drawn_is_said(tmp_path, capsys):
    assert main(["features", str(tmp_path / "no.h5"), "--output", str(tmp_path / "x.png")]) == 1
    assert capsys.readouterr().err.startswith("kaon-plot: ")
    assert main(["observables", str(tmp_path / "no.h5"), "--output", str(tmp_path / "x.png")]) == 1
    said = capsys.readouterr()
    assert "no.h5 does not exist: give a predictions.h5" in said.err and not said.out
    assert main(["features", "a.h5", "a.h5", "--output", str(tmp_path / "x.png")]) == 1
    assert "--names" in capsys.readouterr().err
