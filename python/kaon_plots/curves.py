"""Names and styles of kinds of runs, the same in every panel of a figure."""

import math
import sys
from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from kaon_data import DataError
from kaon_results.groups import group, mean_and_deviation, show

from .style import BAND, COLORS, legend_outside

MODES = {"fixed": "fixed", "fine_tuned": "fine-tuned", "scratch": "from scratch"}
_LINES = {"fine_tuned": "-", "fixed": "--", "scratch": ":"}
#: Styles of lines that differ only in the mode: the same in every figure, and distinguishable without colours.
_MODE_STYLES = {"fine_tuned": (COLORS[0], "o"), "fixed": (COLORS[6], "^"), "scratch": ("black", "s")}
_OTHER_MODE = (COLORS[2], "D")
#: Markers of all other lines; the square is reserved for the mode scratch.
_MARKERS = "oD^vPX*<"


@dataclass
class Curve:
    """Means and deviations of runs of one kind along an axis."""

    #: The values of the keys that distinguish the kinds.
    kind: tuple
    #: x to the values of the runs there.
    points: dict


def known_keys(runs, keys):
    """The keys that distinguish curves, without the backbone keys if no run has a backbone."""
    return [key for key in keys if key not in ("backbone", "backbone_mode") or any(key in run.config for run in runs)]


def curves_along_key(runs, keys, x, measure):
    """One curve for each kind of runs, against a configuration key."""
    if not runs:
        return []
    curves = {}
    groups, warnings = group(runs, [*keys, x])
    for each in groups:
        curve = curves.setdefault(tuple(map(show, each.values[:-1])), Curve(each.values[:-1], {}))
        values = [value for run in each.runs if (value := run.measure(measure)) is not None]
        if values:
            curve.points.setdefault(number(each.runs[0], x), []).extend(values)
    _warn(warnings)
    return _in_order([curve for curve in curves.values() if curve.points])


def curves_of_series(runs, keys, series):
    """One curve for each kind of runs, from `series(run)`, a dictionary from x to a value."""
    if not runs:
        return []
    curves = []
    groups, warnings = group(runs, keys)
    for each in groups:
        points = {}
        for run in each.runs:
            for x, value in series(run).items():
                points.setdefault(x, []).append(value)
        if points:
            curves.append(Curve(each.values, points))
    _warn(warnings)
    return _in_order(curves)


def _in_order(curves):
    """The curves in the order of their groups, with the mode scratch last."""
    return sorted(curves, key=lambda curve: "scratch" in curve.kind)


def _warn(warnings):
    for warning in warnings:
        print(f"kaon-plot: {warning}", file=sys.stderr)


def number(run, key):
    """The value of a key as a number; for `data.jets: all`, the number of training jets in the log of the run."""
    value = run.value(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if key == "data.jets" and value in ("all", None):
        if (jets := run.training_jets) is not None:
            return jets
        raise DataError(f"{run.folder}: {key} is all, and kaon.log does not contain the number of jets")
    raise DataError(f"{run.folder}: {key} is {show(value)}, but an axis needs numbers")


class Styles:
    """Names, colours and lines for all kinds of runs in a figure."""

    def __init__(self, kinds, keys):
        self._keys = keys
        self._mode = keys.index("backbone_mode") if "backbone_mode" in keys else None
        self._varying = [
            place for place in range(len(keys))
            if len({show(kind[place]) for kind in kinds if self._counts(kind, place)}) > 1
        ] or [place for place in (self._mode,) if place is not None]
        # If anything other than the mode differs, colours distinguish that.
        self._colored = [place for place in self._varying if place != self._mode] or self._varying
        self._by_mode = self._colored == [self._mode]
        found = dict.fromkeys(self._color_key(kind) for kind in kinds if not self._is_black(kind))
        self._colors = {key: index for index, key in enumerate(found)}

    def _counts(self, kind, place):
        """False for a missing backbone, as in the mode scratch, which does not distinguish curves."""
        return self._keys[place] != "backbone" or kind[place] is not None

    def _color_key(self, kind):
        return tuple(show(kind[place]) for place in self._colored)

    def _is_black(self, kind):
        return self._mode is not None and kind[self._mode] == "scratch" and self._keys_are_plain

    @property
    def _keys_are_plain(self):
        return all(self._keys[place] in ("backbone", "backbone_mode") for place in self._varying)

    def label(self, kind):
        words = []
        for place in self._varying:
            key, value = self._keys[place], kind[place]
            if key == "backbone_mode":
                words.append(MODES.get(value, show(value)))
            elif key != "backbone":
                words.append(f"{key} {show(value)}")
            elif value is not None:
                words.append(value)
        return ", ".join(words) or "all runs"

    def line(self, kind):
        """Line style arguments for matplotlib."""
        mode = None if self._mode is None else kind[self._mode]
        if self._by_mode or self._is_black(kind):
            color, marker = _MODE_STYLES.get(mode, _OTHER_MODE)
        else:
            index = self._colors[self._color_key(kind)]
            color, marker = COLORS[index % 10], _MARKERS[index % len(_MARKERS)]
        style = "-" if self._by_mode or self._mode is None else _LINES.get(mode, "-.")
        return {"color": color, "linestyle": style, "marker": marker, "markersize": 5}


def draw_curves(axis, curves, styles):
    """Draws means as lines with bands of ± one standard deviation."""
    for curve in curves:
        places = sorted(curve.points)
        means, deviations = zip(*[mean_and_deviation(curve.points[x]) for x in places])
        means = np.array(means, float)
        widths = np.array([math.nan if each is None else each for each in deviations])
        line = styles.line(curve.kind)
        axis.plot(places, means, label=styles.label(curve.kind), **line)
        if len(places) == 1:
            axis.errorbar(places, means, np.nan_to_num(widths), color=line["color"], capsize=3)
        # An infinite mean cannot be drawn.
        band = np.isfinite(means - widths)
        axis.fill_between(places, means - widths, means + widths, where=band, color=line["color"], alpha=BAND,
                          linewidth=0)


def add_legend(figure, curves, styles):
    """Draws one legend for all panels."""
    lines = {styles.label(each.kind): Line2D([], [], **styles.line(each.kind)) for each in _in_order(curves)}
    legend_outside(figure, lines.values(), lines.keys(), _seeds_text(curves))


def _seeds_text(curves):
    """Describes the bands."""
    counts = {len(values) for curve in curves for values in curve.points.values()}
    if max(counts) == 1:
        return "one run each"
    runs = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    return f"mean ± std. dev. of {runs} seeds"


def scale_axis(axis, values):
    """Makes the x axis logarithmic if the values span more than a factor of ten; zero is allowed."""
    positive = [value for value in values if value > 0]
    if not positive or min(values) < 0 or max(positive) < 10 * min(positive):
        if all(float(value).is_integer() for value in values):
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            axis.xaxis.set_minor_locator(NullLocator())
        return
    if min(values) == 0:
        axis.set_xscale("symlog", linthresh=min(positive), linscale=0.5)
        decades = 10.0 ** np.arange(math.ceil(math.log10(min(positive))), math.floor(math.log10(max(positive))) + 1)
        axis.set_xticks([0, *decades])
        axis.xaxis.set_minor_locator(NullLocator())
        return
    axis.set_xscale("log")
    if max(positive) < 100 * min(positive):
        # Powers of ten alone would be too few ticks.
        axis.set_xticks(sorted(set(values)), [f"{value:g}" for value in sorted(set(values))])
        axis.xaxis.set_minor_locator(NullLocator())
