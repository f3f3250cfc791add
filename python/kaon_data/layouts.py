"""Writes files for kaon incrementally, in either layout."""

import os

import h5py
import numpy as np


JETS_PER_CHUNK = 1000
CONSTITUENTS_PER_CHUNK = 8192
#: Chunks have fewer rows if they would be larger than this.
_CHUNK_BYTES = 4 << 20
COMPRESSIONS = {
    "deflate": {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True},
    "none": {"fletcher32": True},
}


class LayoutWriter:
    """A new file with a known number of jets and constituents, filled from front to back by `append`."""

    def __init__(self, path, form, layout, jets, constituents, max_constituents, max_vertices, compression,
                 attributes):
        self._path = path
        self._form = form
        self._packed = layout == "packed"
        self._storage = COMPRESSIONS[compression]
        self._max_constituents = max_constituents
        # A chunk needs a non-zero width even if no jet has a vertex.
        self._max_vertices = max(1, max_vertices)
        self._jets = self._constituents = 0
        self._counts = np.zeros(len(form.classes), np.int64)
        self._file = h5py.File(path, "w")
        for name, value in attributes.items():
            self._file.attrs[name] = value
        if self._packed:
            self._file.attrs["layout"] = "kaon packed"
            self._file.attrs["layout_version"] = 1
            self._create("offsets", "i8", (jets + 1,), JETS_PER_CHUNK)
        else:
            self._file.attrs["layout"] = "padded"
            self._create("mask", "?", (jets, max_constituents), JETS_PER_CHUNK)
        for name, column in form.jets.items():
            self._column(name, column, (jets,), JETS_PER_CHUNK)
        for name, column in form.constituents.items():
            if self._packed:
                self._column(name, column, (constituents,), CONSTITUENTS_PER_CHUNK)
            else:
                self._column(name, column, (jets, max_constituents), JETS_PER_CHUNK)
        for name, column in form.vertices.items():
            self._column(name, column, (jets, self._max_vertices), JETS_PER_CHUNK)

    def append(self, table):
        """Appends jets."""
        rows = slice(self._jets, self._jets + len(table))
        constituents = table.constituents
        for name in self._form.jets:
            self._file[name][rows] = table.jets[name]
        if self._packed:
            # Overwrites the last offset with the same value; the first call also writes offset 0.
            self._file["offsets"][rows.start:rows.stop + 1] = constituents.offsets + self._constituents
            inside = slice(self._constituents, self._constituents + int(constituents.offsets[-1]))
            for name in self._form.constituents:
                self._file[name][inside] = constituents.columns[name]
        else:
            self._file["mask"][rows] = np.arange(self._max_constituents) < constituents.counts[:, None]
            for name, column in self._form.constituents.items():
                self._file[name][rows] = padded(
                    constituents, constituents.columns[name].astype(column.padded), self._max_constituents,
                    column.filler,
                )
        for name, column in self._form.vertices.items():
            self._file[name][rows] = padded(
                table.vertices, table.vertices.columns[name], self._max_vertices, column.filler
            )
        self._jets += len(table)
        self._constituents += int(constituents.offsets[-1])
        self._counts += np.bincount(table.jets["labels"], minlength=len(self._counts))

    def close(self):
        """Closes the file and synchronises it to disk."""
        self._file["labels"].attrs["counts"] = self._counts
        self._file.close()
        synchronize(self._path)

    def _column(self, name, column, lead, chunk):
        dataset = self._create(name, column.packed if self._packed else column.padded, lead + column.shape, chunk)
        if column.names:
            dataset.attrs["names"] = list(column.names)

    def _create(self, name, dtype, shape, chunk):
        row = np.dtype(dtype).itemsize * int(np.prod(shape[1:], dtype=np.int64))
        chunks = (max(1, min(chunk, shape[0], _CHUNK_BYTES // row)), *shape[1:])
        return self._file.create_dataset(name, shape, dtype, chunks=chunks, **self._storage)


def padded(ragged, values, width, filler):
    """The rows of each jet in an array [jets, width, …], padded with `filler`."""
    array = np.full((len(ragged.offsets) - 1, width, *values.shape[1:]), filler, values.dtype)
    owner = ragged.jet_of_row
    array[owner, np.arange(len(values)) - ragged.offsets[owner]] = values
    return array


def synchronize(path):
    """Synchronises a file, or the entries of a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
