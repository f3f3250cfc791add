"""Measures of generated jets have the values of known distributions, and those of brute force."""

import itertools
import json

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("mplhep")
pytest.importorskip("ot")

from kaon_plots import distances, efps  # noqa: E402
from kaon_plots.distances import frechet, gaussian_distance, kernel  # noqa: E402
from kaon_plots.generation import measure  # noqa: E402
from kaon_plots.histograms import wasserstein, wasserstein_error  # noqa: E402
from kaon_plots.movers import coverage_and_mmd, mover_distance  # noqa: E402

#: Edges of the multigraphs between their vertices.
_EDGES = {
    "line": "01", "double": "01 01", "path": "01 12",
    "triple": "01 01 01", "path_double": "01 01 12", "triangle": "01 12 20", "long_path": "01 12 23",
    "star": "01 02 03", "quadruple": "01 01 01 01", "path_triple": "01 01 01 12", "path_two_doubles": "01 01 12 12",
    "triangle_double": "01 01 12 20", "long_path_double_end": "01 01 12 23", "long_path_double_middle": "01 12 12 23",
    "star_double": "01 01 02 03", "square": "01 12 23 30", "triangle_leg": "01 12 20 03",
    "longest_path": "01 12 23 34", "fork": "01 02 03 34", "large_star": "01 02 03 04",
}


@pytest.fixture(autouse=True)
def few_jets_are_moved(monkeypatch):
    """Distances of energy movers take most of the time."""
    monkeypatch.setattr("kaon_plots.movers._JETS", 40)
    monkeypatch.setattr("kaon_plots.movers._BATCHES", 5)


def _jets(count, seed=0, spread=0.2, most=12, scale=1.0):
    """Jets of 0 … most constituents; the first have none, one and two."""
    random = np.random.default_rng(seed)
    counts = np.concatenate([[0, 1, 2], random.integers(3, most + 1, count)])[:count]
    values = {"pt": random.exponential(20, counts.sum()) * scale,
              "deta": random.normal(0, spread, counts.sum()), "dphi": random.normal(0, spread, counts.sum())}
    return ak.Array({"constituents": ak.unflatten(ak.zip(values), counts)})


def _sum_over_vertices(jet, edges):
    pt, eta, phi = (ak.to_numpy(jet[name]) for name in ("pt", "deta", "dphi"))
    z = pt / (np.hypot(np.sum(pt * np.cos(phi)), np.sum(pt * np.sin(phi))) or 1)
    theta = np.hypot(np.subtract.outer(eta, eta), np.subtract.outer(phi, phi))
    pairs = [(int(edge[0]), int(edge[1])) for edge in edges.split()]
    size = 1 + max(itertools.chain(*pairs))
    return sum(np.prod(z[list(places)]) * np.prod([theta[places[a], places[b]] for a, b in pairs])
               for places in itertools.product(range(len(z)), repeat=size))


def test_polynomials_are_the_sums_over_all_vertices():
    jets = _jets(8, most=5)
    found = efps.connected(jets)
    assert set(_EDGES) == set(efps.GRAPHS)
    for name, edges in _EDGES.items():
        assert efps.GRAPHS[name] == len(edges.split())
        wanted = [_sum_over_vertices(jet, edges) for jet in jets.constituents]
        assert found[name] == pytest.approx(wanted, rel=1e-6, abs=1e-15), name
    features = efps.features(found)
    # 1, 1, 3, 8 and 23 multigraphs with 0 … 4 edges.
    assert features.shape == (8, 36)
    assert np.unique(features[3:], axis=1).shape == (5, 36)


def test_polynomials_do_not_depend_on_the_other_jets(monkeypatch):
    jets = _jets(30)
    found = efps.features(efps.connected(jets))
    monkeypatch.setattr(efps, "_ELEMENTS", 200)
    np.testing.assert_allclose(efps.features(efps.connected(jets)), found, rtol=1e-12)


def test_distances_of_shifted_distributions():
    random = np.random.default_rng(0)
    jets = np.arange(20_000)
    a, b = random.normal(0, 1, 20_000), random.normal(0.3, 1, 20_000)
    error = wasserstein_error((a, jets), (b, jets))
    # The distance is the difference of the means, with their error.
    assert error == pytest.approx(np.sqrt(2 / 20_000), rel=0.4)
    assert wasserstein(a, b) == pytest.approx(0.3, abs=4 * error)
    # Of the same jets, shifted, nothing fluctuates.
    assert wasserstein_error((a, jets), (a + 0.3, jets), is_paired=True) == pytest.approx(0, abs=1e-9)
    assert np.isnan(wasserstein_error((a[:1], jets[:1]), (b, jets)))
    # Four equal constituents of a jet are not more data than one.
    repeated = (np.repeat(a, 4), np.repeat(jets, 4))
    assert wasserstein_error(repeated, (np.repeat(b, 4), np.repeat(jets, 4))) == pytest.approx(error, rel=0.4)


