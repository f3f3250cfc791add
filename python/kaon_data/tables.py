"""Jets in memory: columns per jet, and ragged columns per constituent and per vertex."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Ragged:
    """Columns with a variable number of rows per jet: jet i has the rows offsets[i] ..< offsets[i + 1]."""

    offsets: np.ndarray
    columns: dict = field(default_factory=dict)

    @property
    def counts(self):
        return np.diff(self.offsets)

    @property
    def jet_of_row(self):
        """The index of the jet of each row."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def take(self, order):
        """The rows of the jets in `order`, concatenated."""
        counts = self.counts[order]
        offsets = offsets_of(counts)
        shift = np.repeat(self.offsets[:-1][order] - offsets[:-1], counts)
        rows = np.arange(offsets[-1]) + shift
        return Ragged(offsets, {name: values[rows] for name, values in self.columns.items()})

    def keep(self, rows):
        """The rows where the mask `rows` is true, with their jets."""
        counts = np.bincount(self.jet_of_row[rows], minlength=len(self.offsets) - 1)
        return Ragged(offsets_of(counts), {name: values[rows] for name, values in self.columns.items()})

    def without_padding(self, names):
        """The rows in which one of the columns `names` is not zero: arrays of fixed length are padded with zeros.

        Returns also the number of rows that were removed. Columns without zeros come first for speed.
        """
        padding = np.ones(len(self.columns[names[0]]), bool)
        for name in names:
            padding &= self.columns[name] == 0
            if not padding.any():
                return self, 0
        return self.keep(~padding), int(padding.sum())

    @staticmethod
    def concatenate(parts):
        return Ragged(
            offsets_of(np.concatenate([part.counts for part in parts])),
            {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        )


@dataclass
class Table:
    """A set of jets. Every column of `jets` has one row per jet."""

    jets: dict
    constituents: Ragged
    vertices: Ragged

    def __len__(self):
        return len(self.jets["labels"])

    def take(self, order):
        return Table(
            {name: values[order] for name, values in self.jets.items()},
            self.constituents.take(order),
            self.vertices.take(order),
        )

    @staticmethod
    def concatenate(parts):
        return Table(
            {name: np.concatenate([part.jets[name] for part in parts]) for name in parts[0].jets},
            Ragged.concatenate([part.constituents for part in parts]),
            Ragged.concatenate([part.vertices for part in parts]),
        )


def offsets_of(counts):
    """The start of each range of these lengths, and the end of the last one."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
