"""Confusion matrices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kaon_data import DataError
from kaon_results.predictions import Predictions, predictions_path, read_predictions
from kaon_results.runs import read_metrics
from kaon_results.table import number

from .efficiency import clustered_error
from .style import drawing

_MOST_WITH_ERRORS = 4


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: numbers of items of each true class (row) and predicted class (column)."""

    matrix: np.ndarray
    classes: list
    items: str = "jets"
    #: The predictions of the items; None if only the matrix is known.
    predictions: Predictions = None

    def error(self, row, column):
        """The standard error of the fraction of a true class that was assigned to a class.

        With n_jc such items of jet j, n_j of the true class and N in total, f = Σ_j n_jc / N and the variance is
        Σ_j (n_jc − f n_j)² / N²; for one item per jet, or if only the matrix is known, the binomial f (1 − f) / N.
        """
        if self.predictions is None:
            return _binomial(self.matrix[row, column], self.matrix[row].sum())
        chosen = self.predictions.labels == row
        return self._error(self.predictions.found == column, chosen)

    @property
    def accuracy_error(self):
        if self.predictions is None:
            return _binomial(np.trace(self.matrix), self.matrix.sum())
        return self._error(self.predictions.found == self.predictions.labels, np.ones(len(self.predictions.jets), bool))

    def _error(self, right, chosen):
        fraction = right[chosen].mean()
        return clustered_error((right[chosen] - fraction) / chosen.sum(), self.predictions.jets[chosen])


def _binomial(count, total):
    fraction = count / total
    return float(np.sqrt(fraction * (1 - fraction) / total))


def read_confusion(path):
    """Returns the `Confusion` of a `metrics.json`, a `predictions.h5` or a run."""
    path = Path(path)
    if path.suffix == ".json":
        return _from_metrics(path)
    path = predictions_path(path)
    predictions = read_predictions(path)
    return Confusion(predictions.confusion, predictions.classes, predictions.items, predictions)


def _from_metrics(path):
    report = read_metrics(path)
    table = (report.get("tables") or {}).get("confusion")
    if not table:
        raise DataError(f"{path} has no confusion matrix; only classifications have one. Try predictions.h5 beside it")
    matrix = np.array(table)
    classes = report.get("classes") or [f"class {number}" for number in range(len(matrix))]
    if matrix.shape != (len(classes), len(classes)):
        raise DataError(f"{path} is damaged: {len(classes)} classes, but a matrix of shape {matrix.shape}")
    return Confusion(matrix, classes)


def plot_confusion(confusion, path):
    """Draws the percentage of the items of each true class (row) that were assigned to each class (column), and its
    error if there are few classes."""
    matrix, classes, items = confusion.matrix, confusion.classes, confusion.items
    counts = matrix.sum(axis=1, keepdims=True)
    if not counts.any():
        raise DataError(f"there are no {items} to draw")
    percent = 100 * np.divide(matrix, counts, out=np.full(matrix.shape, np.nan), where=counts > 0)
    size = len(classes)
    has_errors = size <= _MOST_WITH_ERRORS
    side = max(4.2, (0.95 if has_errors else 0.62) * size + 1.2)
    with drawing(path, size=(side + 1.5, side)) as (figure, axes):
        axis = axes[0, 0]
        image = axis.imshow(percent, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.argwhere(np.isfinite(percent)):
            value = percent[row, column]
            text = f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
            if has_errors and (error := 100 * confusion.error(row, column)):
                text = number(value, error).replace(" ± ", "\n±")
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
        axis.set_title(f"accuracy {number(accuracy, confusion.accuracy_error)} of {int(total):,} {items}", fontsize=12)
        figure.colorbar(image, ax=axis, label="percent of the true class", shrink=0.85).ax.minorticks_off()
