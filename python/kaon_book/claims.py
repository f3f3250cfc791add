"""Statements of the thesis as comparisons of means over seeds, and the verdict on them."""

import math
import statistics
from dataclasses import dataclass

HOLDS, SPREAD, OPPOSITE = "holds", "not significant", "contradicted"
#: Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


@dataclass(frozen=True)
class Claim:
    """That the mean of `high` is above that of `low`; both are lists of the values of the seeds."""

    text: str
    high: list
    low: list

    @property
    def state(self):
        """The result of Welch's t-test at 95 %; None with fewer than three values on a side."""
        high, low = (_finite(values) for values in (self.high, self.low))
        if min(len(high), len(low)) < 3:
            return None
        variances = [statistics.variance(values) / len(values) for values in (high, low)]
        difference, error = statistics.mean(high) - statistics.mean(low), math.sqrt(sum(variances))
        if error == 0:
            return HOLDS if difference > 0 else OPPOSITE if difference < 0 else SPREAD
        freedom = sum(variances) ** 2 / sum(
            variance**2 / (len(values) - 1) for variance, values in zip(variances, (high, low)))
        limit = _T[min(len(_T), max(1, int(freedom))) - 1]
        if abs(difference) < limit * error:
            return SPREAD
        return HOLDS if difference > 0 else OPPOSITE


@dataclass(frozen=True)
class Fact:
    """A statement that is true or false of the results; None if they are not there yet."""

    text: str
    truth: object

    @property
    def state(self):
        return None if self.truth is None else HOLDS if self.truth else OPPOSITE


def verdict(claims):
    """reproduced: all hold; partly: some do; inconclusive: none is significant; not reproduced: none holds, and some
    are contradicted; unfinished: nothing to compare yet."""
    states = [claim.state for claim in claims if claim.state is not None]
    if not states:
        return "unfinished"
    if all(state == HOLDS for state in states):
        return "reproduced"
    if HOLDS in states:
        return "partly reproduced"
    return "not reproduced" if OPPOSITE in states else "inconclusive"


def _finite(values):
    return [value for value in values if math.isfinite(value)]
