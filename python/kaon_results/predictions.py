"""`predictions.h5`: the outputs of a downstream task, and the true classes."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from kaon_data import DataError
from kaon_data.reader import is_dataset, texts

#: Names of the numbers in the dataset `origin`.
ORIGINS = ["primary", "c", "b", "other"]


@dataclass
class Predictions:
    """Items (jets, tracks or pairs of tracks) with a score for each class, and their true class."""

    #: Kind of the classified items: jets, tracks or pairs of tracks.
    items: str
    #: `[items, classes]`; the sum of each row is 1.
    scores: np.ndarray
    labels: np.ndarray
    classes: list
    #: The number of the jet of each item: the items of one jet are correlated.
    jets: np.ndarray = None

    def __post_init__(self):
        if self.jets is None:
            self.jets = np.arange(len(self.labels))

    @property
    def found(self):
        """The predicted class of each item."""
        return self.scores.argmax(axis=1)

    @property
    def is_binary(self):
        """True if there are two classes, so that one score is enough."""
        return len(self.classes) == 2

    @property
    def confusion(self):
        """Number of items of each true class (row) and predicted class (column)."""
        size = len(self.classes)
        return np.bincount(self.labels * size + self.found, minlength=size * size).reshape(size, size)


def read_predictions(path):
    """Reads the predictions from a file, or from the folder of a run or an evaluation."""
    path = predictions_path(path)
    try:
        with h5py.File(path) as file:
            names = texts(file.attrs.get("classes", []))
            columns = {name: file[name][()] for name in file if is_dataset(file, name)}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        return _predictions(columns, names)
    except KeyError as error:
        raise DataError(f"{path} has no dataset {error.args[0]}: is it a predictions.h5 of kaon evaluate?") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error


def predictions_path(path):
    """The file `predictions.h5` denoted by a path."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist: give a predictions.h5, or a run folder")
    for place in (path / "evaluation" / "predictions.h5", path / "predictions.h5"):
        if path.is_dir() and place.exists():
            return place
    if path.is_dir():
        raise DataError(f"{path} has no predictions.h5; create it with kaon evaluate")
    return path


def _predictions(columns, names):
    if "pair_scores" in columns:
        counts = _whole(columns["constituents"], "constituents")
        result = Predictions("pairs of tracks", _both(columns["pair_scores"]), same_vertex(columns),
                             ["different vertices", "same vertex"], _jets(counts * (counts - 1) // 2))
    elif "origin_scores" in columns:
        result = Predictions("tracks", columns["origin_scores"], _whole(columns["origin"], "origin"), ORIGINS,
                             _jets(_whole(columns["constituents"], "constituents")))
    else:
        scores, labels = columns["scores"], _whole(columns["labels"], "labels")
        if scores.ndim == 1:
            result = Predictions("jets", _both(scores), labels, ["background", "signal"])
        else:
            result = Predictions(
                "jets", scores, labels, names or [f"class {number}" for number in range(scores.shape[1])])
    size = len(result.classes)
    if result.scores.dtype.kind != "f" or not np.isfinite(result.scores).all():
        raise ValueError("the scores are not finite numbers")
    if result.scores.shape != (len(result.labels), size):
        raise ValueError(f"{len(result.labels)} labels and {size} classes, but scores of shape {result.scores.shape}")
    if len(result.jets) != len(result.labels):
        raise ValueError(f"{len(result.jets)} {result.items} in all jets, but {len(result.labels)} labels")
    if len(result.labels) and not 0 <= result.labels.min() <= result.labels.max() < size:
        raise ValueError(f"a label is outside 0 … {size - 1}")
    return result


def _whole(values, name):
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise ValueError(f"{name} has values of type {values.dtype} and the shape {values.shape}, expected integers")
    return values.astype(int)


def _jets(counts):
    """The number of the jet of each item, from the number of items of each jet."""
    return np.repeat(np.arange(len(counts)), counts)


def _both(scores):
    return np.stack([1 - scores, scores], axis=1)


def same_vertex(columns):
    """1 for every pair of constituents of a jet, (0, 1), (0, 2) … (1, 2) …, from the same vertex, otherwise 0."""
    flags, first = [np.zeros(0, int)], 0
    for count in columns["constituents"]:
        vertices = columns["vertex"][first:first + count]
        left, right = np.triu_indices(count, 1)
        flags.append((vertices[left] == vertices[right]).astype(int))
        first += count
    return np.concatenate(flags)
