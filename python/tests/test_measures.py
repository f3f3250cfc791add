"""The measures of `kaon evaluate` agree with scikit-learn.

`data` has what it wrote for a few hundred jets and models that were trained for some dozen steps: predictions, and
the measures of the same predictions.
"""

import json
import math
from math import comb
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from sklearn import metrics

from kaon_plots.efficiency import LEAST_BACKGROUND, efficiencies
from kaon_plots.roc import _curves
from kaon_results.predictions import Predictions, read_predictions, same_vertex
from kaon_results.runs import read_metrics

DATA = Path(__file__).parent / "data"
CLASSIFICATIONS = ["btag", "classification"]


def columns(task):
    with h5py.File(DATA / task / "predictions.h5") as file:
        return {name: dataset[()] for name, dataset in file.items()}


def report(task):
    """The report, and the measures without the losses, which are not scikit-learn's."""
    found = read_metrics(DATA / task / "metrics.json")
    return found, {name: float(value) for name, value in found["measures"].items() if not name.endswith("_loss")}


def in_double(scores):
    """The scores normalised in double precision."""
    return scores.astype(float) / scores.sum(axis=1, keepdims=True, dtype=float)


def mean_area(labels, scores):
    """The mean over the classes that occur."""
    return np.mean([metrics.roc_auc_score(labels == each, scores[:, each]) for each in np.unique(labels)])


@pytest.mark.parametrize("task", CLASSIFICATIONS)
def test_classification(task):
    predictions = read_predictions(DATA / task)
    scores, labels, classes = predictions.scores, predictions.labels, predictions.classes
    found, measures = report(task)
    assert found["classes"] == classes and found["jets"] == len(labels)
    answers = scores.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy_score(labels, answers),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, answers),
        "cross_entropy": metrics.log_loss(labels, in_double(scores), labels=range(len(classes))),
        "auc": mean_area(labels, scores),
    }
    for number, name in enumerate(classes):
        expected[f"auc_{name}"] = metrics.roc_auc_score(labels == number, scores[:, number])
    for number, name in list(enumerate(classes))[1:]:
        pair = np.isin(labels, (0, number))
        background, _, signal = operating_points(
            labels[pair] == number, scores[pair, number] / (scores[pair, number] + scores[pair, 0]))
        for efficiency, text in ((0.3, "30"), (0.5, "50"), (0.99, "99"), (0.995, "99.5")):
            left = background[np.argmax(signal >= efficiency - 1e-9)]
            expected[f"rejection_{name}_at_{text}"] = 1 / left if left > 0 else np.inf
    assert measures == pytest.approx(expected, rel=1e-6)
    matrix = metrics.confusion_matrix(labels, answers, labels=range(len(classes)))
    assert found["tables"]["confusion"] == matrix.tolist() == predictions.confusion.tolist()


def operating_points(is_signal, scores):
    """For decreasing thresholds: background efficiency, number of background jets left, and signal efficiency."""
    background, signal, _ = metrics.roc_curve(is_signal, scores, drop_intermediate=False)
    return background, np.rint(background * np.sum(~is_signal)), signal


def test_cwola():
    data = columns("cwola")
    is_signal, scores = data["labels"] == 1, data["scores"]
    background, left, signal = operating_points(is_signal, scores)
    above, rejected, enough = scores > 0.5, left <= np.floor(0.01 * np.sum(~is_signal) + 1e-9), left >= 10
    expected = {
        "accuracy": metrics.accuracy_score(is_signal, above),
        "auc": metrics.roc_auc_score(is_signal, scores),
        "sic_half": np.mean(above[is_signal]) / np.sqrt(np.mean(above[~is_signal])),
        "sic_99": signal[rejected][-1] / np.sqrt(background[rejected][-1]),
        "sic_max": np.max(signal[enough] / np.sqrt(background[enough])),
    }
    assert report("cwola")[1] == pytest.approx(expected, rel=1e-9)


def bell(items):
    """The number of partitions of so many items."""
    return sum(comb(items - 1, rest) * bell(rest) for rest in range(items)) if items else 1


def one_sided_index(accepted, together, items):
    """The adjusted Rand index over all partitions, arXiv:1701.06508; NaN without a pair."""
    if items < 2:
        return math.nan
    joined, true = bell(items - 1) / bell(items), np.mean(together)
    expected = joined * true + (1 - joined) * (1 - true)
    return (np.mean(accepted == together) - expected) / (1 - expected)


