"""Plots of generated jets: they are drawn without errors and the distances are correct."""

import shutil

import h5py
import numpy as np
import pytest

pytest.importorskip("mplhep")

from matplotlib.patches import StepPatch  # noqa: E402

from kaon_plots.cli import main  # noqa: E402
from kaon_plots.histograms import wasserstein  # noqa: E402


@pytest.fixture(autouse=True)
def few_jets_are_moved(monkeypatch):
    """Distances of energy movers take most of the time."""
    monkeypatch.setattr("kaon_plots.movers._JETS", 10)
    monkeypatch.setattr("kaon_plots.movers._BATCHES", 2)


def _group(file, name, counts, random):
    group = file.create_group(name)
    group["offsets"] = np.cumsum([0, *counts])
    group["csts"] = random.normal(size=(sum(counts), 7)).astype(np.float32)


def _reconstruct(path, tasks, jets=1, drop=2):
    """Writes a file of `kaon generate --reconstruct`; `jets` and `drop` seed the jets and the dropped constituents."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["labels"] = [0, 1, 1]
        file["labels"].attrs["names"] = ["QCD", "Hbb"]
        file.attrs["reconstructions"] = tasks
        _group(file, "original", [5, 1, 9], np.random.default_rng(jets))
        _group(file, "survivors", [3, 1, 6], np.random.default_rng(drop))
        for name in ["dropped", *tasks]:
            _group(file, name, [2, 0, 3], np.random.default_rng(3))
    return path


@pytest.fixture
def reconstructed(tmp_path):
    return _reconstruct(tmp_path / "reconstructed.h5", ["regression", "flow"])


@pytest.mark.parametrize("options", [[], ["--plane"], ["--jets", "2", "0"]])
def test_reconstructions_are_drawn(reconstructed, tmp_path, options):
    picture = tmp_path / "a3.png"
    assert main(["reconstruction", str(reconstructed), *options, "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_a_file_of_few_jets(tmp_path):
    path = _reconstruct(tmp_path / "few.h5", ["flow"])
    with h5py.File(path, "r+") as file:
        del file["labels"]
        file["labels"] = [0, 1]
    picture = tmp_path / "a3.svg"
    assert main(["reconstruction", str(path), "--output", str(picture)]) == 0
    assert picture.read_bytes()[:5] == b"<?xml"


def test_jets_in_the_plane_have_the_same_axes(reconstructed, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    assert main(["reconstruction", str(reconstructed), "--plane", "--output", str(tmp_path / "plane.png")]) == 0
    assert len({axis.get_xlim() + axis.get_ylim() for axis in figures[0].axes}) == 1


def test_methods_of_several_files_are_told_apart(reconstructed, tmp_path):
    from kaon_plots.reconstruction import read

    other = _reconstruct(tmp_path / "other.h5", ["flow", "kmeans"])
    jets = read([reconstructed, other], [2], ["a", "b"])
    assert jets.names == ["jet 2 (Hbb)"]
    assert list(jets.whole) == list(jets.recovered) == ["regression", "flow (a)", "flow (b)", "k-means"]
    # The survivors, and the reconstruction of the rest.
    assert [len(each[0]) for each in (jets.original, jets.survivors, jets.whole["k-means"])] == [9, 6, 9]


def test_every_constituent_is_counted(reconstructed, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    assert main(["reconstruction", str(reconstructed), "--output", str(tmp_path / "a3.png")]) == 0
    counts = [[patch.get_data().values.sum() for patch in axis.patches] for axis in figures[0].axes]
    # The jet, the survivors, and both methods; values outside the axis are counted too.
    assert counts == [[5, 3, 5, 5]] * 3 + [[1, 1, 1, 1]] * 3 + [[9, 6, 9, 9]] * 3


def test_generated_jets_are_compared(run, sources, tmp_path, capsys):
    jets = str(run(sources) / "jets_000.h5")
    picture = tmp_path / "generated.png"
    assert main(["generated", jets, jets, "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:12]] == [
        "pt", "deta", "dphi", "count", "jet_pt", "jet_mass", "d0", "dz", "d0err", "dzerr", "efp"]
    # The distance, that of data to data, and their errors.
    for line in lines[1:12]:
        _, distance, _, baseline, error, baseline_error = line.split()
        assert float(distance) == 0 < min(map(float, (baseline, error, baseline_error)))
    assert [line.split()[0] for line in lines[13:]] == ["measure", "fpd", "kpd", "coverage", "mmd"]


def test_generated_jets_have_panels_of_ratios(run, sources, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr("matplotlib.pyplot.close", figures.append)
    data = run(sources) / "jets_000.h5"
    # Every constituent has the double pT, so that some are beyond the axis.
    made = shutil.copy(data, tmp_path / "made.h5")
    with h5py.File(made, "r+") as file:
        file["csts"][:, 0] *= 2
    assert main(["generated", str(made), str(data), "--output", str(tmp_path / "generated.pdf")]) == 0
    (figure,) = figures
    upper, lower = figure.axes[0], figure.axes[4]
    assert (lower.get_xlabel(), upper.get_xlabel()) == ("constituent $p_\\mathrm{T}$ [GeV]", "")
    assert upper.get_ylabel() == "density [1/GeV]" and lower.get_ylabel() == "ratio"
    # The steps of the ratio, and its errors, in all bins and that of overflow.
    (steps,) = [patch for patch in lower.patches if isinstance(patch, StepPatch) and patch.get_zorder() == 3]
    ratios = steps.get_data().values
    assert len(ratios) == 31 + 1 and ratios[-1] > 5
    # pT of the jets is also larger, whereas their numbers of constituents are the same.
    counts = [patch for patch in figure.axes[7].patches if isinstance(patch, StepPatch) and patch.get_zorder() == 3]
    values = counts[0].get_data().values
    assert np.allclose(values[np.isfinite(values)], 1)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["data", "generated", "underflow, overflow"]


def test_reconstructions_of_all_jets_are_compared(reconstructed, tmp_path, capsys):
    other = _reconstruct(tmp_path / "other.h5", ["kmeans"])
    # The reconstruction equals the dropped constituents, except for pT larger by one.
    with h5py.File(other, "r+") as file:
        file["kmeans/csts"][:, 0] = file["dropped/csts"][:, 0] + 1
    picture = tmp_path / "pooled.png"
    assert main(["reconstruction", str(reconstructed), str(other), "--pooled", "--output", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["method", "quantity"]
    # Without identities there are no impact parameters of charged constituents.
    quantities = ["pt", "deta", "dphi", "jet_pt", "jet_mass"]
    assert [line.split()[:2] for line in lines] == [
        [method, name] for method in ("regression", "flow", "k-means") for name in quantities]
    distances = {tuple(line.split()[:2]): float(line.split()[2]) for line in lines}
    assert distances["k-means", "pt"] == pytest.approx(1, rel=1e-4)
    assert distances["k-means", "deta"] == distances["flow", "pt"] == 0


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
        ([str(tmp_path / "no.h5")], "no.h5 does not exist"),
        ([str(reconstructed), "--plane", "--pooled"], "not both"),
        ([str(reconstructed), "--jets", "3"], "there is no jet 3"),
        ([str(reconstructed), "--jets", "-1"], "numbered from 0"),
        ([str(reconstructed), str(_reconstruct(tmp_path / "a.h5", ["bins"], jets=7))], "contain different jets"),
        ([str(reconstructed), str(_reconstruct(tmp_path / "b.h5", ["bins"], drop=7))],
         "dropped different constituents"),
        ([str(reconstructed), str(_reconstruct(tmp_path / "more/reconstructed.h5", ["flow"]))], "with --names"),
    ]:
        assert main(["reconstruction", *arguments, "--output", str(tmp_path / "x.png")]) == 1
        assert words in capsys.readouterr().err
    assert main(["generated", jets, jets, "--output", str(tmp_path / "x.txt")]) == 1
    assert ".pdf, .png or .svg" in capsys.readouterr().err
