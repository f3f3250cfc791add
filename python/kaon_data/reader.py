"""Reads files of either layout as awkward arrays."""

import os
from glob import escape as glob_escape
from glob import glob

import awkward as ak
import h5py
import numpy as np

from .errors import DataError
from .formats import FEATURES

_PER_CONSTITUENT = ("vtx_id", "track_type")


def read(paths, start=0, stop=None):
    """Returns the jets start ..< stop of a file, or of several files in sequence, as an array of records.

    A jet has the fields `label`; `pt`, `eta`, `phi`, `mass` if the file contains them; and `constituents`, a list of
    records with the seven features, `id`, and for BTag `vtx_id` and `track_type`. Further datasets with one row per jet
    keep their names. `attrs["class_names"]` of the array are the class names. `paths` is a file, a folder, a pattern,
    or a list of these.
    """
    parts, names = [], None
    passed = 0
    for path in files(paths):
        with _open(path) as file:
            jets = len(_dataset(file, "labels", path))
            low, high = max(start - passed, 0), jets if stop is None else min(stop - passed, jets)
            passed += jets
            if low >= high and parts:
                continue
            parts.append(_read(file, path, low, max(low, high)))
            named = _names(file["labels"])
            if names is not None and named != names:
                raise DataError(f"{path} has the classes {named}, but the previous files have {names}")
            names = named
    array = parts[0] if len(parts) == 1 else ak.concatenate(parts)
    array.attrs["class_names"] = names
    return array


def class_names(path):
    """The class names of a file, indexed by label; empty if it has none."""
    with _open(path) as file:
        return _names(_dataset(file, "labels", path))


def files(paths):
    """The files denoted by a name, a folder, a pattern, or a list of these."""
    found = []
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        path = os.fspath(path)
        if os.path.isdir(path):
            matches = sorted(glob(os.path.join(glob_escape(path), "*.h5")))
            if not matches:
                raise DataError(f"the folder {path} contains no *.h5 files: give jet files")
        else:
            matches = [path] if os.path.exists(path) else sorted(glob(path))
        if not matches:
            raise DataError(f"{path} does not exist: give jet files")
        found += matches
    return found


def _read(file, path, low, high):
    if "offsets" in file:
        offsets = file["offsets"][low:high + 1]
        rows = slice(int(offsets[0]), int(offsets[-1])) if len(offsets) else slice(0, 0)
        counts = np.diff(offsets)

        def flat(name):
            return file[name][rows]
    else:
        mask = _dataset(file, "mask", path)[low:high].astype(bool)
        counts = mask.sum(axis=1)

        def flat(name):
            return file[name][low:high][mask]

    csts = flat(_dataset(file, "csts", path).name)
    if csts.ndim != 2 or csts.shape[1] != len(FEATURES):
        raise DataError(
            f"{path}: /csts has the shape {file['csts'].shape}, expected {len(FEATURES)} features per constituent")
    columns = {name: csts[:, index] for index, name in enumerate(FEATURES)}
    columns["id"] = flat(_dataset(file, "csts_id", path).name).astype(np.uint8)
    for name in _PER_CONSTITUENT:
        if name in file:
            columns[name] = flat(name)
    fields = {"label": file["labels"][low:high].astype(np.int64)}
    if "jets" in file:
        jets = file["jets"][low:high]
        fields |= {name: jets[:, index] for index, name in enumerate(("pt", "eta", "phi", "mass"))}
    fields["constituents"] = ak.unflatten(ak.zip(columns), counts)
    known = {"labels", "jets", "csts", "csts_id", "mask", "offsets", *_PER_CONSTITUENT}
    for name in file:
        if name not in known and file[name].shape[:1] == file["labels"].shape:
            fields[name] = ak.from_numpy(file[name][low:high])
    return ak.zip(fields, depth_limit=1)


def _open(path):
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} cannot be opened as an HDF5 file ({error}): give another file") from error


def _dataset(file, name, path):
    if name not in file:
        raise DataError(f"dataset /{name} is missing in {path}: is this a jet file?")
    return file[name]


def _names(dataset):
    names = dataset.attrs.get("names", [])
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]
