"""Distributions of the features of constituents and jets, with several data sets overlaid.

In the style of figure 1.6 of the MPMv2 thesis: one panel per feature, normalised, logarithmic, impact parameters of
charged constituents only, and the identities.
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
#: The panels by row; those of categories are two columns wide.
_ROWS = [
    [panels.PT, panels.DETA, panels.DPHI, panels.COUNT],
    [panels.D0, panels.DZ, panels.D0ERR, panels.DZERR],
    [panels.JET_PT, panels.JET_MASS, panels.IDENTITY],
]
#: Only in files with vertices and origins of tracks.
_TRACKS = [panels.VERTICES, panels.ORIGIN]


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
    curves = _curves(datasets, by_class)
    has_tracks = any(quantity(curve.jets, panel) is not None for curve in curves for panel in _TRACKS)
    rows = [*_ROWS, _TRACKS] if has_tracks else _ROWS
    with drawing(path, len(rows), 4, size=(3.75, 3.2)) as (figure, axes):
        for number, row in enumerate(rows):
            place = 0
            for panel in row:
                is_wide = panel.scale == "categories" or panel is panels.VERTICES
                axis = join_panels(axes, number, slice(place, place + 2)) if is_wide else axes[number, place]
                place += 1 + is_wide
                (_draw_categories if panel.scale == "categories" else _draw)(axis, panel, curves)
        lines = [Line2D([], [], color=curve.color, linestyle=curve.line, marker=curve.marker, markersize=5)
                 for curve in curves]
        legend_outside(figure, lines, [f"{curve.name} ({len(curve.jets):,} jets)" for curve in curves])


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


def _found(axis, panel, curves):
    """The curves with this quantity, their samples and histograms; says so if no file has it."""
    samples = [(curve, quantity(curve.jets, panel)) for curve in curves]
    samples = [(curve, sample) for curve, sample in samples if sample is not None and len(sample[0])]
    if not samples:
        axis.set_xlabel(panel.label)
        axis.text(0.5, 0.5, "not in these files", ha="center", va="center", transform=axis.transAxes)
        axis.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
        return []
    binning = bins([sample for _, sample in samples], panel)
    return [(curve, histogram(sample, binning)) for curve, sample in samples]


def _draw(axis, panel, curves):
    if not (found := _found(axis, panel, curves)):
        return
    scale_axes(axis, panel, [each for _, each in found])
    for curve, each in found:
        draw_steps(axis, each, panel, curve.color, curve.line, *((1.6, BAND) if len(curves) < 5 else (1.1, BAND / 2)))


def _draw_categories(axis, panel, curves):
    """Draws fractions as points with errors, those of the curves side by side."""
    if not (found := _found(axis, panel, curves)):
        return
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
