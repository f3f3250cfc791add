"""Encodings of jets in the layout of `kaon encode`."""

import os
from typing import NamedTuple

import h5py
import numpy as np


class Embeddings(NamedTuple):
    """What a file of encodings holds; `offsets` is None where there is one row a jet."""

    encodings: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray | None
    registers: int
    class_names: list


def write_embeddings(path, encodings, labels, offsets=None, registers=0, class_names=(), checkpoint=""):
    """Writes encodings `[rows, C]` as `kaon encode` does; without `offsets` they are one row a jet, as with `--pool mean`.

    The file appears when it is complete.
    """
    encodings, labels = np.asarray(encodings, np.float32), np.asarray(labels, np.int32)
    if offsets is None and len(encodings) != len(labels):
        raise ValueError(f"{len(encodings)} encodings for {len(labels)} jets; give their offsets")
    if offsets is not None:
        offsets = np.asarray(offsets, np.int64)
        if len(offsets) != len(labels) + 1 or offsets[0] != 0 or offsets[-1] != len(encodings) or (np.diff(offsets) < 0).any():
            raise ValueError(f"the offsets do not share {len(encodings)} encodings out to {len(labels)} jets")
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
    """Reads what `kaon encode` or `write_embeddings` has written."""
    with h5py.File(path) as file:
        names = file["labels"].attrs.get("names", [])
        return Embeddings(
            file["encodings"][:], file["labels"][:], file["offsets"][:] if "offsets" in file else None,
            int(file.attrs["registers"]), [name.decode() if isinstance(name, bytes) else str(name) for name in names])
