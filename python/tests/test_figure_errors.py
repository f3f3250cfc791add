"""What cannot be drawn is an error of one line, without a file."""

import numpy as np
import pytest
from run_folders import make_run, write_predictions

pytest.importorskip("mplhep")

from kaon_plots.cli import main  # noqa: E402


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", "{runs}", "--output", "x.jpg"], "does not end in .pdf, .png or .svg"),
        (["scan", "{runs}", "--output", "{predictions}/x.png"], "predictions.h5 cannot be written: "),
        (["scan", "nowhere"], "nowhere is not a folder"),
        (["scan", "{runs}", "--x", "data.classes"], "data.classes is all, but an axis needs numbers"),
        (["scan", "{runs}", "--x", "data.jetz"], "did you mean data.jets?"),
        (["scan", "{runs}", "--by", "data.class"], "did you mean data.classes?"),
        (["scan", "{runs}", "--measure", "area"], "no run has the measure area"),
        (["scan", "{runs}", "{origin}"], "select one with --where objective=classification"),
        (["regression", "{runs}"], "no predictions.h5"),
        (["regression", "{predictions}"], "is not a predictions.h5 of a regression"),
        (["regression", "{below}"], "no jet has a positive target"),
        (["btag", "{other}"], "no runs of classification, vertexing or track_origin"),
        (["roc", "{runs}"], "no predictions.h5"),
        (["roc", "nowhere.h5"], "nowhere.h5 does not exist: give a predictions.h5"),
        (["confusion", "nowhere.json"], "nowhere.json does not exist: give a metrics.json"),
        (["roc", "{jets}"], "has no dataset scores"),
        (["roc", "{predictions}", "--signal", "d"], "has no class d; available: light, c, b"),
        (["roc", "{predictions}", "--signal", "b", "--background", "b"], "--signal and --background are both b"),
        (["roc", "{few}"], "has only 9 background jets; a curve needs at least 10"),
        (["sic", "{few}"], "has only 9 background jets"),
        (["roc", "{predictions}", "--format", "jpg"], "--format jpg is unknown; use pdf, png, svg"),
        (["roc", "{predictions}", "--output", "x"], "--format pdf adds a suffix"),
        (["roc", "{predictions}", "{predictions}"], "give them with --names"),
        (["roc", "{predictions}", "{predictions}", "--names", "x", "y"], "give --signal to compare several files"),
        (["confusion", "{runs}/evaluation/metrics.json"], "has no confusion matrix"),
        (["confusion", "{predictions}", "{predictions}"], "give one file"),
        (["training", "nowhere"], "nowhere is not a folder; give the folder of a run"),
        (["training", "{fresh}"], "has no metrics yet"),
    ],
)
def test_what_cannot_be_drawn_is_said(tmp_path, predictions, capsys, monkeypatch, arguments, message):
    places = {
        "runs": make_run(tmp_path / "runs", {"accuracy": 0.5}), "predictions": predictions,
        "origin": make_run(tmp_path / "origin", {"accuracy": 0.5}, objective="track_origin"),
        "other": make_run(tmp_path / "other", {}, objective="mpm_v2"),
        "fresh": make_run(tmp_path / "fresh", {}, done=0),
        "few": write_predictions(tmp_path / "few.h5", scores=np.linspace(0, 1, 29), labels=[0] * 9 + [1] * 20),
        "jets": write_predictions(tmp_path / "jets.h5", csts=[1.0]),
        "below": write_predictions(tmp_path / "below.h5", predicted=[1.0], target=[-1.0], pt=[5.0]),
    }
    monkeypatch.chdir(tmp_path)
    arguments = [each.format(**places) for each in arguments]
    if "--output" not in arguments:
        arguments += ["--output", "x.png"]
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("kaon-plot: ") and message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "x.png").exists()
