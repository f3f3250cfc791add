"""Losses and learning rate of runs, from their `metrics.csv`."""

import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from kaon_data import DataError

from .scan import AXES
from .style import COLORS, drawing, legend_outside

_TRAINING = {"linewidth": 0.9, "alpha": 0.6, "markersize": 5, "markerfacecolor": "none"}
_VALIDATION = {"marker": "o", "markersize": 2.5}
_HEAD = {"markersize": 4}
_BACKBONE = {"linestyle": "--", "linewidth": 1.1, "markersize": 6, "markerfacecolor": "none"}
_SCALES = {"learning_rate": "learning rate", "gradient_norm": "gradient norm"}


def plot_training(runs, names, path):
    """Draws every training (thin) and validation loss, the learning rate and the gradient norm, with one colour per
    run."""
    columns = _columns(runs)
    panels = columns + [name for name in _SCALES if any(name in run.curves for run in runs)]
    if not any(run.curves.get("step") for run in runs):
        raise DataError(f"{runs[0].folder} has no metrics yet")
    across = 2 if len(panels) == 4 else min(3, len(panels))
    with drawing(path, math.ceil(len(panels) / across), across, size=(4.8, 3.6)) as (figure, axes):
        for axis, name in zip(axes.flat, panels):
            for number, run in enumerate(runs):
                _draw(axis, run, name, COLORS[number % 10], names[number] if len(runs) > 1 else None,
                      width=1.5 + min(1.2, 5 / len(runs)) * (len(runs) - 1 - number))
            axis.set_xlabel("step")
            axis.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1))
            axis.xaxis.set_minor_locator(NullLocator())
            axis.set_ylabel(_SCALES.get(name) or _title(name))
        for axis in axes.flat[len(panels):]:
            axis.axis("off")
        _add_legend(figure, axes.flat[:len(panels)], names if len(runs) > 1 else [])


def _columns(runs):
    """The training and validation measures; a total that equals the only loss is omitted."""
    names = list(dict.fromkeys(
        name.partition("/")[2] for run in runs for name in run.curves if name.startswith(("train/", "valid/"))))
    losses = [name for name in names if name.endswith("_loss") and name != "total_loss"]
    return [name for name in names if not (name == "total_loss" and len(losses) == 1 and _are_equal(runs, losses[0]))]


def _are_equal(runs, name):
    return all(
        np.array_equal(run.curves.get(f"{part}/total_loss"), run.curves.get(f"{part}/{name}"), equal_nan=True)
        for run in runs for part in ("train", "valid"))


def _title(name):
    words = {"kmeans": "k-means", "vqvae": "VQ-VAE", "id": "identity"}
    return AXES.get(name) or " ".join(words.get(word, word) for word in name.split("_"))


def _points(run, name):
    steps, values = (np.array(run.curves.get(column, []), float) for column in ("step", name))
    if not len(values):
        return np.zeros(0), np.zeros(0)
    known = np.isfinite(values)
    return steps[known], values[known]


def _draw(axis, run, name, color, label, width):
    """`width` is that of learning rates, which are equal for runs of one schedule: those drawn last are thinner."""
    if name not in _SCALES:
        steps, values = _points(run, f"train/{name}")
        axis.plot(steps, values, color=color, marker=_marker(values), **_TRAINING)
        axis.plot(*_points(run, f"valid/{name}"), color=color, label=label, **_VALIDATION)
        return
    steps, values = _points(run, name)
    if name == "learning_rate":
        axis.plot(steps, values, color=color, marker=_marker(values), **_HEAD, linewidth=width, label=label)
    else:
        axis.plot(steps, values, color=color, marker=_marker(values), **_HEAD, label=label)
    if name == "gradient_norm":
        if len(values) and values.min() > 0 and values.max() > 10 * values.min():
            axis.set_yscale("log")
    elif (factors := _backbone_factors(run, steps)) is not None:
        axis.plot(steps, values * factors, color=color, marker=_marker(values), **_BACKBONE, label="backbone")


def _marker(values):
    """A marker for a single point, which has no visible line."""
    return "o" if len(values) == 1 else None


def _backbone_factors(run, steps):
    """The learning rate of a fine-tuned backbone relative to that of the head; None if there is no such backbone."""
    if run.config.get("backbone_mode") != "fine_tuned":
        return None
    frozen, rise = (run.config.get(f"fine_tuning.{key}", 0) for key in ("frozen_steps", "catch_up_steps"))
    ratio = run.config.get("fine_tuning.learning_rate_ratio", 1.0)
    # A row contains the learning rate of the previous step.
    return np.where(steps - 1 < frozen, 0, ratio * np.minimum(1, (steps - frozen) / max(1, rise)))


def _add_legend(figure, axes, names):
    """Draws one legend for all panels: the colours of the runs, and the kinds of lines."""
    grey = {"color": "grey" if names else COLORS[0]}
    marker = {"marker": axes[0].lines[0].get_marker()}
    lines = {name: Line2D([], [], color=COLORS[number % 10]) for number, name in enumerate(names)}
    lines["training"] = Line2D([], [], **_TRAINING, **marker, **grey)
    lines["validation"] = Line2D([], [], **_VALIDATION, **grey)
    if any(line.get_label() == "backbone" for axis in axes for line in axis.lines):
        lines["backbone (learning rate)"] = Line2D([], [], **_BACKBONE, **marker, **grey)
    legend_outside(figure, lines.values(), lines.keys())
