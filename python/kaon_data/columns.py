"""Sources of `convert-table`: branches of ROOT, Parquet, HDF5, NumPy (npz) and pandas (HDF5 tables) files."""

import importlib
import os
import zipfile
from contextlib import contextmanager
from pathlib import Path

import awkward as ak
import h5py
import numpy as np

from .description import FORMATS
from .errors import DataError
from .sources import Source, from_awkward, gist, native, open_root, root_tree
from .tables import Ragged


def look_at_table(name, path, description):
    """Opens a file, checks that it has the branches of the description with equal numbers of entries, and counts
    them."""
    with _opened(path, description) as file:
        available = file.names()
        counts = {}
        for own, branch in description.branches.items():
            missing = [each for each in branch.names if each not in available]
            if missing:
                raise DataError(_lacks(path, missing, own, available))
            for each in branch.names[:1] + branch.names[-1:]:
                counts[each] = file.entries(each)
        if not counts:
            raise DataError(f"{description.path}: no expression uses a branch of the sources: correct the features")
        first = next(iter(counts))
        for each, count in counts.items():
            if count != counts[first]:
                raise DataError(
                    f"{path}: {each} has {count} entries but {first} has {counts[first]}: they are not of the same "
                    "jets")
        return Source(name, path, os.path.getsize(path), file.uuid, counts[first])


def read_columns(source, description, start, stop):
    """The branches of entries start ..< stop by their names in the expressions: arrays [jets] or [jets, slots], or
    `Ragged`."""
    with _opened(source.path, description) as file:
        found, names = {}, None
        # Branches that take different columns of one dataset share its values.
        for own, branch in sorted(description.branches.items(), key=lambda item: item[1].names):
            if branch.names != names:
                names = branch.names
                parts = [_checked(source.path, each, file.read(each, start, stop), start, stop) for each in names]
            if branch.is_range:
                if any(isinstance(part, Ragged) or part.ndim != 1 for part in parts):
                    raise DataError(
                        f"{source.path}: {branch.names[0]} has lists, but branches.{own} takes one number of each jet "
                        "from every branch")
                found[own] = np.stack(parts, axis=1)
            else:
                found[own] = _column(source.path, branch, parts[0])
        return found


def _column(path, branch, values):
    name, = branch.names
    if branch.column is not None:
        if isinstance(values, Ragged) or values.ndim < 2:
            raise DataError(f"{path}: {name} has no columns, so that {name}[..., {branch.column}] does not exist")
        if branch.column >= values.shape[-1]:
            raise DataError(
                f"{path}: {name} has {values.shape[-1]} columns, numbered from 0, so that {name}[..., {branch.column}] "
                "does not exist")
        values = values[..., branch.column]
    if not isinstance(values, Ragged) and values.ndim > 2:
        raise DataError(
            f"{path}: {name} has the shape {list(values.shape)}, expected jets or jets × constituents: select a column "
            f"in 'branches', such as {name}[..., 0]")
    return values


def _checked(path, name, values, start, stop):
    """Requires numbers for all of the entries."""
    array = next(iter(values.columns.values())) if isinstance(values, Ragged) else values
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {name} has values of type {array.dtype}, expected numbers")
    length = len(values.offsets) - 1 if isinstance(values, Ragged) else len(values)
    if length != stop - start:
        raise DataError(f"{path}: {name} has only {length} of the entries {start}..<{stop}: the file is damaged")
    return values


def _lacks(path, missing, own, available):
    import difflib

    name = missing[0]
    near = difflib.get_close_matches(name, available, 1)
    shown = sorted(available)[:20]
    advice = f"did you mean {near[0]}?" if near else \
        f"it has {', '.join(shown)}" + (", …" if len(available) > len(shown) else "")
    used = "" if own == name else f" (for {own})"
    return f"{path} lacks the branch {name}{used}: {advice}"


def suffixes(description):
    """The endings of source files in folders."""
    if description.format:
        return FORMATS[description.format]
    return tuple(dict.fromkeys(each for endings in FORMATS.values() for each in endings))


