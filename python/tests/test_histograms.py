"""The numbers behind figures of distributions: bins, overflow, densities, errors, ratios and distances."""

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("mplhep")

from kaon_plots import panels  # noqa: E402
from kaon_plots.histograms import Binning, baseline, bins, histogram, ratio, wasserstein  # noqa: E402
from kaon_plots.observables import ratio_errors  # noqa: E402

_LINEAR = panels.Panel("x", "x")


def _jets(values):
    """One value per jet."""
    return np.asarray(values, float), np.arange(len(values))


def test_overflow_has_bins_of_its_own():
    sample = _jets([-5, 0, 0.5, 1, 1.5, 2, 7, np.inf, np.nan])
    plain = Binning(np.array([0.0, 1.0, 2.0]))
    assert histogram(sample, plain).fractions == pytest.approx(np.array([2, 3]) / 9)
    full = plain.with_overflow([_jets([1]), sample])
    assert full.drawn.tolist() == [-1, 0, 1, 2, 3]
    assert histogram(sample, full).fractions == pytest.approx(np.array([1, 2, 3, 3]) / 9)
    upper = plain.with_overflow([_jets([0, 3])])
    assert upper.drawn.tolist() == [0, 1, 2, 3] and not upper.underflow
    assert plain.with_overflow([_jets([0, 2])]).drawn.tolist() == [0, 1, 2]


def test_overflow_is_as_wide_as_its_neighbour_on_the_page():
    assert Binning(np.array([1.0, 10, 100]), "log", True, True).drawn == pytest.approx([0.1, 1, 10, 100, 1000])
    assert Binning(np.array([1.0, 10, 100]), "log").middles == pytest.approx(np.sqrt([10, 1000]))
    edges = bins([_jets(np.linspace(-30, 30, 1001))], panels.D0).edges
    drawn = Binning(edges, "signed", True, True).drawn
    assert drawn[1:-1] == pytest.approx(edges) and drawn[-1] == -drawn[0]
    # Logarithmic: the ratios of the outer edges are equal.
    assert drawn[-1] / drawn[-2] == pytest.approx(drawn[-2] / drawn[-3])


def test_small_samples_have_few_bins():
    def count(*sizes):
        return len(bins([_jets(np.linspace(1, 2, size)) for size in sizes], _LINEAR).edges) - 1

    assert [count(size) for size in (1, 100, 200, 300, 10_000)] == [10, 10, 20, 30, 30]
    assert count(10_000, 150) == 15


def test_densities_on_a_symmetric_logarithmic_axis():
    random = np.random.default_rng(0)
    sample = _jets(random.normal(0, 0.5, 20_000))
    binning = bins([sample], panels.D0)
    found = histogram(sample, binning)
    density, errors = found.density(panels.D0)
    widths = np.diff(binning.edges)
    assert widths.max() > 10 * widths.min()
    assert np.sum(density * widths) == pytest.approx(0.998, abs=0.002)
    # The normal density near zero, in 1/mm.
    assert density[np.abs(binning.middles) < 0.05].mean() == pytest.approx(0.798, rel=0.1)
    assert errors == pytest.approx(found.errors / widths)
    assert panels.D0.density_label == "density [1/mm]"
    # Fractions of categories are not divided.
    assert histogram(_jets([0, 0, 3]), bins([], panels.IDENTITY)).density(panels.IDENTITY)[0][[0, 3]] == pytest.approx(
        [2 / 3, 1 / 3])


def test_errors_are_binomial_for_jets_and_count_jets_for_constituents():
    random = np.random.default_rng(1)
    values = random.uniform(0, 2, 1000)
    binning = Binning(np.array([0.0, 1.0, 2.0]))
    plain = histogram(_jets(values), binning)
    assert plain.errors == pytest.approx(np.sqrt(plain.fractions * (1 - plain.fractions) / 1000))
    # Copies of the only constituent of each jet are no further information.
    copied = histogram((np.repeat(values, 5), np.repeat(np.arange(1000), 5)), binning)
    assert copied.fractions == pytest.approx(plain.fractions) and copied.errors == pytest.approx(plain.errors)


