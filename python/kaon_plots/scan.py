"""A measure against a configuration key, such as accuracy against the number of labelled jets."""

import math

from kaon_data import DataError
from kaon_results.groups import check_keys, check_measures

from .curves import Styles, add_legend, curves_along_key, draw_curves, known_keys, scale_axis
from .style import GUIDE, drawing

AXES = {
    "data.jets": "labelled jets",
    "cwola.signal_jets": "signal jets in the mixed sample",
    "masking.fraction": "fraction of masked constituents",
    "backbone.masking.fraction": "fraction of masked constituents",
    "backbone.model.decoder.layers": "layers of the decoder",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auc": "area under the ROC curve",
    "ari": "adjusted Rand index",
    "ari_components": "adjusted Rand index of the vertices",
    "hubert_arabie": "adjusted Rand index (Hubert–Arabie)",
    "cross_entropy": "cross-entropy",
    "sic_half": "significance improvement, threshold 0.5",
    "sic_99": "significance improvement, 99 % rejection",
    "sic_max": "maximum significance improvement",
    "valid/total_loss": "validation loss",
}


def plot_scan(runs, path, x="data.jets", measure="accuracy", keys=("backbone", "backbone_mode")):
    """Draws a measure of runs against one of their keys, with one curve for each combination of `keys`. Along a key of
    the pre-training, the backbones are the points of a curve, and runs from scratch have no place."""
    check_measures(runs, [measure])
    runs = [run for run in runs if run.measure(measure) is not None]
    if x.startswith("backbone."):
        check_keys(runs, [x])
        keys = [key for key in keys if key != "backbone"]
        runs = [run for run in runs if run.value(x) is not None]
        if not runs:
            raise DataError(f"all runs are from scratch; {x} is a key of the pre-training")
    objectives = list(dict.fromkeys(run.objective for run in runs))
    if len(objectives) > 1:
        raise DataError(f"found runs of {' and '.join(objectives)}; select one with --where objective={objectives[0]}")
    keys = [key for key in known_keys(runs, keys) if key != x]
    curves = curves_along_key(runs, keys, x, measure)
    if not any(math.isfinite(value) for curve in curves for values in curve.points.values() for value in values):
        raise DataError(f"{measure} is not finite in any run")
    styles = Styles([curve.kind for curve in curves], keys)
    with drawing(path) as (figure, axes):
        draw_scan(axes[0, 0], curves, styles, x, measure)
        add_legend(figure, curves, styles)


def draw_scan(axis, curves, styles, x, measure):
    draw_curves(axis, curves, styles)
    scale_axis(axis, [place for curve in curves for place in curve.points])
    if measure.startswith("sic_"):
        axis.axhline(1, **GUIDE)
    axis.set_xlabel(AXES.get(x, x))
    axis.set_ylabel(AXES.get(measure, measure))
