"""Finds and reads ROOT files; errors name file, branch and entry."""

import os
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from .errors import DataError
from .tables import Ragged, offsets_of


@dataclass(frozen=True)
class Source:
    """A ROOT file at the start of the conversion. Only `path` may differ when the conversion is continued."""

    name: str
    path: str
    size: int
    uuid: str
    entries: int

    @property
    def identity(self):
        record = asdict(self)
        del record["path"]
        return record


def find_sources(arguments, suffixes=(".root",)):
    """Returns (name, path) of files given as files and folders, which are searched for the endings, without
    duplicates, sorted by name.

    The name is the path relative to the common parent folder, so it does not depend on the machine.
    """
    found = set()
    for argument in arguments:
        path = Path(argument).absolute()
        if path.is_dir():
            inside = [file for suffix in suffixes for file in path.rglob(f"*{suffix}") if file.is_file()]
            if not inside:
                raise DataError(
                    f"the folder {argument} contains no *{' or *'.join(suffixes)} files: give another source")
            found.update(file.resolve() for file in inside)
        elif path.exists():
            found.add(path.resolve())
        else:
            kinds = "ROOT files" if suffixes == (".root",) else "files"
            raise DataError(f"{argument} does not exist: give {kinds}, or folders with {kinds}")
    base = os.path.commonpath([file.parent for file in found])
    return sorted((str(file.relative_to(base)), str(file)) for file in found)


def look_at(name, path, branches):
    """Opens a file, checks that it has the branches, and counts its entries."""
    with open_root(path) as file:
        tree = root_tree(file, path)
        missing = sorted(set(branches) - set(tree.keys(recursive=False)))
        if missing:
            raise DataError(
                f"{path}: tree '{tree.name}' lacks the branch{'es' if len(missing) > 1 else ''} "
                f"{', '.join(missing)}: is this a file of another data set?"
            )
        return Source(name, path, os.path.getsize(path), str(file.file.uuid), int(tree.num_entries))


def read_entries(source, branches, start, stop):
    """The branches of entries start ..< stop, each as a numpy array, or as `Ragged` with one column of its name."""
    with open_root(source.path) as file:
        tree = root_tree(file, source.path)
        # One branch at a time, so that an error can name it.
        return {branch: _read_branch(source, tree[branch], branch, start, stop) for branch in branches}


def _read_branch(source, branch, name, start, stop):
    try:
        array = branch.array(entry_start=start, entry_stop=stop, library="ak")
        result = from_awkward(array, name)
        length = len(array)
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(
            f"{source.path}: branch {name}, entries {start}..<{stop} cannot be read ({gist(error)}): "
            "the file is damaged, download it again"
        ) from error
    if length != stop - start:
        raise DataError(
            f"{source.path}: branch {name} has only {length} of the entries {start}..<{stop}: "
            "the file is damaged, download it again"
        )
    return result


def from_awkward(array, name):
    """An awkward array of numbers, or of lists of them, as an array or `Ragged`. Raises `ValueError`."""
    if array.ndim == 1:
        return _numbers(array, name)
    if array.ndim > 2:
        raise ValueError(f"{name} has lists of lists")
    counts = _numbers(ak.num(array, axis=1), name)
    return Ragged(offsets_of(counts), {name: _numbers(ak.flatten(array, axis=1), name)})


def _numbers(array, name):
    # NumPy would replace missing values by others, such as 2147483647.
    if missing := int(ak.sum(ak.is_none(array))):
        raise ValueError(f"{name} has {missing} missing values")
    return native(ak.to_numpy(array, allow_missing=False))


def native(values):
    """Contiguous and in the byte order of the machine."""
    return np.ascontiguousarray(values, values.dtype.newbyteorder("="))


def open_root(path):
    _check_header(path)
    try:
        return uproot.open(path)
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(
            f"{path} cannot be opened ({gist(error)}): the file is damaged, download it again"
        ) from error


def _check_header(path):
    """Raises a clear error if the file is not a ROOT file or is truncated, for which uproot's errors are obscure."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            header = file.read(20)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): check its permissions") from error
    if header[:4] != b"root" or len(header) < 20:
        raise DataError(f"{path} is not a ROOT file: give another source")
    (version,) = struct.unpack(">i", header[4:8])
    # Files above 2 GB have a version above 1 000 000 and 64-bit positions.
    end = struct.unpack(">q", header[12:20])[0] if version >= 1_000_000 else struct.unpack(">i", header[12:16])[0]
    if end > size:
        raise DataError(f"{path} is truncated to {size} of {end} bytes: download it again")


_TREES = ("TTree", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")


def root_tree(file, path, wanted=None):
    """The TTree or RNTuple with the jets: that of a name, or `tree`, or the only one."""
    try:
        kinds = file.classnames(recursive=False)
        names = sorted({key.split(";")[0] for key, kind in kinds.items() if kind in _TREES})
        if (wanted or "tree") in names:
            return file[wanted or "tree"]
        if wanted is None and len(names) == 1:
            return file[names[0]]
    except Exception as error:
        raise DataError(
            f"{path} cannot be opened ({gist(error)}): the file is damaged, download it again"
        ) from error
    raise DataError(
        f"{path} has no tree named '{wanted or 'tree'}'" + (f", only {', '.join(names)}" if names else "") +
        ": is this a file of another data set?"
    )


def gist(error):
    """The first line of an error message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}"[:160] if lines else type(error).__name__
