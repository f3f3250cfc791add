"""Values of the sources that cannot be used: found, and named or left out."""

import numpy as np

from .errors import DataError
from .tables import Ragged


class Checks:
    """Collects which of the entries first ..< first + count of a file are unusable.

    Throws at the first unless `skip`, in which case `bad` tells them.
    """

    def __init__(self, path, first, count, skip):
        self.path = path
        self.first = first
        self.skip = skip
        self.bad = np.zeros(count, bool)

    def finite(self, name, branch):
        """Every value of a branch must be finite."""
        values = branch.columns[name] if isinstance(branch, Ragged) else branch
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            rows = branch.jet_of_row[wrong] if isinstance(branch, Ragged) else wrong
            place = f", constituent {wrong[0] - branch.offsets[rows[0]]}" if isinstance(branch, Ragged) else ""
            self._report(name, rows, f"{place} is {values[wrong[0]]}")

    def require(self, name, right, problem, jet_of_row=None):
        """`right` must be true for every jet, or for every row where the jet of each row is given."""
        wrong = np.flatnonzero(~right)
        if len(wrong):
            rows = wrong if jet_of_row is None else jet_of_row[wrong]
            self._report(name, rows, f" {problem}")

    def one_value(self, branches, names):
        """These branches must have one value an entry; never skipped."""
        for name in names:
            if isinstance(branches[name], Ragged):
                raise DataError(f"{self.path}: {name} has lists, not one value an entry: is this another data set?")

    def equal_lengths(self, branches, names):
        """These branches must have lists of equal length in every entry; never skipped."""
        for name in names:
            if not isinstance(branches[name], Ragged):
                raise DataError(f"{self.path}: {name} has one value an entry, not lists: is this another data set?")
        for name in names[1:]:
            differ = np.flatnonzero(branches[name].counts != branches[names[0]].counts)
            if len(differ):
                entry = differ[0]
                raise DataError(
                    f"{self.path}: entry {self.first + entry} has {branches[name].counts[entry]} values of "
                    f"{name} but {branches[names[0]].counts[entry]} of {names[0]}: fetch the file again"
                )

    def _report(self, name, rows, problem):
        if not self.skip:
            raise DataError(
                f"{self.path}: {name}, entry {self.first + rows[0]}{problem}: mend the file, or leave such "
                "jets out with --skip-bad"
            )
        self.bad[rows] = True
