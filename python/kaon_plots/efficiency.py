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


def efficiencies(scores, is_signal):
    """The efficiencies of items with these scores, at most `_MOST_POINTS` of them; no points if there are fewer than
    `LEAST_BACKGROUND` background items."""
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
    lowest, highest = _limits(signal, background, shown, signal_jets, background_jets)
    return Efficiencies(signal[shown], background[shown], lowest, highest, *area(scores, is_signal))


def _limits(signal, background, shown, signal_jets, background_jets):
    """One standard deviation of ln ε_B to both sides at fixed ε_S: the binomial interval of the background above the
    threshold, and the change of ε_B where ε_S changes by its binomial error, in quadrature."""
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


def area(scores, is_signal):
    """The area under the curve and its standard error: E. DeLong et al., Biometrics 44 (1988) 837."""
    signal, background = np.sort(scores[is_signal]), np.sort(scores[~is_signal])
    # The fraction of the other items on the right side of each, equal scores counting half.
    below, above = (
        sum(np.searchsorted(others, own, side) for side in ("left", "right")) / (2 * len(others))
        for own, others in ((signal, background), (background, signal)))
    variance = sum(np.var(each, ddof=1) / len(each) for each in (below, above) if len(each) > 1)
    return float(np.mean(below)), float(np.sqrt(variance))