def test_the_frechet_distance_of_normal_distributions():
    random = np.random.default_rng(1)
    mean, widths = np.array([0.3, 0, -0.1]), np.array([1, 2, 0.5])
    x, y = random.normal(size=(60_000, 3)), mean + widths * random.normal(size=(60_000, 3))
    wanted = mean @ mean + np.sum((1 - widths) ** 2)
    assert gaussian_distance(x, y) == pytest.approx(wanted, rel=0.03)
    # Covariances that do not commute: Tr (Σ₁ Σ₂)^½ of 2 × 2 matrices is √(Tr Σ₁ Σ₂ + 2 √|Σ₁ Σ₂|).
    one, two = np.array([[2, 0.9], [0.9, 1]]), np.array([[1, -0.5], [-0.5, 3]])
    a, b = (random.multivariate_normal([0, 0], each, 60_000) for each in (one, two))
    product = one @ two
    mixed = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    assert gaussian_distance(a, b) == pytest.approx(np.trace(one + two) - 2 * mixed, rel=0.05)
    # Features are divided by the largest value in the data.
    value, error = frechet(x, y)
    scale = np.abs(x).max(axis=0)
    assert value == pytest.approx(np.sum((mean / scale) ** 2 + ((1 - widths) / scale) ** 2), rel=0.05)
    assert error < 0.05 * value


@pytest.mark.parametrize("jets", [400, 2000])
def test_equal_distributions_have_no_distance(jets):
    found = []
    for seed in range(10):
        x, y = np.random.default_rng(seed).normal(size=(2, jets, 3))
        found.append((frechet(x, y)[0], gaussian_distance(x / np.abs(x).max(axis=0), y / np.abs(x).max(axis=0)),
                      kernel(x, y)[0]))
    extrapolated, of_all, discrepancy = np.mean(found, axis=0)
    # A finite sample alone has a distance of the order 1/N.
    assert extrapolated < 0.5 * of_all
    spread = np.std(found, axis=0)[2]
    assert abs(discrepancy) < 3 * spread / np.sqrt(10) + 1e-12


def test_the_kernel_distance_of_normal_distributions():
    random = np.random.default_rng(3)
    x, y = random.normal(0, 1, (40_000, 1)), random.normal(0.5, 1, (40_000, 1))
    scale = np.abs(x).max()
    # The kernel (x y + 1)⁴ compares the first four moments: Σ_k C(4, k) (m_k(x) − m_k(y))².
    moments = [np.array([mu, mu**2 + 1, mu**3 + 3 * mu, mu**4 + 6 * mu**2 + 3]) for mu in (0, 0.5)]
    powers = scale ** np.arange(1, 5)
    wanted = np.array([4, 6, 4, 1]) @ ((moments[0] - moments[1]) / powers) ** 2
    value, error = kernel(x, y)
    assert value == pytest.approx(wanted, rel=0.05) and 0 < error < 0.2 * value


def _golden_features():
    random = np.random.default_rng(7)
    mixing = np.array([[1, 0.5, 0], [0, 1, -0.3], [0.2, 0, 0.5]])
    return random.normal(size=(60, 3)) @ mixing, 0.2 + 1.1 * random.normal(size=(50, 3)) @ mixing.T


def _golden_jets(seed, spread):
    random = np.random.default_rng(seed)
    found = []
    for count in random.integers(1, 7, 20):
        z = random.exponential(1 / count, count)
        found.append(np.column_stack([z, random.normal(0, spread, (count, 2))]))
    return found


def test_golden_values_of_jetnet():
    """Values of jetnet 0.2.5 and energyflow 1.4.0 (NumPy 1.26.4) for the same samples."""
    x, y = distances._normalised(*_golden_features())
    assert gaussian_distance(x, y) == pytest.approx(0.1450317621698689, rel=1e-10)
    # Samples of 60 and 50.
    assert distances._discrepancy(x, y) == pytest.approx(0.10339003579504435, rel=1e-10)
    sizes = np.array([100, 120, 150, 200, 300])
    scatter = 0.1 * np.array([0.1, -0.05, 0.02, 0.07, -0.1])
    # Lines with a, b ≥ 0, with one of both at 0, and their errors of a.
    for a, b, *wanted in (
        (0.5, 30, 0.4895999997979283, 0.010855413396089529), (-0.05, 30, 0, 0.036522504516223825),
        (0.5, -30, 0.3007999946532451, 0.1161243730882082), (-0.05, 3, 0, 0.05514347093924105),
    ):
        assert distances._intercept(1 / sizes, a + b / sizes + scatter) == pytest.approx(wanted, rel=1e-5, abs=1e-7)