@contextmanager
def _opened(path, description):
    kind = description.format
    if kind is None:
        ending = Path(path).suffix.lower()
        kind = next((name for name, endings in FORMATS.items() if ending in endings), None)
        if kind is None:
            raise DataError(f"{path} has no known ending: give its format ({', '.join(FORMATS)}) in {description.path}")
    try:
        with _READERS[kind](path, description.tree) as file:
            yield file
    except (DataError, MemoryError, BrokenPipeError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (28, 122):
            raise
        raise DataError(f"{path} cannot be read as {kind} ({gist(error)}): give another file, or its format") from error


class _Reader:
    """A source file: `names` of its branches, the number of `entries` of one, and `read`."""

    uuid = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        pass


class _Root(_Reader):
    def __init__(self, path, tree):
        self._file = open_root(path)
        self._tree = root_tree(self._file, path, tree)
        self.uuid = str(self._file.file.uuid)

    def names(self):
        return set(self._tree.keys())

    def entries(self, name):
        return int(self._tree.num_entries)

    def read(self, name, start, stop):
        return from_awkward(self._tree[name].array(entry_start=start, entry_stop=stop, library="ak"), name)

    def close(self):
        self._file.close()


class _Parquet(_Reader):
    def __init__(self, path, _):
        self._file = _module("pyarrow.parquet", "parquet").ParquetFile(path)

    def names(self):
        return set(self._file.schema_arrow.names)

    def entries(self, name):
        return self._file.metadata.num_rows

    def read(self, name, start, stop):
        parts, first = [], 0
        for group in range(self._file.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            low, high = max(start - first, 0), min(stop - first, rows)
            if low < high:
                column = self._file.read_row_group(group, [name])[name][low:high]
                if column.null_count:
                    raise ValueError(f"{name} has {column.null_count} missing values")
                parts.append(ak.from_arrow(column))
            first += rows
        array = ak.concatenate(parts) if len(parts) != 1 else parts[0]
        return from_awkward(array, name)

    def close(self):
        self._file.close()


class _HDF5(_Reader):
    """Datasets, in groups as `group/name`, and the fields of structured datasets as `dataset/field`."""

    def __init__(self, path, _):
        self._file = h5py.File(path, "r")

    def names(self):
        found = set()

        def add(name, item):
            if isinstance(item, h5py.Dataset) and item.shape:
                found.update([f"{name}/{field}" for field in item.dtype.names] if item.dtype.names else [name])

        self._file.visititems(add)
        return found

    def _find(self, name):
        if name in self._file:
            return self._file[name], None
        dataset, _, field = name.rpartition("/")
        return self._file[dataset], field

    def entries(self, name):
        return self._find(name)[0].shape[0]

    def read(self, name, start, stop):
        dataset, field = self._find(name)
        return native(dataset[start:stop] if field is None else dataset[field, start:stop])

    def close(self):
        self._file.close()


class _NPZ(_Reader):
    """Arrays of a .npz file. Their rows are read in sequence, so that the memory does not depend on their number."""

    def __init__(self, path, _):
        self._archive = zipfile.ZipFile(path)

    def names(self):
        return {name[:-4] for name in self._archive.namelist() if name.endswith(".npy")}

    @contextmanager
    def _array(self, name):
        with self._archive.open(name + ".npy") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = header(file)
            if dtype.hasobject:
                raise ValueError(f"{name} contains Python objects, which are not read")
            if is_fortran and len(shape) > 1:
                raise ValueError(f"{name} is stored column by column: save it in C order")
            if not shape:
                raise ValueError(f"{name} is a single value")
            yield file, shape, dtype

    def entries(self, name):
        with self._array(name) as (_, shape, _):
            return shape[0]

    def read(self, name, start, stop):
        with self._array(name) as (file, shape, dtype):
            row = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
            file.seek(start * row, os.SEEK_CUR)
            data = file.read((stop - start) * row)
            if len(data) < (stop - start) * row:
                raise ValueError(f"{name} is truncated")
            return native(np.frombuffer(data, dtype).reshape(stop - start, *shape[1:]))

    def close(self):
        self._archive.close()


class _Pandas(_Reader):
    """Columns of a DataFrame that `to_hdf` has written, with `format="table"` in pieces."""

    def __init__(self, path, key):
        pandas = _module("pandas", "pandas")
        _module("tables", "pandas")
        self._store = pandas.HDFStore(path, "r")
        keys = [each.lstrip("/") for each in self._store.keys()]
        self._key = key or (keys[0] if len(keys) == 1 else "table")
        if self._key not in keys:
            self._store.close()
            raise DataError(
                f"{path} has no table '{self._key}' (it has {', '.join(keys) or 'none'}): set 'tree' to one")
        self._storer = self._store.get_storer(self._key)
        if not self._storer.is_table:
            self._store.close()
            raise DataError(
                f"{path}: '{self._key}' cannot be read in pieces: write it again by to_hdf(…, format=\"table\")")
        self._columns = [str(each) for each in self._store.select(self._key, start=0, stop=0).columns]
        self._last = None

    def names(self):
        return set(self._columns)

    def entries(self, name):
        return int(self._storer.nrows)

    def read(self, name, start, stop):
        # Rows are stored together: all columns of the last rows are kept.
        if self._last is None or self._last[0] != (start, stop):
            self._last = (start, stop), self._store.select(self._key, start=start, stop=stop)
        return native(self._last[1][name].to_numpy())

    def close(self):
        self._store.close()


_READERS = {"root": _Root, "parquet": _Parquet, "hdf5": _HDF5, "npz": _NPZ, "pandas": _Pandas}


def _module(name, extra):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DataError(f"{name.partition('.')[0]} is missing: pip install './python[{extra}]'") from error
