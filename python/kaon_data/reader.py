"""Reads files of either layout as awkward arrays."""

import os
from glob import escape as glob_escape
from glob import glob

import awkward as ak
import h5py
import numpy as np

from .errors import DataError
from .formats import FEATURES, IDENTITIES

_PER_CONSTITUENT = ("vtx_id", "track_type")
_JET_COLUMNS = ["pt", "eta", "phi", "mass"]


def read(paths, start=0, stop=None):
    """Returns the jets start ..< stop of a file, or of several files in sequence, as an array of records.

    A jet has the fields `label`; `pt`, `eta`, `phi`, `mass` if the file contains them; and `constituents`, a list of
    records with the features of the file, `id`, and for BTag `vtx_id` and `track_type`. Further datasets with one row
    per jet keep their names. `attrs["class_names"]` of the array are the class names, `attrs["identities"]` those of
    the values of `id`, and `attrs["mass"]` is the name of the mass in the files, such as `sdmass`, the soft-drop mass.
    `paths` is a file, a folder, a pattern, or a list of these.
    """
    parts, names, identities, masses = [], None, None, set()
    passed = 0
    for path in files(paths):
        with _open(path) as file:
            labels = _dataset(file, "labels", path)
            if labels.ndim != 1 or labels.dtype.kind not in "iub":
                raise DataError(
                    f"{path}: /labels has the shape {labels.shape} and the type {labels.dtype}, expected an integer "
                    "for each jet")
            jets = len(labels)
            low, high = max(start - passed, 0), jets if stop is None else min(stop - passed, jets)
            passed += jets
            if low >= high and parts:
                continue
            try:
                parts.append(_read(file, path, low, max(low, high)))
                masses |= {_mass_name(_jet_names(file))} - {None}
                named, kinds = _names(file["labels"]), _names(file["csts_id"]) or IDENTITIES
            except OSError as error:
                raise DataError(f"{path} cannot be read ({' '.join(str(error).split())}): give another file") from error
            if names is not None and named != names:
                raise DataError(f"{path} has the classes {named}, but the previous files have {names}")
            if identities is not None and kinds != identities:
                raise DataError(f"{path} has the identities {kinds}, but the previous files have {identities}")
            names, identities = named, kinds
    array = parts[0] if len(parts) == 1 else ak.concatenate(parts)
    array.attrs["class_names"], array.attrs["identities"] = names, identities
    array.attrs["mass"] = ", ".join(sorted(masses)) or None
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
            matches = sorted(
                name for suffix in ("h5", "hdf5") for name in glob(os.path.join(glob_escape(path), f"*.{suffix}")))
            if not matches:
                raise DataError(f"the folder {path} contains no *.h5 or *.hdf5 files: give jet files")
        else:
            matches = [path] if os.path.exists(path) else sorted(glob(path))
        if not matches:
            raise DataError(f"{path} does not exist: give jet files")
        found += matches
    return found


