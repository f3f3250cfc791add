"""Plots are drawn without errors; their appearance is not tested."""

import h5py
import makers
import numpy as np
import pytest

pytest.importorskip("mplhep")

from matplotlib.patches import StepPatch  # noqa: E402

from kaon_plots.cli import main  # noqa: E402
from kaon_plots.style import drawing  # noqa: E402


@pytest.mark.parametrize("labels", [[], ["--labels"]])
def test_features_are_drawn(run, sources, tmp_path, labels):
    jets = run(sources) / "jets_000.h5"
    tracks = run(makers.write_root(tmp_path / "b.root", makers.btag_arrays(50)), "btag", "btag") / "jets_000.h5"
    picture = tmp_path / "features.png"
    names = ["--names", "JetClass", "BTag"]
    assert main(["features", str(jets), str(tracks), "--output", str(picture), *names, *labels]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_names_of_folders_with_dots(run, sources, tmp_path):
    jets = run(sources) / "jets_000.h5"
    for name in ("jets.v1", "jets.v2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "jets.h5").symlink_to(jets)
    folders = [str(tmp_path / name) for name in ("jets.v1", "jets.v2")]
    assert main(["features", *folders, "--output", str(tmp_path / "features.svg")]) == 0
    assert all(name in (tmp_path / "features.svg").read_text() for name in ("jets.v1", "jets.v2"))


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
    predictions, picture = tmp_path / "predictions.h5", tmp_path / "figures/observables.png"
    with h5py.File(predictions, "w") as file:
        for name, median in [("jet_pt", 600), ("jet_mass", 100)]:
            file[name] = random.normal(median, 20, 1001).astype("float32")
            file[f"decoded_{name}"] = 1.02 * file[name][:]
    assert main(["observables", str(predictions), "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["quantity", "jet_pt", "jet_mass"]
    assert [line.split()[3] for line in lines[1:]] == ["1.0200", "1.0200"]
    # The distance of values larger by 2 %, far above that of two halves.
    distances = [[float(word) for word in line.split()[4:]] for line in lines[1:]]
    assert [each[0] for each in distances] == pytest.approx([12, 2], rel=0.01)
    assert all(0 < baseline < 5 for _, baseline in distances)


def test_the_ratio_of_observables_is_above_its_band(tmp_path, monkeypatch):
    figures, random = [], np.random.default_rng(1)
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    with h5py.File(tmp_path / "predictions.h5", "w") as file:
        for name in ("jet_pt", "jet_mass"):
            file[name] = random.normal(100, 20, 1001)
            file[f"decoded_{name}"] = file[name][:] + 30
    assert main(["observables", str(tmp_path / "predictions.h5"), "--output", str(tmp_path / "o.png")]) == 0
    for below in figures[0].axes[2:]:
        steps = [patch for patch in below.patches if isinstance(patch, StepPatch)]
        band, line = sorted(steps, key=lambda patch: patch.get_fill(), reverse=True)
        assert line.get_zorder() > band.get_zorder() and len(below.containers) == 1
        # Underflow and overflow have bins of their own.
        assert len(line.get_data().edges) == 43 and below.get_xlim()[1] == line.get_data().edges[-1]


def test_features_of_tracks_have_panels_of_identities(run, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    tracks = run(makers.write_root(tmp_path / "b.root", makers.btag_arrays(50)), "btag", "btag") / "jets_000.h5"
    assert main(["features", str(tracks), "--labels", "--output", str(tmp_path / "f.png")]) == 0
    panels = {axis.get_xlabel(): axis for axis in figures[0].axes}
    assert {"identity", "origin of tracks", "secondary vertices"} <= panels.keys()
    for name, places in (("identity", 8), ("origin of tracks", 4)):
        axis = panels[name]
        assert len(axis.get_xticks()) == places
        # Points of the three classes side by side, with errors.
        assert len(axis.containers) == 3
        points = np.concatenate([container[0].get_xdata() for container in axis.containers])
        assert len(set(points)) == len(points)
    (legend,) = figures[0].legends
    assert [text.get_text().split()[0] for text in legend.get_texts()] == ["light", "c", "b"]


def test_what_cannot_be_drawn_is_said(tmp_path, capsys):
    assert main(["features", str(tmp_path / "no.h5"), "--output", str(tmp_path / "x.png")]) == 1
    assert capsys.readouterr().err.startswith("kaon-plot: ")
    assert main(["observables", str(tmp_path / "no.h5"), "--output", str(tmp_path / "x.png")]) == 1
    said = capsys.readouterr()
    assert "no.h5 does not exist: give a predictions.h5" in said.err and not said.out
    assert main(["features", "a.h5", "a.h5", "--output", str(tmp_path / "x.png")]) == 1
    assert "--names" in capsys.readouterr().err


@pytest.mark.parametrize(("limits", "labels"), [
    ((1.2, 80), ["2", "5", "10", "20", "50"]),
    ((0.03, 0.09), ["0.05"]),
    ((0.6, 300), ["$\\mathdefault{10^{0}}$", "$\\mathdefault{10^{1}}$", "$\\mathdefault{10^{2}}$"])])
def test_labels_of_logarithmic_axes_do_not_overlap(tmp_path, limits, labels):
    with drawing(tmp_path / "axis.png") as (figure, axes):
        axes[0, 0].set_xscale("log")
        axes[0, 0].set_xlim(*limits)
    boxes = [text.get_window_extent() for text in axes[0, 0].get_xticklabels(which="both")
             if text.get_text() and limits[0] <= text.get_position()[0] <= limits[1]]
    assert all(left.x1 <= right.x0 for left, right in zip(sorted(boxes, key=lambda box: box.x0),
                                                          sorted(boxes, key=lambda box: box.x0)[1:]))
    found = [text.get_text() for text in axes[0, 0].get_xticklabels(which="both")
             if text.get_text() and limits[0] <= text.get_position()[0] <= limits[1]]
    assert set(labels) <= set(found)


def test_long_class_names_leave_room_for_the_label_of_the_axis(tmp_path):
    with drawing(tmp_path / "matrix.png", size=(5.7, 4.2)) as (figure, axes):
        axes[0, 0].imshow(np.eye(4))
        axes[0, 0].set_yticks(range(4), ["primary (19,131)"] * 4)
        axes[0, 0].set_ylabel("true class (number)")
    assert axes[0, 0].yaxis.label.get_window_extent().x0 >= 0
