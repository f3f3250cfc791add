"""Confusion matrices."""

from pathlib import Path

import numpy as np

from kaon_data import DataError
from kaon_results.predictions import predictions_path, read_predictions
from kaon_results.runs import read_metrics

from .style import drawing


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
    """Draws the percentage of the items of each true class (row) that were assigned to each class (column)."""
    counts = matrix.sum(axis=1, keepdims=True)
    percent = 100 * np.divide(matrix, counts, out=np.full(matrix.shape, np.nan), where=counts > 0)
    size = len(classes)
    side = max(4.5, 0.62 * size + 1.5)
    with drawing(path, size=(side + 0.7, side)) as (figure, axes):
        axis = axes[0, 0]
        image = axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
        for row in range(size):
            for column in range(size):
                value = percent[row, column]
                if np.isfinite(value):
                    axis.text(column, row, f"{value:.0f}" if value >= 9.95 else f"{value:.1f}", ha="center",
                              va="center", fontsize=10, color="white" if value > 55 else "black")
        axis.set_xticks(range(size), classes, rotation=45 if max(map(len, classes)) * size > 30 else 0)
        axis.set_yticks(range(size), classes)
        axis.tick_params(which="both", length=0)
        axis.minorticks_off()
        axis.set_xlabel("predicted class")
        axis.set_ylabel("true class")
        axis.set_title(f"accuracy {np.trace(matrix) / matrix.sum():.4f} of {int(matrix.sum()):,} {items}", fontsize=12)
        figure.colorbar(image, ax=axis, label="percent of the true class", shrink=0.85)
