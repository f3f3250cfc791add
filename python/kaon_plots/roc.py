"""ROC curves: background rejection against signal efficiency."""

import numpy as np

from kaon_data import DataError
from kaon_results.runs import nearest

from .style import COLORS, drawing

_LINES = ["-", "--", ":", "-."]
_MOST_POINTS = 2000


def plot_roc(predictions, path, signals=None, background=None):
    """Draws 1/ε_B against ε_S for named predictions.

    `signals` are classes, by default all; each is compared with `background`, using
    p(signal) / (p(signal) + p(background)), or with all other classes if no background is given.
    """
    curves = []
    for line, (name, each) in zip(_LINES * len(predictions), predictions.items()):
        chosen = signals or (each.classes[1:] if each.is_binary else [c for c in each.classes if c != background])
        if len(predictions) > 1 and len(chosen) > 1 and not signals:
            raise DataError(
                f"give --signal to compare several files for one class; {name} has {', '.join(each.classes)}")
        for signal in chosen:
            words = [name] if len(predictions) > 1 else []
            if len(chosen) > 1:
                words.append(signal)
            curves.append((", ".join(words), line, *roc(*_scores(each, name, signal, background))))
    by_file = len(predictions) > 1 and len(curves) == len(predictions)
    lowest = min(efficiencies[1][efficiencies[1] > 0].min(initial=1) for *_, efficiencies, _ in curves)
    with drawing(path) as (_, axes):
        axis = axes[0, 0]
        per_file = len(curves) // len(predictions)
        for number, (name, line, (signal, rest), area) in enumerate(curves):
            shown = rest > 0
            color = COLORS[(number if by_file else number % per_file) % 10]
            label = f"{name} (AUC {area:.4f})" if name else f"AUC {area:.4f}"
            axis.plot(signal[shown], 1 / rest[shown], "-" if by_file else line, color=color, label=label)
        grid = np.linspace(0.01, 1, 200)
        axis.plot(grid, 1 / grid, color="grey", linewidth=1, linestyle="-.", zorder=0, label="chance")
        axis.set_yscale("log")
        axis.set_xlim(0, 1)
        axis.set_ylim(1, 2 / lowest)
        first = next(iter(predictions.values()))
        signal = "signal" if len(chosen) > 1 else chosen[0]
        rest = background or (first.classes[0] if first.is_binary else f"all other {first.items}")
        axis.set_xlabel(rf"efficiency $\varepsilon$ of {signal}")
        axis.set_ylabel(rf"rejection $1/\varepsilon$ of {rest}")
        axis.legend(fontsize=10 if len(curves) > 5 else 12)


def _scores(predictions, name, signal, background):
    classes = predictions.classes
    for each in filter(None, (signal, background)):
        if each not in classes:
            raise DataError(f"{name} has no class {each}; {nearest(each, classes)}")
    if signal == background:
        raise DataError(f"--signal and --background are both {signal}; give two different classes")
    column, labels = classes.index(signal), predictions.labels
    scores, is_signal = predictions.scores[:, column], labels == column
    if background:
        other = classes.index(background)
        chosen = is_signal | (labels == other)
        sums = scores + predictions.scores[:, other]
        scores = np.divide(scores, sums, out=np.zeros_like(scores), where=sums > 0)[chosen]
        is_signal = is_signal[chosen]
    if is_signal.all() or not is_signal.any():
        raise DataError(f"{name} has {'only' if is_signal.any() else 'no'} {predictions.items} of {signal}")
    return scores, is_signal


def roc(scores, is_signal):
    """Returns the efficiencies of signal and background for decreasing thresholds, `[2, thresholds]`, and the area
    under the curve."""
    order = np.argsort(-scores, kind="stable")
    # Thresholds lie between different scores.
    last = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    signal = np.append(0, np.cumsum(is_signal[order])[last]) / is_signal.sum()
    background = np.append(0, np.cumsum(~is_signal[order])[last]) / (~is_signal).sum()
    area = np.sum(np.diff(background) * (signal[1:] + signal[:-1]) / 2)
    # Limit the number of points to keep the file small.
    keep = np.unique(np.searchsorted(signal, np.linspace(0, 1, _MOST_POINTS)).clip(max=len(signal) - 1))
    if len(signal) <= _MOST_POINTS:
        keep = np.arange(len(signal))
    return np.stack([signal[keep], background[keep]]), area
