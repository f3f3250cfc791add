"""Confusion matrices."""

import math
from pathlib import Path

import numpy as np

from kaon_data import DataError
from kaon_results.predictions import predictions_path, read_predictions
from kaon_results.runs import read_metrics
from kaon_results.table import number

from .style import drawing

_MOST_WITH_ERRORS = 4


def read_confusion(path):
    """Returns the matrix, the class names and the kind of items, from a `metrics.json`, a `predictions.h5` or a run."""
    path = Path(path)
    if path.suffix == ".json":
        return _from_metrics(path)
    path = predictions_path(path)
    predictions = read_predictions(path)
    return predictions.confusion, predictions.classes, predictions.items


def _from_metrics(path):
    report = read_metrics(path)
    table = (report.get("tables") or {}).get("confusion")
    if not table:
        raise DataError(f"{path} has no confusion matrix; only classifications have one. Try predictions.h5 beside it")
    matrix = np.array(table)
    classes = report.get("classes") or [f"class {number}" for number in range(len(matrix))]
    if matrix.shape != (len(classes), len(classes)):
        raise DataError(f"{path} is damaged: {len(classes)} classes, but a matrix of shape {matrix.shape}")
    return matrix, classes, "jets"


def plot_confusion(matrix, classes, items, path):
    """Draws the percentage of the items of each true class (row) that were assigned to each class (column), and its
    binomial error if there are few classes."""
    counts = matrix.sum(axis=1, keepdims=True)
    if not counts.any():
        raise DataError(f"there are no {items} to draw")
    percent = 100 * np.divide(matrix, counts, out=np.full(matrix.shape, np.nan), where=counts > 0)
    errors = np.sqrt(percent * (100 - percent) / np.maximum(counts, 1))
    size = len(classes)
    has_errors = size <= _MOST_WITH_ERRORS
    side = max(4.2, (0.95 if has_errors else 0.62) * size + 1.2)
    with drawing(path, size=(side + 1.5, side)) as (figure, axes):
        axis = axes[0, 0]
        image = axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.argwhere(np.isfinite(percent)):
            value = percent[row, column]
            text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
            if has_errors and errors[row, column]:
                text = number(value, errors[row, column]).replace(" ± ", "\n±")
            axis.text(column, row, text, ha="center", va="center", fontsize=10, linespacing=1.1,
                      color="white" if value > 55 else "black")
        is_long = max(map(len, classes)) * size > 30
        axis.set_xticks(range(size), classes, rotation=40 if is_long else 0, ha="right" if is_long else "center",
                        rotation_mode="anchor")
        axis.set_yticks(range(size), [f"{name} ({int(count):,})" for name, count in zip(classes, counts[:, 0])])
        axis.tick_params(which="both", length=0)
        axis.minorticks_off()
        axis.set_xlabel("predicted class")
        axis.set_ylabel("true class (number)")
        accuracy, total = np.trace(matrix) / matrix.sum(), matrix.sum()
        error = math.sqrt(accuracy * (1 - accuracy) / total)
        axis.set_title(f"accuracy {number(accuracy, error)} of {int(total):,} {items}", fontsize=12)
        figure.colorbar(image, ax=axis, label="percent of the true class", shrink=0.85).ax.minorticks_off()
