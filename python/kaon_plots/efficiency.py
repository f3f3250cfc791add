"""Efficiencies of signal and background along all thresholds of a classifier, with their statistical errors."""

from dataclasses import dataclass

import numpy as np

#: Curves end where fewer background items are above the threshold.
LEAST_BACKGROUND = 10
_MOST_POINTS = 2000


@dataclass(frozen=True)
class Efficiencies:
    """Efficiencies for decreasing thresholds, with at least `LEAST_BACKGROUND` background items above each, up to
    where all items are above, and the area under the complete curve."""

    signal: np.ndarray
    background: np.ndarray
    #: The limits of the background efficiency: one standard deviation at this signal efficiency.
    lowest: np.ndarray
    highest: np.ndarray
    area: float
    area_error: float


def efficiencies(scores, is_signal, jets=None):
    """The efficiencies of items with these scores, at most `_MOST_POINTS` of them; no points if there are fewer than
    `LEAST_BACKGROUND` background items. `jets` is the number of the jet of each item, by default a jet of its own."""
    order = np.argsort(-scores, kind="stable")
    # Thresholds lie between different scores.
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    signal_jets, background_jets = is_signal.sum(), (~is_signal).sum()
    passed = np.append(0, np.cumsum(~is_signal[order])[last])
    signal, background = np.append(0, np.cumsum(is_signal[order])[last]) / signal_jets, passed / background_jets
    shown = np.flatnonzero(passed >= LEAST_BACKGROUND)
    if len(shown) > _MOST_POINTS:
        # Limit the number of points to keep the file small.
        places = np.linspace(signal[shown[0]], 1, _MOST_POINTS)
        shown = np.unique(np.append(shown[np.searchsorted(signal[shown], places).clip(max=len(shown) - 1)], shown[-1]))
    numbers = _independent(scores, is_signal, jets)
    lowest, highest = _limits(signal, background, shown, *numbers)
    return Efficiencies(signal[shown], background[shown], lowest, highest, *area(scores, is_signal, jets))


def _limits(signal, background, shown, signal_jets, background_jets):
    """One standard deviation of ln ε_B to both sides at fixed ε_S: the binomial interval of the background above the
    threshold, and the change of ε_B where ε_S changes by its binomial error, in quadrature. The numbers are those of
    independent items."""
    at, rest = signal[shown], background[shown]
    error = np.sqrt(at * (1 - at) / signal_jets)
    # Where several thresholds have the same signal efficiency, that with the least background counts.
    known, first = np.unique(signal, return_index=True)
    lower, higher = (np.interp(moved, known, background[first]) for moved in (at - error, at + error))
    least, most = wilson(rest, background_jets)
    lower = np.clip(lower, 0.5 / background_jets, rest)
    down = np.hypot(np.log(least / rest), np.log(lower / rest))
    up = np.hypot(np.log(most / rest), np.log(np.maximum(higher, rest) / rest))
    return rest * np.exp(-down), np.minimum(rest * np.exp(up), 1)


def wilson(fraction, total):
    """The Wilson score interval of one standard deviation of a binomial fraction."""
    middle = (fraction + 1 / (2 * total)) / (1 + 1 / total)
    half = np.sqrt(fraction * (1 - fraction) / total + 1 / (4 * total**2)) / (1 + 1 / total)
    return middle - half, middle + half


def area(scores, is_signal, jets=None):
    """The area under the curve and its standard error: E. DeLong et al., Biometrics 44 (1988) 837. The items of one jet
    are correlated: their contributions to the error are added before they are squared."""
    value, influence = _influence(scores, is_signal)
    return value, clustered_error(influence, jets)


def clustered_error(influence, jets=None):
    """The standard error of a measure from the influence of every item on it: √(Σ_j (Σ_i∈j influence_i)²) for jets j,
    which are independent. Without `jets`, all items are."""
    if jets is not None:
        influence = np.bincount(jets, influence)
    return float(np.sqrt(influence @ influence))


def _influence(scores, is_signal):
    """The area, and the influence of every item on it: (V − mean) / n, where V is the fraction of the other items on
    the right side of each of the n signal, or background, items, equal scores counting half."""
    influence, means = np.zeros(len(scores)), []
    signal, background = scores[is_signal], scores[~is_signal]
    for chosen, own, others in ((is_signal, signal, background), (~is_signal, background, signal)):
        others = np.sort(others)
        below = sum(np.searchsorted(others, own, side) for side in ("left", "right")) / (2 * len(others))
        means.append(np.mean(below))
        # As in an unbiased variance, n − 1 replaces one n.
        influence[chosen] = (below - means[-1]) / np.sqrt(len(own) * max(len(own) - 1, 1))
    # The fraction of the signal below a background item falls where the area rises.
    influence[~is_signal] *= -1
    return float(means[0]), influence


def _independent(scores, is_signal, jets):
    """The numbers of independent signal and background items whose part of the error of the area would be as large as
    that of these items."""
    _, influence = _influence(scores, is_signal)
    numbers = []
    for chosen in (is_signal, ~is_signal):
        own = np.where(chosen, influence, 0)
        error, alone = clustered_error(own, jets), clustered_error(own)
        numbers.append(chosen.sum() * (alone / error) ** 2 if alone and error else chosen.sum())
    return numbers
