"""Figures of runs show the right numbers; their appearance is not tested."""

import numpy as np
import pytest
from run_folders import make_run, write_predictions

pytest.importorskip("mplhep")

import matplotlib.pyplot as plt  # noqa: E402

from kaon_plots.cli import main  # noqa: E402
from kaon_plots.regression import profile  # noqa: E402
from kaon_plots.style import drawing, legend_outside  # noqa: E402


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws a figure and returns its axes."""
    figures = []
    # Keep the figure instead of closing it.
    monkeypatch.setattr(plt, "close", figures.append)

    def call(*arguments):
        picture = tmp_path / "picture.png"
        assert main([*map(str, arguments), "--output", str(picture)]) == 0
        assert picture.read_bytes()[:4] == b"\x89PNG"
        return figures.pop().axes

    return call


def lines(axis):
    return {line.get_label(): line for line in axis.lines if not line.get_label().startswith("_")}


def test_scan_draws_means_and_bands_of_every_mode(tmp_path, drawn):
    for mode, value in (("fixed", 0.4), ("fine_tuned", 0.5), ("scratch", 0.3)):
        for jets in (100, 1000, "all"):
            for seed in range(2):
                make_run(tmp_path / f"runs/{mode}-{jets}-{seed}", {"accuracy": value + 0.02 * seed}, mode=mode,
                         jets=jets, seed=seed)
    (axis,) = drawn("scan", tmp_path / "runs")
    assert set(lines(axis)) == {"fixed", "fine-tuned", "from scratch"}
    places, values = lines(axis)["fixed"].get_data()
    # The number for "all" comes from the log.
    assert list(places) == [100, 1000, 168678]
    assert np.allclose(values, 0.41)
    assert axis.get_xscale() == "log"
    assert len(axis.collections) == 3
    low, high = (getattr(axis.collections[0].get_datalim(axis.transData), edge) for edge in ("y0", "y1"))
    assert high - low == pytest.approx(2 * 0.02 / np.sqrt(2))
    (legend,) = axis.figure.legends
    assert legend.get_title().get_text() == "mean ± std. dev. of 2 seeds"


def test_a_mode_looks_the_same_in_every_figure(tmp_path, drawn):
    for mode in ("fixed", "fine_tuned", "scratch"):
        make_run(tmp_path / f"runs/{mode}", {"accuracy": 0.5}, mode=mode)

    def looks(*options):
        (axis,) = drawn("scan", tmp_path / "runs", *options)
        return {name: (line.get_color(), line.get_marker()) for name, line in lines(axis).items()}

    every, few = looks(), looks("--where", "backbone_mode=fixed,scratch")
    assert few == {name: every[name] for name in ("fixed", "from scratch")}
    assert len({marker for _, marker in every.values()}) == 3


def test_scan_names_backbones_where_there_are_several(tmp_path, drawn):
    for backbone in ("kmeans", "flow"):
        for mode in ("fine_tuned", "scratch"):
            make_run(tmp_path / f"runs/{backbone}-{mode}", {"accuracy": 0.5}, mode=mode,
                     backbone=f"runs/{backbone}/checkpoints/best", seed=0 if backbone == "flow" else 1)
    (axis,) = drawn("scan", tmp_path / "runs")
    # A single point has an error bar, because a band would have no width.
    assert len(axis.containers) == 3
    assert list(lines(axis)) == ["flow, fine-tuned", "kmeans, fine-tuned", "from scratch"]


def test_scan_of_signal_jets(tmp_path, drawn):
    for jets in (0, 50, 500):
        make_run(tmp_path / f"runs/{jets}", {"sic_half": jets / 100}, objective="cwola", cwola__signal_jets=jets)
    (axis,) = drawn("scan", tmp_path / "runs", "--x", "cwola.signal_jets", "--measure", "sic_half")
    places, values = lines(axis)["fine-tuned"].get_data()
    assert list(places) == [0, 50, 500] and list(values) == [0, 0.5, 5]
    assert axis.get_xscale() == "symlog"


def test_scan_of_a_key_of_the_pretraining(tmp_path, drawn):
    for fraction in (0.2, 0.4, 0.9):
        for seed in (0, 1):
            make_run(tmp_path / f"runs/{fraction}-{seed}", {"accuracy": fraction / 2 + 0.1 * seed}, mode="fixed",
                     seed=seed, backbone=f"runs/mask-{fraction}/checkpoints/latest",
                     backbone_configuration__masking__fraction=fraction, backbone_configuration__seed=seed)
    make_run(tmp_path / "runs/scratch", {"accuracy": 0.1}, mode="scratch", backbone="runs/mask-0.2/checkpoints/latest",
             backbone_configuration__masking__fraction=0.2)
    (axis,) = drawn("scan", tmp_path / "runs", "--x", "backbone.masking.fraction")
    (line,) = lines(axis).values()
    assert list(line.get_xdata()) == [0.2, 0.4, 0.9] and line.get_ydata() == pytest.approx([0.15, 0.25, 0.5])


def test_btag_has_a_panel_for_each_task(tmp_path, drawn):
    for mode in ("fine_tuned", "scratch"):
        for jets in (100, 1000):
            make_run(tmp_path / f"runs/flavour-{mode}-{jets}", {"accuracy": 0.5}, mode=mode, jets=jets)
            make_run(tmp_path / f"runs/vertexing-{mode}-{jets}", {
                "ari": 0.5, "ari_components": 0.5, "ari_0_secondary_vertices": 0.9,
                "ari_1_secondary_vertices": jets / 2000, "ari_6_secondary_vertices": 0.3,
                "ari_7_or_more_secondary_vertices": 0.1}, objective="vertexing", mode=mode, jets=jets)
        make_run(tmp_path / f"runs/origin-{mode}", {
            "balanced_accuracy": 0.5, **{f"balanced_accuracy_{n}_tracks": n / 20 for n in (2, 10, 3)}},
            objective="track_origin", mode=mode)
    flavour, vertices, tracks = drawn("btag", tmp_path / "runs")
    assert list(lines(flavour)["fine-tuned"].get_xdata()) == [100, 1000]
    # Only the runs with the most jets, and one to six vertices.
    assert lines(vertices)["from scratch"].get_xydata().tolist() == [[1, 0.5], [6, 0.3]]
    assert list(vertices.get_xticks()) == [1, 6]
    assert lines(tracks)["fine-tuned"].get_xydata().tolist() == [[2, 0.1], [3, 0.15], [10, 0.5]]
    (legend,) = flavour.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["fine-tuned", "from scratch"]
    assert not any(axis.get_legend() for axis in (flavour, vertices, tracks))


def test_btag_says_which_task_is_missing(tmp_path, drawn):
    make_run(tmp_path / "runs/flavour", {"accuracy": 0.5})
    _, vertices, _ = drawn("btag", tmp_path / "runs")
    assert vertices.texts[0].get_text() == "no runs of vertexing"


def test_btag_does_not_draw_the_index_of_an_earlier_version(tmp_path, drawn):
    make_run(tmp_path / "runs/vertexing", {"ari": 0.5, "ari_1_secondary_vertices": 0.4}, objective="vertexing")
    _, vertices, _ = drawn("btag", tmp_path / "runs")
    assert not lines(vertices) and vertices.texts[0].get_text() == "evaluated by an earlier version"


def entries(figure):
    """The entries of the legend of a figure."""
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_roc_of_every_class(predictions, drawn):
    (axis,) = drawn("roc", predictions.parent.parent)
    assert [name.split(":")[0] for name in entries(axis.figure)] == ["light", "c", "b", "chance"]
    assert axis.get_yscale() == "log" and axis.get_legend() is None
    for line in list(lines(axis).values())[:3]:
        efficiency, rejection = line.get_data()
        assert np.all(np.diff(efficiency) >= 0) and np.all(np.diff(rejection) <= 0)
        assert (efficiency[-1], rejection[-1]) == (1, 1)
        # The curve ends where ten of the 200 background jets are left.
        assert rejection[0] == pytest.approx(20)
    assert len(axis.collections) == 3


def test_sic_of_a_class(predictions, drawn):
    options = (predictions, "--signal", "b", "--background", "light")
    (axis,), (improvements,) = drawn("roc", *options), drawn("sic", *options)
    (efficiency, rejection), (same, improvement) = (each.lines[0].get_data() for each in (axis, improvements))
    assert np.array_equal(efficiency, same)
    assert improvement == pytest.approx(efficiency * np.sqrt(rejection))
    assert axis.get_xlabel().endswith("(b)") and axis.get_ylabel().endswith("(light)")
    assert float(entries(improvements.figure)[0].split(" ± ")[0]) == pytest.approx(improvement.max(), rel=0.05)


def test_roc_compares_files(predictions, tmp_path, drawn):
    labels = np.arange(300) % 3
    other = write_predictions(tmp_path / "best/evaluation/predictions.h5", ["light", "c", "b"], labels=labels,
                              scores=np.eye(3, dtype="f4")[labels] * 0.9 + 0.03)
    (axis,) = drawn("roc", predictions, other, "--signal", "b", "--background", "light")
    assert list(lines(axis)) == ["run", "best", "chance"]
    assert entries(axis.figure)[1] == "best: 1 ± 0"
    run, best, _ = axis.lines
    assert run.get_color() != best.get_color() and run.get_linestyle() != best.get_linestyle()


@pytest.mark.parametrize("command", ["roc", "sic"])
@pytest.mark.parametrize("columns", [
    {"scores": np.linspace(0, 1, 40), "labels": [0, 1] * 20},
    {"origin_scores": np.eye(4)[np.arange(40) % 4], "origin": np.arange(40) % 4, "constituents": [40], "labels": [0]},
    {"pair_scores": [0.9, 0.2, 0.1] * 10, "vertex": [0, 0, 1] * 10, "constituents": [3] * 10, "labels": [0] * 10},
])
def test_curves_of_every_task(tmp_path, drawn, columns, command):
    (axis,) = drawn(command, write_predictions(tmp_path / "predictions.h5", **columns))
    assert all(len(line.get_xdata()) for line in axis.lines)


def test_confusion_is_the_same_from_both_files(predictions, tmp_path, drawn):
    found = drawn("confusion", predictions)[0]
    shown = [text.get_text() for text in found.texts]
    from kaon_results.predictions import read_predictions
    run = make_run(tmp_path / "json", {"accuracy": 0.5}, classes=["light", "c", "b"],
                   tables={"confusion": read_predictions(predictions).confusion.tolist()})
    again = drawn("confusion", run / "evaluation" / "metrics.json")[0]
    assert [text.get_text() for text in again.texts] == shown
    assert again.get_title() == found.get_title()
    assert found.get_title().endswith(" of 300 jets")


def test_training_draws_losses_and_both_learning_rates(tmp_path, drawn):
    make_run(tmp_path / "a", {"accuracy": 0.5})
    make_run(tmp_path / "b", {"accuracy": 0.5}, mode="scratch", done=40)
    axes = drawn("training", tmp_path / "a", tmp_path / "b")
    # One legend for all panels, outside.
    assert entries(axes[0].figure) == ["a", "b", "training", "validation", "backbone (learning rate)"]
    assert not any(axis.get_legend() for axis in axes)
    # The total equals the only loss and is not drawn twice.
    assert [axis.get_ylabel() for axis in axes] == ["classification loss", "accuracy", "learning rate", "gradient norm"]
    assert {"a", "b"} <= {line.get_label() for line in axes[0].lines}
    (backbone,) = [line for line in axes[2].lines if line.get_label() == "backbone" and len(line.get_xdata())]
    head = axes[2].lines[0]
    assert backbone.get_ydata()[3] == 0 and 0 < backbone.get_ydata()[5] < head.get_ydata()[5]
    assert backbone.get_ydata()[-1] == head.get_ydata()[-1]
    make_run(tmp_path / "slow", {"accuracy": 0.5}, fine_tuning__learning_rate_ratio=0.1)
    axis = drawn("training", tmp_path / "slow")[2]
    (backbone,) = [line for line in axis.lines if line.get_label() == "backbone" and len(line.get_xdata())]
    assert backbone.get_ydata()[-1] == pytest.approx(0.1 * axis.lines[0].get_ydata()[-1])
    # Equal learning rates are seen beside each other.
    widths = [line.get_linewidth() for line in axes[2].lines if line.get_label() in ("a", "b")]
    assert widths[0] > widths[1]


def test_a_run_of_one_line_is_seen(tmp_path, drawn):
    make_run(tmp_path / "a", {}, done=5)
    for axis in drawn("training", tmp_path / "a"):
        assert {line.get_marker() for line in axis.lines if len(line.get_xdata())} == {"o"}
        assert all(tick == round(tick) for tick in axis.get_xticks())


def test_runs_of_a_sweep_are_named_by_what_differs(tmp_path, drawn):
    for mode in ("fixed", "scratch"):
        make_run(tmp_path / f"runs/{mode}/data.jets-100/seed-0", {"accuracy": 0.5}, mode=mode)
    first, *_ = drawn("training", *sorted(tmp_path.glob("runs/*/*/seed-0")))
    assert {"fixed", "scratch"} <= set(lines(first))


def test_regression_draws_response_and_resolution(tmp_path, drawn, capsys):
    rng = np.random.default_rng(1)
    pt = rng.uniform(500, 1000, 20_000).astype("f4")
    target = (0.2 * pt).astype("f4")
    # The response falls with pT, and its width rises.
    predicted = target * (1.1 - 0.2 * (pt - 500) / 500 + rng.normal(size=len(pt)) * 0.1 * pt / 1000)
    path = write_predictions(
        tmp_path / "run/evaluation/predictions.h5", predicted=predicted.astype("f4"), target=target, pt=pt)
    response, resolution = drawn("regression", tmp_path / "run")
    (medians,), (widths,) = (
        [bars.lines[0].get_xydata() for bars in axis.containers] for axis in (response, resolution))
    assert medians.shape == (10, 2) and np.allclose(medians[:, 0], 525 + 50 * np.arange(10), atol=10)
    assert np.allclose(medians[:, 1], 1.09 - 0.02 * np.arange(10), atol=0.01)
    # Half of the central interval has a smaller error than the median.
    (median_bars, width_bars) = (axis.containers[0].lines[2][1].get_segments() for axis in (response, resolution))
    sizes = [np.array([segment[1][1] - segment[0][1] for segment in bars]) for bars in (median_bars, width_bars)]
    assert np.allclose(sizes[1] / sizes[0], 0.767, atol=0.001)
    # Within an interval, the change of the response adds to the width.
    assert np.allclose(widths[:, 1], 0.1 * medians[:, 0] / 1000, rtol=0.08)
    assert "run" in capsys.readouterr().out
    target[::2] = -1
    write_predictions(path, predicted=predicted.astype("f4"), target=target, pt=pt)
    response, _ = drawn("regression", tmp_path / "run")
    assert np.isfinite(response.containers[0].lines[0].get_ydata()).all()


def test_errors_of_median_and_width_are_their_spread():
    random = np.random.default_rng(3)
    found = [
        [each[0] for each in profile({"predicted": random.normal(1, 0.1, 400), "target": np.ones(400),
                                      "pt": np.arange(400)}, 1)[1:]] for _ in range(2000)]
    medians, widths, median_errors, width_errors = np.array(found).T
    assert np.std(medians) == pytest.approx(np.mean(median_errors), rel=0.08)
    assert np.std(widths) == pytest.approx(np.mean(width_errors), rel=0.08)


@pytest.mark.parametrize("count", [5, 30, 90])
def test_long_legends_fit(tmp_path, count):
    with drawing(tmp_path / "x.png") as (figure, axes):
        names = [f"mpmv2-kmeans/seed-{number}, fine-tuned" for number in range(count)]
        for name in names:
            axes[0, 0].plot([0, 1], [0, 1], label=name)
        legend = legend_outside(figure, *axes[0, 0].get_legend_handles_labels(), "mean ± std. dev. of 3 seeds")
        figure.draw_without_rendering()
        box, whole = legend.get_window_extent(), figure.bbox
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= whole.width and box.y1 <= whole.height
        assert not box.overlaps(axes[0, 0].get_window_extent())


def test_confusion_has_errors_of_few_classes(tmp_path, drawn):
    run = make_run(tmp_path / "run", {"accuracy": 0.5}, classes=["a", "b"], tables={"confusion": [[90, 10], [0, 50]]})
    axis, _ = drawn("confusion", run / "evaluation" / "metrics.json")
    # √(0.9 · 0.1 / 100) and √(p (1 − p) / 150) with p = 140/150.
    assert [text.get_text() for text in axis.texts] == ["90.0\n±3.0", "10.0\n±3.0", "0.0", "100"]
    assert axis.get_title() == "accuracy 0.933 ± 0.020 of 150 jets"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a (100)", "b (50)"]


def test_confusion_of_nothing_is_an_error(tmp_path, capsys):
    run = make_run(tmp_path / "run", {"accuracy": 0.5}, classes=["a", "b"], tables={"confusion": [[0, 0], [0, 0]]})
    arguments = [str(run / "evaluation/metrics.json"), "--output", str(tmp_path / "f.png")]
    assert main(["confusion", *arguments]) == 1
    assert "there are no jets to draw" in capsys.readouterr().err and not (tmp_path / "f.png").exists()


@pytest.mark.parametrize(("output", "formats", "files"), [
    ("x.pdf", None, ["x.pdf"]), ("x", "pdf,svg", ["x.pdf", "x.svg"]), ("data.jets-100", "svg", ["data.jets-100.svg"]),
    ("x.png", "svg,png", ["x.png", "x.svg"]),
])
def test_formats(tmp_path, predictions, output, formats, files):
    folder = tmp_path / "figures"
    folder.mkdir()
    options = ["--format", formats] if formats else []
    assert main(["confusion", str(predictions), "--output", str(folder / output), *options]) == 0
    assert sorted(path.name for path in folder.iterdir()) == files
    for name in files:
        beginning = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}[name[-4:]]
        assert (folder / name).read_bytes().startswith(beginning)
        # The same figure gives the same file.
        assert main(["confusion", str(predictions), "--output", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def rate_file(path, losses, suggested):
    rates = np.geomspace(1e-6, 1, len(losses))
    rows = [f"{i + 1},{rate},{loss},{loss},1.0,{int(i == suggested)}"
            for i, (rate, loss) in enumerate(zip(rates, losses))]
    path.write_text("\n".join(["step,learning_rate,loss,smoothed_loss,gradient_norm,suggested", *rows]) + "\n")
    return rates


def test_rates_are_drawn_with_their_suggestion(tmp_path, drawn):
    losses = [3.0] * 10 + [2.0] * 5 + [1.0] * 5 + [500.0, "nan"]
    rates = rate_file(tmp_path / "a.csv", losses, 12)
    (axis,) = drawn("rates", tmp_path / "a.csv")
    assert axis.get_xscale() == "log"
    x, y = lines(axis)["smoothed loss"].get_data()
    assert np.allclose(x, rates) and list(y[:20]) == losses[:20]
    point = lines(axis)[f"suggestion {rates[12]:.2g}"]
    assert point.get_xdata()[0] == pytest.approx(rates[12])
    assert axis.get_legend() is None and entries(axis.figure) == ["loss", "smoothed loss", point.get_label()]
    # The divergence does not hide the rest.
    assert axis.get_ylim()[1] < 5


def test_rates_of_several_files_have_names(tmp_path, drawn):
    rate_file(tmp_path / "a.csv", [3, 2, 1, 2], 1)
    rate_file(tmp_path / "b.csv", [3, 3, 3, 3], None)
    (axis,) = drawn("rates", tmp_path / "a.csv", tmp_path / "b.csv", "--names", "AdamW", "Lion")
    assert set(lines(axis)) == {"AdamW: loss", "AdamW: smoothed loss", "Lion: loss", "Lion: smoothed loss",
                                "AdamW: suggestion 0.0001"}


def test_losses_below_the_smoothed_one_are_seen(tmp_path, drawn):
    (tmp_path / "a.csv").write_text(
        "learning_rate,loss,smoothed_loss,suggested\n1e-4,3,3,0\n1e-3,1,2.5,1\n1e-2,2,2.4,0\n1e-1,900,90,0\n")
    (axis,) = drawn("rates", tmp_path / "a.csv")
    low, high = axis.get_ylim()
    assert low < 1 and 3 < high < 10


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "step,learning_rate,loss,smoothed_loss,gradient_norm,suggested\n",
                                  "learning_rate,loss,smoothed_loss,suggested\n1,x,2,0\n",
                                  "learning_rate,loss,smoothed_loss,suggested\n1,nan,nan,0\n"])
def test_other_files_are_refused(tmp_path, capsys, text):
    (tmp_path / "a.csv").write_text(text)
    assert main(["rates", str(tmp_path / "a.csv"), "--output", str(tmp_path / "a.png")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("kaon-plot: ") and "a.csv" in error and error.count("\n") == 1
    assert not (tmp_path / "a.png").exists()
