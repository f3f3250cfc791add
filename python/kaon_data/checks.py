"""Detects unusable values of the sources, and reports or skips them."""

import numpy as np

from .errors import DataError
from .tables import Ragged


class Checks:
    """Checks of the entries first ..< first + count of a file.

    Raises `DataError` at the first unusable entry, or, with `skip`, marks it in `bad`.
    """

    def __init__(self, path, first, count, skip):
        self.path = path
        self.first = first
        self.skip = skip
        self.bad = np.zeros(count, bool)

    def finite(self, name, branch):
        """Requires every value of a branch to be finite in single precision, that of the files."""
        values = branch.columns[name] if isinstance(branch, Ragged) else branch
        wrong = np.flatnonzero(~np.isfinite(values.astype(np.float32, copy=False)))
        if len(wrong):
            rows = branch.jet_of_row[wrong] if isinstance(branch, Ragged) else wrong
            place = f", constituent {wrong[0] - branch.offsets[rows[0]]}" if isinstance(branch, Ragged) else ""
            self._report(name, rows, f"{place} is {values[wrong[0]]}")

    def finite_columns(self, names, offsets, values):
        """Requires every value of the columns of `values` to be finite."""
        for name, column in zip(names, values.T):
            self.finite(name, Ragged(offsets, {name: column}))

    def require(self, name, right, problem, jet_of_row=None):
        """Requires `right` to be true for every jet, or for every row if `jet_of_row` is given."""
        wrong = np.flatnonzero(~right)
        if len(wrong):
            rows = wrong if jet_of_row is None else jet_of_row[wrong]
            self._report(name, rows, f" {problem}")

    def one_value(self, branches, names):
        """Requires these branches to have one value per entry; violations are never skipped."""
        for name in names:
            if isinstance(branches[name], Ragged):
                raise DataError(
                    f"{self.path}: {name} has lists, expected one value per entry: is this another data set?")

    def equal_lengths(self, branches, names):
        """Requires these branches to have lists of equal length in every entry; violations are never skipped."""
        for name in names:
            if not isinstance(branches[name], Ragged):
                raise DataError(
                    f"{self.path}: {name} has one value per entry, expected lists: is this another data set?")
        for name in names[1:]:
            differ = np.flatnonzero(branches[name].counts != branches[names[0]].counts)
            if len(differ):
                entry = differ[0]
                raise DataError(
                    f"{self.path}: entry {self.first + entry} has {branches[name].counts[entry]} values of "
                    f"{name} but {branches[names[0]].counts[entry]} of {names[0]}: download the file again"
                )

    def _report(self, name, rows, problem):
        if not self.skip:
            raise DataError(
                f"{self.path}: {name}, entry {self.first + rows[0]}{problem}: correct the file, or skip such "
                "jets with --skip-bad"
            )
        self.bad[rows] = True
