"""Efficiencies, their bands, and areas under curves."""

import numpy as np
import pytest

from kaon_plots.confusion import Confusion
from kaon_plots.efficiency import LEAST_BACKGROUND, area, efficiencies, wilson
from kaon_results.predictions import Predictions


def _sample(random, signal, background):
    scores = np.concatenate([random.normal(1, 1, signal), random.normal(0, 1, background)])
    return scores, np.arange(signal + background) < signal


def test_a_curve_ends_where_ten_background_jets_are_left():
    scores = np.concatenate([np.full(5, 2.0), np.linspace(0, 1, 100)])
    found = efficiencies(scores, np.arange(105) < 5)
    assert found.background[0] == LEAST_BACKGROUND / 100 and found.background[-1] == 1
    assert np.all(found.signal == 1)
    none = efficiencies(scores[:14], np.arange(14) < 5)
    assert not len(none.background) and none.area == 1


def test_curves_of_many_jets_have_few_points():
    found = efficiencies(*_sample(np.random.default_rng(0), 20_000, 20_000))
    assert len(found.signal) <= 2001 and (found.signal[-1], found.background[-1]) == (1, 1)
    assert found.background[0] == LEAST_BACKGROUND / 20_000


def test_binomial_limits():
    # (k + 1/2 ± √(k (n − k)/n + 1/4)) / (n + 1)
    assert wilson(0.1, 100) == pytest.approx(((10.5 - np.sqrt(9.25)) / 101, (10.5 + np.sqrt(9.25)) / 101))
    assert wilson(0.0, 50)[0] == pytest.approx(0, abs=1e-15) and wilson(1.0, 50)[1] == pytest.approx(1)


@pytest.mark.parametrize(("signal", "background"), [(200, 2000), (2000, 200)])
def test_bands_contain_the_true_curve_in_two_of_three_samples(signal, background):
    from statistics import NormalDist

    random, normal = np.random.default_rng(1), NormalDist()
    at = 0.6
    # For unit normal distributions at 1 and 0.
    true = normal.cdf(normal.inv_cdf(at) - 1)
    inside = 0
    for _ in range(400):
        found = efficiencies(*_sample(random, signal, background))
        place = np.searchsorted(found.signal, at)
        inside += found.lowest[place] <= true <= found.highest[place]
    assert 0.62 < inside / 400 < 0.76


def test_bands_enclose_the_curve():
    found = efficiencies(*_sample(np.random.default_rng(2), 30, 400))
    assert np.all(found.lowest <= found.background) and np.all(found.background <= found.highest)
    assert np.all(found.lowest > 0) and np.all(found.highest <= 1)


def test_errors_of_areas_are_the_spread_of_samples():
    random = np.random.default_rng(3)
    areas, errors = zip(*[area(*_sample(random, 100, 150)) for _ in range(400)])
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.1)
    # Equal scores count half.
    assert area(np.array([1.0, 1.0, 1.0]), np.array([True, False, False])) == (0.5, 0)


def _tracks(random, jets=100, tracks=8):
    """Scores of tracks that share a part with the other tracks of their jet, which are all signal or all background."""
    is_signal = np.repeat(np.arange(jets) % 2 == 0, tracks)
    scores = is_signal + random.normal(0, 1, jets * tracks) + np.repeat(random.normal(0, 1, jets), tracks)
    return scores, is_signal, np.repeat(np.arange(jets), tracks)


def test_errors_of_areas_of_tracks_are_those_of_their_jets():
    random = np.random.default_rng(4)
    samples = [_tracks(random) for _ in range(300)]
    areas, errors = zip(*[area(*sample) for sample in samples])
    assert np.mean(errors) == pytest.approx(np.std(areas), rel=0.1)
    assert np.mean([area(*sample[:2])[1] for sample in samples]) < 0.6 * np.std(areas)


def test_bands_of_tracks_are_wider():
    scores, is_signal, jets = _tracks(np.random.default_rng(5))
    alone, together = efficiencies(scores, is_signal), efficiencies(scores, is_signal, jets)
    place = np.searchsorted(alone.signal, 0.6)
    widths = [np.log(each.highest / each.lowest)[place] for each in (alone, together)]
    assert widths[1] > 1.5 * widths[0]


def test_errors_of_confusion_matrices_are_those_of_jets():
    random = np.random.default_rng(6)
    jets, tracks = 400, 5
    labels = np.repeat(random.integers(0, 2, jets), tracks)
    # All tracks of a jet are assigned alike, so that only the number of jets counts.
    found = np.repeat(random.random(jets) < 0.7, tracks) == labels
    predictions = Predictions("tracks", np.stack([~found, found], axis=1), labels, ["a", "b"],
                              np.repeat(np.arange(jets), tracks))
    confusion = Confusion(predictions.confusion, predictions.classes, predictions.items, predictions)
    binomial = Confusion(predictions.confusion, predictions.classes)
    assert confusion.error(0, 1) == pytest.approx(np.sqrt(tracks) * binomial.error(0, 1))
    assert confusion.accuracy_error == pytest.approx(np.sqrt(tracks) * binomial.accuracy_error)
    single = Predictions("jets", predictions.scores, labels, ["a", "b"])
    alone = Confusion(single.confusion, single.classes, "jets", single)
    assert alone.error(1, 1) == pytest.approx(binomial.error(1, 1))