def test_errors_of_constituents_are_the_spread_of_samples():
    random = np.random.default_rng(2)
    binning = Binning(np.array([0.0, 0.5, 1.0]))

    def draw():
        numbers = np.repeat(np.arange(200), random.integers(1, 20, 200))
        # Constituents near an axis that differs from jet to jet.
        return np.clip(random.uniform(0, 1, 200)[numbers] + random.normal(0, 0.1, len(numbers)), 0, 1), numbers

    found = [histogram(draw(), binning) for _ in range(300)]
    spread = np.std([each.fractions for each in found], axis=0)
    assert np.mean([each.errors for each in found], axis=0) == pytest.approx(spread, rel=0.12)


def test_ratios():
    binning = Binning(np.array([0.0, 1.0, 2.0, 3.0]))
    one, reference = (histogram(_jets(values), binning) for values in ([0.5, 0.5, 1.5, 2.5], [0.5, 1.5, 1.5, 1.5]))
    values, errors, band = ratio(one, reference)
    assert values[:2] == pytest.approx([2, 1 / 3]) and np.isnan(values[2])
    assert errors[:2] == pytest.approx([np.sqrt(0.5 * 0.5 / 4) / 0.25, np.sqrt(0.25 * 0.75 / 4) / 0.75])
    assert band[:2] == pytest.approx([np.sqrt(0.25 * 0.75 / 4) / 0.25, np.sqrt(0.25 * 0.75 / 4) / 0.75])


def test_errors_of_the_ratio_of_the_same_jets():
    binning = Binning(np.array([0.0, 1.0, 2.0]))
    before = np.array([0.5] * 10 + [1.5] * 10)
    assert ratio_errors(before, before + 0.1, binning) == pytest.approx([0, 0])
    # One jet leaves the first bin: r = 0.9, 1/9 + 1/10 − 2 · 9/(9 · 10).
    after = before.copy()
    after[0] = 1.5
    assert ratio_errors(before, after, binning)[0] == pytest.approx(0.9 * np.sqrt(1 / 9 + 1 / 10 - 2 / 10))


def test_the_baseline_is_the_distance_of_two_halves():
    values, numbers = np.array([1.0, 1, 4, 2, 2]), np.array([0, 0, 1, 2, 2])
    assert baseline((values, numbers)) == pytest.approx(wasserstein(np.array([1, 1, 2, 2]), np.array([4])))
    assert np.isnan(baseline((values[:2], numbers[:2])))
    random = np.random.default_rng(4)
    many = _jets(random.normal(size=10_000))
    assert 0 < baseline(many) < 0.05


def test_quantities_of_jets():
    jets = ak.Array({
        "label": [0, 0], "pt": [500.0, 600.0], "constituents": [
            [{"pt": 3.0, "deta": 0.0, "dphi": 0.0, "d0": 0.5, "id": 1, "vtx_id": 2},
             {"pt": 4.0, "deta": 0.0, "dphi": np.pi / 2, "d0": 0.0, "id": 0, "vtx_id": 0}],
            [{"pt": 1.0, "deta": 0.0, "dphi": 0.0, "d0": 0.1, "id": 3, "vtx_id": 1}]]})

    def found(panel, **options):
        values, numbers = panels.quantity(jets, panel, **options)
        return values.tolist(), numbers.tolist()

    assert found(panels.D0) == ([0.5, 0.1], [0, 1])
    assert found(panels.IDENTITY) == ([1, 0, 3], [0, 0, 1])
    assert found(panels.COUNT) == ([2, 1], [0, 1])
    assert found(panels.VERTICES) == ([2, 1], [0, 1])
    assert found(panels.JET_PT) == ([500, 600], [0, 1])
    assert found(panels.JET_PT, calculated=True)[0] == pytest.approx([5, 1])
    assert panels.quantity(jets, panels.JET_MASS) is None and panels.quantity(jets, panels.ORIGIN) is None