def test_golden_distances_of_energyflow(monkeypatch):
    """Coverage and MMD of jetnet 0.2.5 for all of 20 jets each."""
    data, generated = _golden_jets(1, 0.2), _golden_jets(2, 0.3)
    found = np.array([[mover_distance(each, other) for other in data] for each in generated])
    assert found[0, :4] == pytest.approx([0.67259514, 0.78312332, 0.55845157, 0.51913079], abs=1e-8)
    assert found.sum() == pytest.approx(352.5684701671435, rel=1e-12)
    monkeypatch.setattr("kaon_plots.movers._JETS", 20)
    monkeypatch.setattr("kaon_plots.movers._rows", list)
    (coverage, _), (mmd, _) = coverage_and_mmd(*(_Rows(each) for each in (data, generated)))
    assert coverage == pytest.approx(0.7) and mmd == pytest.approx(0.3826074373551115, rel=1e-12)


class _Rows(list):
    """Jets that a list of numbers selects, as from an array."""

    def __getitem__(self, chosen):
        return [list.__getitem__(self, int(each)) for each in chosen]


def test_samples_with_common_jets_have_no_error():
    # 40 jets in a sample: 60 jets are one of them, 160 are four.
    for count in (60, 160):
        for value, error in coverage_and_mmd(_jets(count), _jets(count, seed=1)):
            assert np.isfinite(value) and np.isnan(error) == (count == 60)


def test_the_distance_of_energy_movers():
    one = np.array([[1.0, 0, 0]])
    assert mover_distance(one, np.array([[1.0, 0.3, 0.4]])) == pytest.approx(0.5)
    # What is missing is paid for by 1 each, and half of the rest moves by 0.2.
    assert mover_distance(one, np.array([[0.25, 0, 0], [0.5, 0.2, 0]])) == pytest.approx(0.25 + 0.5 * 0.2)
    assert mover_distance(np.array([[0.25, 0, 0], [0.5, 0.2, 0]]), one) == pytest.approx(0.35)
    assert mover_distance(one, np.zeros((0, 3))) == 1 and mover_distance(0 * one, 0 * one) == 0


def test_coverage_is_small_if_all_generated_jets_are_alike():
    data, other = _jets(400, seed=1), _jets(400, seed=2)
    (coverage, error), (mmd, _) = coverage_and_mmd(data, other)
    # Of independent nearest jets, 1 − 1/e would differ.
    assert 0.35 < coverage < 0.75 and 0 < error < 0.1
    same = other[np.full(400, 10)]
    (low, _), (far, _) = coverage_and_mmd(data, same)
    assert low == pytest.approx(1 / 40) and far > 1.3 * mmd


def test_measures_of_better_and_worse_jets():
    data, good, bad = _jets(600, 1), _jets(600, 2), _jets(600, 3, spread=0.3)
    found = {}
    for name, jets in (("good", good), ("bad", bad)):
        mean, single, others, reasons = measure(jets, data)
        assert not reasons and len(single) == 5
        assert mean.distance == pytest.approx(np.mean([each.distance for each in single]))
        found[name] = {each.name: each for each in others} | {"efp": mean}
    for name in ("fpd", "kpd"):
        assert found["bad"][name].value > 2 * abs(found["good"][name].value)
        assert found["bad"][name].value > 2 * abs(found["bad"][name].data_to_data)
    assert found["bad"]["mmd"].value > 1.05 * found["good"]["mmd"].value
    assert found["bad"]["efp"].distance > 5 * found["bad"]["efp"].data_to_data
    assert found["good"]["efp"].distance < 5 * found["good"]["efp"].data_to_data


def test_what_cannot_be_measured_is_said():
    data = _jets(200)
    *_, others, reasons = measure(_jets(40), data)
    assert all(np.isnan(each.value) for each in others) and "too few" in reasons[0]
    broken = ak.with_field(data, ak.with_field(data.constituents, data.constituents.pt * np.nan, "pt"), "constituents")
    *_, others, reasons = measure(broken, data)
    assert all(np.isnan(each.value) for each in others) and "199 generated jets" in reasons[0]


def test_without_the_package_of_transport_the_other_measures_remain(monkeypatch):
    monkeypatch.setattr("kaon_plots.movers.is_installed", lambda: False)
    *_, others, reasons = measure(_jets(200, 1), _jets(200, 2))
    assert [bool(np.isfinite(each.value)) for each in others] == [True, True, False, False]
    assert "POT" in reasons[0]


