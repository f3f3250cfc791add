"""Plots are drawn; how they look is for the eye."""

import makers
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


def test_what_cannot_be_drawn_is_said(tmp_path, capsys):
    assert main(["features", str(tmp_path / "no.h5"), "--output", str(tmp_path / "x.png")]) == 1
    assert capsys.readouterr().err.startswith("kaon-plot: ")
    assert main(["features", "a.h5", "a.h5", "--output", str(tmp_path / "x.png")]) == 1
    assert "--names" in capsys.readouterr().err
