"""`predictions.h5`: the answers of a downstream task, and the truth."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from kaon_data import DataError

#: By the number in the dataset `origin`.
ORIGINS = ["primary", "c", "b", "other"]


@dataclass
class Predictions:
    """Items (jets, tracks or pairs of tracks) with a score for each class, and their true class."""

    #: What was told apart: jets, tracks or pairs of tracks.
    items: str
    #: `[items, classes]`, each row with the sum 1.
    scores: np.ndarray
    labels: np.ndarray
    classes: list

    @property
    def is_binary(self):
        """Whether there is one score alone, for the second class."""
        return len(self.classes) == 2

    @property
    def confusion(self):
        """Items of a class (row) that were taken for another (column)."""
        size = len(self.classes)
        found = self.scores.argmax(axis=1)
        return np.bincount(self.labels * size + found, minlength=size * size).reshape(size, size)


def read_predictions(path):
    """The predictions in a file, or of a run or an evaluation, given its folder."""
    path = predictions_path(path)
    try:
        with h5py.File(path) as file:
            names = [each.decode() if isinstance(each, bytes) else str(each) for each in file.attrs.get("classes", [])]
            columns = {name: dataset[()] for name, dataset in file.items()}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    try:
        return _predictions(columns, names)
    except KeyError as error:
        raise DataError(f"{path} has no dataset {error.args[0]}; is it a predictions.h5 of kaon evaluate?") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error


def predictions_path(path):
    """The file that a path means."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist: name a predictions.h5, or the folder of a run")
    for place in (path / "evaluation" / "predictions.h5", path / "predictions.h5"):
        if path.is_dir() and place.exists():
            return place
    if path.is_dir():
        raise DataError(f"{path} has no predictions.h5; kaon evaluate writes it")
    return path


def _predictions(columns, names):
    if "pair_scores" in columns:
        result = Predictions("pairs of tracks", _both(columns["pair_scores"]), same_vertex(columns),
                             ["different vertices", "same vertex"])
    elif "origin_scores" in columns:
        result = Predictions("tracks", columns["origin_scores"], columns["origin"].astype(int), ORIGINS)
    else:
        scores, labels = columns["scores"], columns["labels"].astype(int)
        if scores.ndim == 1:
            result = Predictions("jets", _both(scores), labels, ["background", "signal"])
        else:
            result = Predictions(
                "jets", scores, labels, names or [f"class {number}" for number in range(scores.shape[1])])
    size = len(result.classes)
    if result.scores.shape != (len(result.labels), size):
        raise ValueError(f"{len(result.labels)} labels and {size} classes, but scores of {result.scores.shape}")
    if len(result.labels) and not 0 <= result.labels.min() <= result.labels.max() < size:
        raise ValueError(f"a label is outside 0 … {size - 1}")
    return result


def _both(scores):
    return np.stack([1 - scores, scores], axis=1)


def same_vertex(columns):
    """For every pair of constituents of a jet, (0, 1), (0, 2) … (1, 2) …, whether both are from one vertex."""
    flags, first = [np.zeros(0, int)], 0
    for count in columns["constituents"]:
        vertices = columns["vertex"][first:first + count]
        left, right = np.triu_indices(count, 1)
        flags.append((vertices[left] == vertices[right]).astype(int))
        first += count
    return np.concatenate(flags)