def test_vertexing():
    data = columns("vertexing")
    together = same_vertex(data)
    accepted = data["pair_scores"] > 0.5
    joined = same_vertex({**data, "vertex": data["predicted_vertex"]})
    sums = {}
    token = pair = 0
    for count in data["constituents"]:
        tokens, pairs = slice(token, token + count), slice(pair, pair + count * (count - 1) // 2)
        token, pair = tokens.stop, pairs.stop
        vertices, found = data["vertex"][tokens], data["predicted_vertex"][tokens]
        # Vertices are the connected components of the accepted pairs.
        graph = np.zeros((count, count))
        graph[np.triu_indices(count, 1)] = accepted[pairs]
        _, components = connected_components(graph, directed=False)
        assert metrics.adjusted_rand_score(components, found) == 1
        # The formula of Hubert and Arabie applied to pairs is Cohen's kappa of the pair decisions.
        raw = 1.0 if count > 1 else math.nan
        if np.any(accepted[pairs] != together[pairs]):
            raw = metrics.cohen_kappa_score(accepted[pairs], together[pairs], labels=[0, 1])
        index = one_sided_index(accepted[pairs], together[pairs], count)
        secondary = max(vertices)
        values = {
            "ari": index,
            f"ari_{secondary if secondary < 7 else '7_or_more'}_secondary_vertices": index,
            "ari_components": one_sided_index(joined[pairs], together[pairs], count),
            "hubert_arabie": metrics.adjusted_rand_score(vertices, found) if count > 1 else math.nan,
            "raw_pair_index": raw,
        }
        for name, value in values.items():
            sums.setdefault(name, []).append(value)
    expected = {name: np.nanmean(values) for name, values in sums.items()}
    expected["pair_accuracy"] = metrics.accuracy_score(together, accepted)
    assert report("vertexing")[1] == pytest.approx(expected, rel=1e-9)


def test_vertexing_of_earlier_versions(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"objective": "vertexing", "measures": {
        "ari": 0.4, "ari_1_secondary_vertices": 0.3, "raw_pair_index": 0.2}}))
    assert read_metrics(path)["measures"] == {
        "hubert_arabie": 0.4, "hubert_arabie_1_secondary_vertices": 0.3, "raw_pair_index": 0.2}


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_track_origin():
    data = columns("track-origin")
    origins, scores = data["origin"], data["origin_scores"]
    answers = scores.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy_score(origins, answers),
        "balanced_accuracy": metrics.balanced_accuracy_score(origins, answers),
        "auc": mean_area(origins, scores),
    }
    tracks = np.repeat(data["constituents"], data["constituents"])
    for count in np.unique(tracks):
        chosen = tracks == count
        value = metrics.balanced_accuracy_score(origins[chosen], answers[chosen])
        expected[f"balanced_accuracy_{count}_tracks"] = value
    assert report("track-origin")[1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_curves_of_the_figure(ties):
    predictions = read_predictions(DATA / "btag")
    scores, is_signal = predictions.scores[:, 2], predictions.labels == 2
    if ties:
        scores = np.round(scores, 1)
    found = efficiencies(scores, is_signal)
    expected = metrics.roc_curve(is_signal, scores, drop_intermediate=False)
    # The curve ends where fewer than ten background jets are left.
    kept = np.rint(expected[0] * (~is_signal).sum()) >= LEAST_BACKGROUND
    assert 0 < kept.sum() < len(kept)
    assert np.allclose(found.background, expected[0][kept]) and np.allclose(found.signal, expected[1][kept])
    assert found.area == pytest.approx(metrics.roc_auc_score(is_signal, scores))


@pytest.mark.parametrize("background", [None, "light"])
def test_certain_answers_have_different_thresholds(background):
    """Probabilities of b that round to 1, ordered by those of the other classes."""
    rng = np.random.default_rng(8)
    is_signal = np.arange(400) < 200
    log_odds = rng.normal(20 + 2 * is_signal, 2)
    scores = np.stack([np.exp(-log_odds), np.exp(-log_odds - 9), np.ones(400)], axis=1).astype(np.float32)
    predictions = Predictions("jets", scores, np.where(is_signal, 2, 0), ["light", "c", "b"])
    (curve,) = _curves({"run": predictions}, ["b"], background)
    expected = efficiencies(log_odds, is_signal)
    assert curve.found.area == pytest.approx(metrics.roc_auc_score(is_signal, log_odds), abs=1e-4)
    assert curve.found.background == pytest.approx(expected.background, abs=0.006)


def test_the_maximum_of_the_figure_is_that_of_the_evaluation():
    predictions = read_predictions(DATA / "cwola")
    found = efficiencies(predictions.scores[:, 1], predictions.labels == 1)
    largest = (found.signal / np.sqrt(found.background)).max()
    assert largest == pytest.approx(report("cwola")[1]["sic_max"], rel=1e-6)