def _read(file, path, low, high):
    def values(name, rows):
        # NumPy and awkward compute with the byte order of the machine.
        stored = file[name][rows]
        return stored.astype(stored.dtype.newbyteorder("="), copy=False)

    def check(name, shape, kinds="fiu"):
        if file[name].shape[:len(shape)] != shape:
            raise DataError(
                f"{path}: /{name} has the shape {file[name].shape}, expected {shape[0]} rows, as in the other datasets")
        if file[name].dtype.kind not in kinds:
            raise DataError(f"{path}: /{name} has values of type {file[name].dtype}, expected numbers")

    csts, identities = _dataset(file, "csts", path), _dataset(file, "csts_id", path)
    constituent_shape, total = identities.shape, len(file["labels"])
    features = _names(csts) or FEATURES
    if csts.ndim != len(constituent_shape) + 1 or csts.shape != (*constituent_shape, len(features)):
        raise DataError(
            f"{path}: /csts has the shape {csts.shape}, expected {len(features)} features per constituent of /csts_id, "
            f"which has the shape {constituent_shape}")
    check("csts", constituent_shape)
    if identities.dtype.kind not in "iu":
        raise DataError(f"{path}: /csts_id has values of type {identities.dtype}, expected integers")
    if "offsets" in file:
        _dataset(file, "offsets", path)
        check("offsets", (total + 1,), "iu")
        offsets = values("offsets", slice(low, high + 1)).astype(np.int64)
        if len(offsets) and (offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(csts)):
            raise DataError(f"{path}: /offsets does not divide the {len(csts)} constituents among the jets")
        rows = slice(int(offsets[0]), int(offsets[-1])) if len(offsets) else slice(0, 0)
        counts = np.diff(offsets)

        def flat(name):
            return values(name, rows)
    else:
        stored = _dataset(file, "mask", path)
        if stored.ndim != 2 or stored.shape != constituent_shape:
            raise DataError(
                f"{path}: /mask has the shape {stored.shape}, expected that of /csts_id, {constituent_shape}")
        check("mask", (total,), "biuf")
        mask = stored[low:high].astype(bool)
        counts = mask.sum(axis=1)

        def flat(name):
            return values(name, slice(low, high))[mask]

    csts = flat("csts")
    columns = {name: csts[:, index] for index, name in enumerate(features)}
    columns["id"] = _identities(flat("csts_id"), path)
    for name in _PER_CONSTITUENT:
        if is_dataset(file, name):
            check(name, constituent_shape)
            columns[name] = flat(name)
    fields = {"label": file["labels"][low:high].astype(np.int64)}
    if is_dataset(file, "jets"):
        check("jets", (total,))
        jets, names = values("jets", slice(low, high)), _jet_names(file)
        if jets.ndim != 2 or jets.shape[1] < len(names):
            raise DataError(
                f"{path}: /jets has the shape {file['jets'].shape}, expected {', '.join(names)} of each jet")
        mass = _mass_name(names)
        names = ["mass" if name == mass else name for name in names]
        fields |= {name: jets[:, names.index(name)] for name in _JET_COLUMNS if name in names}
    fields["constituents"] = ak.unflatten(ak.zip(columns), counts)
    known = {"labels", "jets", "csts", "csts_id", "mask", "offsets", *_PER_CONSTITUENT}
    for name in file:
        if name in known or name in fields or not is_dataset(file, name):
            continue
        # Awkward arrays cannot hold the Python objects of strings of variable length.
        if file[name].shape[:1] == file["labels"].shape and file[name].dtype.kind != "O":
            fields[name] = ak.from_numpy(values(name, slice(low, high)))
    return ak.zip(fields, depth_limit=1)


def _identities(values, path):
    wrong = values[(values < 0) | (values > 255)]
    if len(wrong):
        raise DataError(f"{path}: /csts_id has the value {wrong[0]}, expected 0 … 255")
    return values.astype(np.uint8)


def _jet_names(file):
    """The names of the columns of `jets`; none without it."""
    return (_names(file["jets"]) or _JET_COLUMNS) if is_dataset(file, "jets") else []


def _mass_name(names):
    """The column with the mass of the jets, which may be the soft-drop mass, `sdmass`."""
    return "mass" if "mass" in names else next((name for name in names if name.endswith("mass")), None)


def _open(path):
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path} cannot be opened as an HDF5 file ({error}): give another file") from error


def _dataset(file, name, path):
    if not is_dataset(file, name):
        raise DataError(f"dataset /{name} is missing in {path}: is this a jet file?")
    if not file[name].shape:
        raise DataError(f"dataset /{name} in {path} is a single value: is this a jet file?")
    return file[name]


def is_dataset(file, name):
    """False for groups and for links to objects that do not exist."""
    try:
        return isinstance(file[name], h5py.Dataset)
    except (KeyError, OSError):
        return False


def _names(dataset):
    return texts(dataset.attrs.get("names", []))


def texts(value):
    """The texts of an attribute of an HDF5 file, which may be a single one."""
    return [each.decode() if isinstance(each, bytes) else str(each) for each in np.atleast_1d(value)]
