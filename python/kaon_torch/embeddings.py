"""Files of encodings in the layout of `kaon encode`."""

import os
from typing import NamedTuple

import h5py
import numpy as np

from kaon_data.reader import texts

from .errors import FormatError


class Embeddings(NamedTuple):
    """The contents of a file of encodings; `offsets` is None if there is one row per jet."""

    encodings: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray | None
    registers: int
    class_names: list


def write_embeddings(path, encodings, labels, offsets=None, registers=0, class_names=(), checkpoint=""):
    """Writes encodings `[rows, C]` like `kaon encode`; without `offsets` one row per jet, as with `--pool mean`.

    The file appears only when it is complete.
    """
    encodings, labels = np.asarray(encodings, np.float32), np.asarray(labels, np.int32)
    if offsets is None and len(encodings) != len(labels):
        raise ValueError(f"{len(encodings)} encodings for {len(labels)} jets: offsets are required")
    if offsets is not None:
        offsets = np.asarray(offsets, np.int64)
        if not _divides(offsets, encodings, labels):
            raise ValueError(f"the offsets do not divide {len(encodings)} encodings among {len(labels)} jets")
    temporary = f"{path}.tmp"
    with h5py.File(temporary, "w") as file:
        file["encodings"] = encodings
        file["labels"] = labels
        if offsets is not None:
            file["offsets"] = offsets
        file.attrs["checkpoint"] = str(checkpoint)
        file.attrs["pool"] = "mean" if offsets is None else "none"
        file.attrs["registers"] = registers
        if len(class_names):
            file["labels"].attrs["names"] = list(class_names)
    os.replace(temporary, path)


def read_embeddings(path):
    """Reads a file of `kaon encode` or `write_embeddings`. Raises `FormatError` for any other file."""
    try:
        with h5py.File(path, "r") as file:
            return _read(file, path)
    except FileNotFoundError:
        raise FormatError(f"{path} does not exist; give a file of encodings") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def _read(file, path):
    def dataset(name, kinds, rank):
        stored = file.get(name) if name in file else None
        if not isinstance(stored, h5py.Dataset):
            raise FormatError(f"{path} has no dataset {name}; create it with 'kaon encode'")
        if stored.dtype.kind not in kinds or len(stored.shape) != rank:
            raise FormatError(f"{path}: the dataset {name} has the type {stored.dtype} and the shape {stored.shape}")
        return stored

    stored = dataset("encodings", "f", 2), dataset("labels", "iu", 1)
    encodings, labels = (each[:].astype(each.dtype.newbyteorder("="), copy=False) for each in stored)
    offsets = dataset("offsets", "iu", 1)[:].astype(np.int64) if "offsets" in file else None
    if offsets is None and len(encodings) != len(labels):
        raise FormatError(f"{path}: {len(encodings)} encodings for {len(labels)} jets, without offsets")
    if offsets is not None and not _divides(offsets, encodings, labels):
        raise FormatError(f"{path}: the offsets do not divide {len(encodings)} encodings among {len(labels)} jets")
    registers = np.asarray(file.attrs.get("registers"))
    if registers.dtype.kind not in "iu" or registers.size != 1:
        raise FormatError(f"{path} has no attribute registers; create it with 'kaon encode'")
    return Embeddings(
        encodings, labels, offsets, int(registers.reshape(-1)[0]),
        texts(file["labels"].attrs.get("names", [])))


def _divides(offsets, encodings, labels):
    return (len(offsets) == len(labels) + 1 and offsets[0] == 0 and offsets[-1] == len(encodings)
            and not (np.diff(offsets) < 0).any())