def test_measures_equal_those_of_jetnet():
    """With the package itself, if it can be imported; samples are drawn differently."""
    try:
        import energyflow
        from jetnet import evaluation
    except ImportError:
        pytest.skip("jetnet is not installed")
    jets, others = _jets(500, 1), _jets(500, 2, spread=0.25)
    found = [efps.features(efps.connected(each)) for each in (jets, others)]
    padded = []
    for each in (jets, others):
        own = each.constituents
        own = ak.with_field(own, own.pt / np.maximum(efps.momenta(own)[0], 1e-9), "z")
        padded.append(np.stack([ak.to_numpy(ak.fill_none(ak.pad_none(own[name], 12), 0))
                                for name in ("deta", "dphi", "z")], axis=2))
    for mine, theirs in zip(found, padded):
        wanted = evaluation.get_fpd_kpd_jet_features(theirs, efp_jobs=1)
        # Their order differs.
        np.testing.assert_allclose(np.sort(mine, axis=1), np.sort(wanted, axis=1), rtol=1e-6, atol=1e-15)
    for a, b in zip(padded[0][3:20], padded[1][3:20]):
        wanted = energyflow.emd.emd(a[:, [2, 0, 1]], b[:, [2, 0, 1]])
        rows = [each[each[:, 2] > 0][:, [2, 0, 1]] for each in (a, b)]
        assert mover_distance(*rows) == pytest.approx(wanted, rel=1e-6)
    random = np.random.default_rng(1)
    x, y = random.normal(size=(200_000, 4)), random.normal(0.1, 1.1, size=(200_000, 4))
    for mine, theirs in ((frechet(x, y), evaluation.fpd(x, y)), (kernel(x, y), evaluation.kpd(x, y))):
        assert mine[0] == pytest.approx(theirs[0], abs=4 * max(mine[1], theirs[1], 0.01 * theirs[0]))


def test_the_report_has_errors_and_baselines(run, sources, tmp_path, capsys):
    from kaon_plots.cli import main

    jets, report = str(run(sources) / "jets_000.h5"), tmp_path / "metrics.json"
    assert main(["generated", jets, jets, "--json", str(report), "--output", str(tmp_path / "g.svg")]) == 0
    table = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if line}
    found = json.loads(report.read_text())
    assert found["jets"] == {"generated": 150, "data": 150}
    assert set(found["measures"]) == set(found["errors"]) == set(found["baselines"]) == set(found["baseline_errors"])
    assert {"w1_jet_mass", "w1_count", "w1_efp", "w1_efp_square", "fpd", "kpd", "coverage", "mmd"} <= set(
        found["measures"])
    for name, row in (("jet_mass", "w1_jet_mass"), ("efp", "w1_efp"), ("mmd", "mmd")):
        values = [found[part][row] for part in ("measures", "baselines", "errors", "baseline_errors")]
        columns = table[name] if name == "mmd" else [table[name][0], *table[name][2:]]
        assert [float(each) for each in columns] == pytest.approx(values, rel=0.1, abs=1e-12, nan_ok=True)
    # A class that the file does not name, one without jets, and one with too few.
    assert main(["generated", jets, jets, "--class", "Hxx", "--output", str(tmp_path / "g.svg")]) == 1
    assert "has no class Hxx" in capsys.readouterr().err
    assert main(["generated", jets, jets, "--class", "Hcc", "--output", str(tmp_path / "g.svg")]) == 1
    assert "has no jets of the class Hcc" in capsys.readouterr().err
    assert main(["generated", jets, jets, "--class", "Hbb", "--output", str(tmp_path / "g.svg")]) == 0
    assert "70 of data are too few" in capsys.readouterr().err


def test_results_have_the_measures_of_generated_jets(tmp_path, capsys):
    from run_folders import make_run

    from kaon_results.cli import main

    for seed, value in ((0, 0.1), (1, 0.3)):
        folder = make_run(tmp_path / f"runs/{seed}", {}, objective="set_flow", seed=seed, mode=None, backbone=None,
                          evaluated=False)
        (folder / "generation").mkdir()
        (folder / "generation" / "metrics.json").write_text(
            json.dumps({"measures": {"fpd": value, "w1_jet_mass": 10 * value}, "baselines": {"fpd": 0.01}}))
    assert main([str(tmp_path / "runs")]) == 0
    heading, line = capsys.readouterr().out.splitlines()[1:]
    assert heading.split()[-3:] == ["valid/total_loss", "w1_jet_mass", "fpd"]
    assert line.split()[-6:] == ["2.0", "±", "1.4", "0.20", "±", "0.14"]
    assert main([str(tmp_path / "runs"), "--measure", "fpd,fpd_data", "--format", "csv"]) == 0
    assert "0.01,0.0" in capsys.readouterr().out
    assert main([str(tmp_path / "runs"), "--measure", "fdp"]) == 1
    assert "did you mean fpd" in capsys.readouterr().err
    (folder / "generation" / "metrics.json").write_text("{")
    assert main([str(tmp_path / "runs")]) == 1
    assert "generation/metrics.json cannot be read" in capsys.readouterr().err
