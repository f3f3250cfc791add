"""Distributions of the features of constituents and jets, with several data sets overlaid.

In the style of figure 1.6 of the MPMv2 thesis: one panel per feature, normalised, logarithmic, impact parameters of
charged constituents only, and the identities. Events have η and φ, and any files may have further features and other
identities.
"""

from dataclasses import dataclass

import awkward as ak
import numpy as np
from matplotlib.lines import Line2D

from kaon_data import DataError

from . import panels
from .distributions import draw_steps, scale_axes
from .histograms import bins, histogram
from .panels import quantity
from .style import BAND, COLORS, LINES, drawing, join_panels, legend_outside

_MARKERS = "os^vDPX<>p"
_COLUMNS = 4
#: The panels before and after those of further features. Without data in any file, a panel is left out.
_FIRST = [panels.PT, panels.DETA, panels.DPHI, panels.ETA, panels.PHI, panels.COUNT,
          panels.D0, panels.DZ, panels.D0ERR, panels.DZERR]
_LAST = [panels.JET_PT, panels.JET_MASS, panels.IDENTITY, panels.VERTICES, panels.ORIGIN]


@dataclass
class Curve:
    """A set of jets, with its name and style in every panel."""

    name: str
    jets: ak.Array
    color: str
    line: str
    marker: str


def plot_features(datasets, path, by_class=False):
    """Draws the distributions of arrays from `kaon_data.read` to a file; its suffix determines the format.

    `datasets` maps names to arrays. With `by_class` every class is a curve, and data sets differ in the line style.
    """
    for name, jets in datasets.items():
        if not len(jets):
            raise DataError(f"{name} has no jets: give other files")
    datasets = {name: panels.with_angles(jets) for name, jets in datasets.items()}
    curves = _curves(datasets, by_class)
    arrays = list(datasets.values())
    shown = [panels.of(arrays, panel) for panel in (*_FIRST, *panels.further(arrays), *_LAST)]
    found = {panel: samples for panel in shown if (samples := _samples(panel, curves))}
    places = _places(found)
    with drawing(path, 1 + max(row for row, _ in places.values()), _COLUMNS, size=(3.75, 3.2)) as (figure, axes):
        used = np.zeros(axes.shape, bool)
        for panel, (row, columns) in places.items():
            used[row, columns] = True
            is_wide = columns.stop - columns.start > 1
            axis = join_panels(axes, row, columns) if is_wide else axes[row, columns.start]
            (_draw_categories if panel.scale == "categories" else _draw)(axis, panel, found[panel])
        for axis in axes[~used]:
            axis.axis("off")
        lines = [Line2D([], [], color=curve.color, linestyle=curve.line, marker=curve.marker, markersize=5)
                 for curve in curves]
        legend_outside(figure, lines, [
            f"{curve.name} ({len(curve.jets):,} {'events' if panels.is_of_events(curve.jets) else 'jets'})"
            for curve in curves])


def _places(shown):
    """Row and columns of each panel: those of categories take two columns, or a row if they are many."""
    places, row, column = {}, 0, 0
    for panel in shown:
        width = 1
        if panel.scale == "categories" or panel is panels.VERTICES:
            width = 2 if len(panel.categories) <= 16 else _COLUMNS
        if column + width > _COLUMNS:
            row, column = row + 1, 0
        places[panel] = row, slice(column, column + width)
        column += width
    return places


def _curves(datasets, by_class):
    if not by_class:
        return [Curve(name, jets, COLORS[i % 10], LINES[i % 4], _MARKERS[i % 10])
                for i, (name, jets) in enumerate(datasets.items())]
    curves = []
    for line, (name, jets) in zip(LINES * len(datasets), datasets.items()):
        names = jets.attrs.get("class_names") or []
        for label in np.unique(ak.to_numpy(jets.label)):
            title = names[label] if label < len(names) else f"class {label}"
            curves.append(Curve(
                title if len(datasets) == 1 else f"{name}: {title}", jets[jets.label == label],
                COLORS[label % 10], LINES[label // 5 % 4] if len(datasets) == 1 else line, _MARKERS[label % 10]))
    return curves


def _samples(panel, curves):
    """The curves with this quantity, and their histograms; empty if no file has it."""
    samples = [(curve, quantity(curve.jets, panel)) for curve in curves]
    samples = [(curve, sample) for curve, sample in samples if sample is not None and len(sample[0])]
    if not samples:
        return []
    binning = bins([sample for _, sample in samples], panel)
    return [(curve, histogram(sample, binning)) for curve, sample in samples]


def _draw(axis, panel, found):
    scale_axes(axis, panel, [each for _, each in found])
    style = (1.6, BAND) if len(found) < 5 else (1.1, BAND / 2)
    for curve, each in found:
        draw_steps(axis, each, panel, curve.color, curve.line, *style)


def _draw_categories(axis, panel, found):
    """Draws fractions as points with errors, those of the curves side by side."""
    scale_axes(axis, panel, [each for _, each in found])
    places = np.arange(len(panel.categories))
    for number, (curve, each) in enumerate(found):
        shift = 0.8 * ((number + 0.5) / len(found) - 0.5)
        seen = each.fractions > 0
        axis.errorbar(places[seen] + shift, each.fractions[seen], each.errors[seen], fmt=curve.marker,
                      color=curve.color, markersize=5 if len(found) < 5 else 4, elinewidth=1)
    for place in places[1:] - 0.5:
        axis.axvline(place, color="0.8", linewidth=0.8, zorder=-1)
    axis.set_ylim(top=1)
