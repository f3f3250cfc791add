"""The three tasks of the BTag set: flavour tagging, vertexing, and track origin."""

import re

from matplotlib.ticker import MaxNLocator, MultipleLocator

from kaon_data import DataError

from .curves import Styles, add_legend, curves_along_key, curves_of_series, draw_curves, known_keys, number
from .scan import draw_scan
from .style import drawing

#: The numbers of secondary vertices in figure 1.10b of the thesis.
_VERTICES = re.compile(r"ari_([1-6])_secondary_vertices")
_TRACKS = re.compile(r"balanced_accuracy_(\d+)_tracks")


def plot_btag(runs, path, keys=("backbone", "backbone_mode")):
    """Draws accuracy against labelled jets, adjusted Rand index against secondary vertices, and balanced accuracy
    against tracks, from runs of the three objectives."""
    objectives = ("classification", "vertexing", "track_origin")
    of = {name: [run for run in runs if run.objective == name] for name in objectives}
    if not any(of.values()):
        raise DataError("no runs of classification, vertexing or track_origin found")
    keys = known_keys(runs, keys)
    panels = [
        curves_along_key(of["classification"], keys, "data.jets", "accuracy"),
        curves_of_series(_with_most_jets(of["vertexing"]), keys, lambda run: _series(run, _VERTICES)),
        curves_of_series(_with_most_jets(of["track_origin"]), keys, lambda run: _series(run, _TRACKS)),
    ]
    drawn = [curve for curves in panels for curve in curves]
    styles = Styles([curve.kind for curve in drawn], keys)
    with drawing(path, 1, 3, size=(5.2, 4.4)) as (figure, axes):
        flavour, vertices, tracks = axes[0]
        draw_scan(flavour, panels[0], styles, "data.jets", "accuracy")
        draw_curves(vertices, panels[1], styles)
        vertices.set_xticks(sorted({place for curve in panels[1] for place in curve.points}))
        vertices.tick_params(axis="x", which="minor", bottom=False, top=False)
        vertices.set_xlabel("secondary vertices")
        vertices.set_ylabel("adjusted Rand index")
        draw_curves(tracks, panels[2], styles)
        # A tick for each number.
        tracks.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        tracks.xaxis.set_minor_locator(MultipleLocator(1))
        tracks.set_xlabel("tracks")
        tracks.set_ylabel("balanced accuracy")
        for axis, curves, name in zip(axes[0], panels, of):
            if not curves:
                reason = "evaluated by an earlier version" if name == "vertexing" and of[name] else f"no runs of {name}"
                axis.text(0.5, 0.5, reason, ha="center", va="center", transform=axis.transAxes)
        if drawn:
            add_legend(figure, drawn, styles)


def _series(run, pattern):
    """The measures whose names match the pattern, by the number in the name."""
    found = ((pattern.fullmatch(name), name) for name in run.measures)
    return {int(match[1]): run.measure(name) for match, name in found if match}


def _with_most_jets(runs):
    """The runs with the largest number of training jets."""
    if len({str(run.settings.get("data.jets")) for run in runs}) < 2:
        return runs
    most = max(number(run, "data.jets") for run in runs)
    return [run for run in runs if number(run, "data.jets") == most]
