"""Temporary files between the two passes: the jets of one piece of a source, sorted into buckets.

A file starts with a header of eight int64 (the number of buckets and the tallies of the piece) and an index of four
int64 per bucket (position in the file, jets, constituents, vertices). The buckets follow as contiguous segments, so
that gathering a bucket needs one read per file.
"""

import os

import numpy as np

from .tables import Ragged, Table, offsets_of

_HEADER = 8
_INDEX = 4
TALLIES = ["skipped", "empty", "shortened", "max_vertices", "padding", "cut"]
"""Counts of each piece: jets skipped for bad values, jets without constituents, jets truncated to the maximum number of
constituents, the largest number of vertices of a jet, slots of padding, and jets cut by `convert-table`."""


def write(path, table, positions, bucket_of_jet, bucket_count, tallies, form):
    """Writes jets with their positions among all jets, sorted by bucket."""
    order = np.argsort(bucket_of_jet, kind="stable")
    table, positions = table.take(order), positions[order]
    jets = np.bincount(bucket_of_jet, minlength=bucket_count)
    ends = np.cumsum(jets)
    header = np.zeros(_HEADER, np.int64)
    header[0] = bucket_count
    header[1:1 + len(TALLIES)] = [tallies[name] for name in TALLIES]
    index = np.zeros((bucket_count, _INDEX), np.int64)
    place = header.nbytes + index.nbytes
    segments = []
    for bucket in np.flatnonzero(jets):
        rows = slice(ends[bucket] - jets[bucket], ends[bucket])
        arrays = [positions[rows]] + [table.jets[name][rows] for name in form.jets]
        sizes = []
        for ragged, columns in _ragged(table, form):
            inside = slice(ragged.offsets[rows.start], ragged.offsets[rows.stop])
            sizes.append(inside.stop - inside.start)
            arrays.append(ragged.counts[rows].astype(np.int32))
            arrays += [ragged.columns[name][inside] for name in columns]
        segment = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
        index[bucket] = [place, jets[bucket], *sizes]
        segments.append(segment)
        place += len(segment)
    with open(path, "wb") as file:
        file.write(header.tobytes())
        file.write(index.tobytes())
        file.writelines(segments)
        file.flush()
        os.fsync(file.fileno())


def tallies(path):
    """The tallies of a piece."""
    with open(path, "rb") as file:
        header = np.frombuffer(file.read(8 * _HEADER), np.int64)
    return dict(zip(TALLIES, (int(number) for number in header[1:])))


def sizes(paths):
    """The sizes of every bucket, summed over the pieces: int64 [buckets, 3] jets, constituents, vertices."""
    total = 0
    for path in paths:
        with open(path, "rb") as file:
            count = int(np.frombuffer(file.read(8 * _HEADER), np.int64)[0])
            index = np.frombuffer(file.read(8 * _INDEX * count), np.int64).reshape(count, _INDEX)
        total = total + index[:, 1:]
    return total


def gather(paths, bucket, form):
    """Returns the jets of a bucket in the order of their positions; None if there are none."""
    parts, positions = [], []
    for path in paths:
        with open(path, "rb") as file:
            file.seek(8 * (_HEADER + bucket * _INDEX))
            place, jets, constituents, vertices = np.frombuffer(file.read(8 * _INDEX), np.int64)
            if jets == 0:
                continue
            file.seek(place)

            def column(dtype, rows, shape=()):
                array = np.empty((rows, *shape), dtype)
                if file.readinto(array) != array.nbytes:
                    raise OSError(f"{path} is truncated")
                return array

            positions.append(column(np.int64, jets))
            per_jet = {name: column(c.packed, jets, c.shape) for name, c in form.jets.items()}
            groups = []
            for rows, columns in ((constituents, form.constituents), (vertices, form.vertices)):
                offsets = offsets_of(column(np.int32, jets))
                groups.append(
                    Ragged(offsets, {name: column(c.packed, rows, c.shape) for name, c in columns.items()})
                )
            parts.append(Table(per_jet, *groups))
    if not parts:
        return None
    return Table.concatenate(parts).take(np.argsort(np.concatenate(positions)))


def _ragged(table, form):
    return (table.constituents, form.constituents), (table.vertices, form.vertices)
