"""ROC and SIC curves: background rejection, or significance improvement, against signal efficiency."""

from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D

from kaon_data import DataError
from kaon_results.runs import nearest
from kaon_results.table import number

from .efficiency import LEAST_BACKGROUND, Efficiencies, efficiencies
from .style import BAND, COLORS, GUIDE, LINES, drawing, legend_outside


@dataclass(frozen=True)
class Curve:
    """The efficiencies of one signal, with the name and the style of its curve."""

    name: str
    found: Efficiencies
    color: str
    line: str


def plot_roc(predictions, path, signals=None, background=None):
    """Draws 1/ε_B against ε_S for named predictions.

    `signals` are classes, by default all; each is compared with `background`, using p(signal) / p(background), or with
    all other classes if no background is given. A curve is drawn where at least ten background jets are left; its band
    is one standard deviation.
    """
    curves = _curves(predictions, signals, background)
    with drawing(path) as (figure, axes):
        axis = axes[0, 0]
        for curve in curves:
            found = curve.found
            _draw(axis, curve, 1 / found.background, 1 / found.highest, 1 / found.lowest)
        grid = np.linspace(0.001, 1, 1000)
        axis.plot(grid, 1 / grid, **GUIDE, label="chance")
        axis.set_yscale("log")
        axis.set_ylim(1, 1.5 * max((1 / curve.found.lowest).max() for curve in curves))
        _label(axis, predictions, signals)
        axis.set_ylabel(rf"background rejection 1/$\varepsilon_\mathrm{{B}}$ ({_rest(predictions, background)})")
        _add_legend(figure, curves, [number(curve.found.area, curve.found.area_error) for curve in curves],
                    "area under the curve")


def plot_sic(predictions, path, signals=None, background=None):
    """Draws the significance improvement ε_S/√ε_B against ε_S, like `plot_roc`."""
    curves = _curves(predictions, signals, background)
    with drawing(path) as (figure, axes):
        axis = axes[0, 0]
        maxima = []
        for curve in curves:
            found = curve.found
            middle, low, high = (
                found.signal / np.sqrt(each) for each in (found.background, found.highest, found.lowest))
            _draw(axis, curve, middle, low, high)
            best = np.argmax(middle)
            maxima.append(number(middle[best], (high[best] - low[best]) / 2))
        grid = np.linspace(0, 1, 200)
        axis.plot(grid, np.sqrt(grid), **GUIDE, label="chance")
        axis.set_ylim(bottom=0)
        _label(axis, predictions, signals)
        axis.set_ylabel(r"significance improvement $\varepsilon_\mathrm{S}$/√$\varepsilon_\mathrm{B}$")
        _add_legend(figure, curves, maxima, "maximum")


def _draw(axis, curve, middle, low, high):
    axis.fill_between(curve.found.signal, low, high, color=curve.color, alpha=BAND, linewidth=0)
    axis.plot(curve.found.signal, middle, color=curve.color, linestyle=curve.line, label=curve.name)


def _label(axis, predictions, signals):
    names = signals or [each.classes[1] for each in predictions.values() if each.is_binary][:1]
    axis.set_xlim(0, 1)
    axis.set_xlabel(r"signal efficiency $\varepsilon_\mathrm{S}$" + (f" ({names[0]})" if len(names) == 1 else ""))


def _rest(predictions, background):
    first = next(iter(predictions.values()))
    return background or (first.classes[0] if first.is_binary else f"all other {first.items}")


def _add_legend(figure, curves, values, title):
    lines = [Line2D([], [], color=curve.color, linestyle=curve.line) for curve in curves]
    labels = [f"{curve.name}: {value}" if curve.name else value for curve, value in zip(curves, values)]
    guide = {key: value for key, value in GUIDE.items() if key != "zorder"}
    legend_outside(figure, [*lines, Line2D([], [], **guide)], [*labels, "chance"], title)


def _curves(predictions, signals, background):
    curves = []
    by_file = len(predictions) > 1 and len(signals or []) < 2
    for file, (name, each) in enumerate(predictions.items()):
        chosen = signals or (each.classes[1:] if each.is_binary else [c for c in each.classes if c != background])
        if len(predictions) > 1 and len(chosen) > 1 and not signals:
            raise DataError(
                f"give --signal to compare several files for one class; {name} has {', '.join(each.classes)}")
        for place, signal in enumerate(chosen):
            words = [name] if len(predictions) > 1 else []
            if len(chosen) > 1:
                words.append(signal)
            found = efficiencies(*_scores(each, name, signal, background))
            # Colours distinguish files, or classes; of several files, lines distinguish the other.
            color = file if by_file else place
            line = file if len(predictions) > 1 else place // 5
            curves.append(Curve(", ".join(words), found, COLORS[color % 10], LINES[line % 4]))
    return curves


def _scores(predictions, name, signal, background):
    classes = predictions.classes
    for each in filter(None, (signal, background)):
        if each not in classes:
            raise DataError(f"{name} has no class {each}; {nearest(each, classes)}")
    if signal == background:
        raise DataError(f"--signal and --background are both {signal}; give two different classes")
    column, labels = classes.index(signal), predictions.labels
    scores, is_signal, jets = predictions.scores, labels == column, predictions.jets
    if background:
        other = classes.index(background)
        chosen = is_signal | (labels == other)
        scores = _odds(scores[chosen, column], scores[chosen, other])
        is_signal, jets = is_signal[chosen], jets[chosen]
    else:
        scores = _odds(scores[:, column], np.delete(scores, column, axis=1).sum(axis=1))
    if is_signal.all() or not is_signal.any():
        raise DataError(f"{name} has {'only' if is_signal.any() else 'no'} {predictions.items} of {signal}")
    if (count := (~is_signal).sum()) < LEAST_BACKGROUND:
        raise DataError(f"{name} has only {count} background {predictions.items}; a curve needs at least "
                        f"{LEAST_BACKGROUND} above a threshold")
    return scores, is_signal, jets


def _odds(signal, background):
    """signal / background, with both at least the smallest normal number: in the order of
    signal / (signal + background), which rounds to 1 from odds of 2^24 on."""
    least = np.finfo(signal.dtype).tiny
    return np.maximum(signal, least) / np.maximum(background, least)
