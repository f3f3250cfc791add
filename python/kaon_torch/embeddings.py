"""Files of encodings in the layout of `kaon encode`."""

import os
from typing import NamedTuple

import h5py
import numpy as np


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
        if (len(offsets) != len(labels) + 1 or offsets[0] != 0 or offsets[-1] != len(encodings)
                or (np.diff(offsets) < 0).any()):
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
    """Reads a file of `kaon encode` or `write_embeddings`."""
    with h5py.File(path) as file:
        names = file["labels"].attrs.get("names", [])
        return Embeddings(
            file["encodings"][:], file["labels"][:], file["offsets"][:] if "offsets" in file else None,
            int(file.attrs["registers"]), [name.decode() if isinstance(name, bytes) else str(name) for name in names])
