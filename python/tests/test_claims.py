"""The statistics of the statements of the book."""

from types import SimpleNamespace

import numpy as np
import pytest

from kaon_book.claims import HOLDS, OPPOSITE, SPREAD, Claim, verdict


@pytest.mark.parametrize("high, low, state", [
    ([0.5, 0.51, 0.52], [0.4, 0.41, 0.42], "holds"), ([0.5, 0.6, 0.7], [0.4, 0.5, 0.7], "not significant"),
    ([0.4, 0.41, 0.4], [0.6, 0.61, 0.6], "contradicted"), ([0.5, 0.5], [0.4, 0.4, 0.4], None),
    ([0.5, 0.5, float("inf")], [0.4, 0.3, 0.4], None),
])
def test_claims_are_tested_for_significance(high, low, state):
    assert Claim("", high, low).state == state


@pytest.mark.parametrize("states, found", [
    ([HOLDS, HOLDS], "reproduced"), ([HOLDS, SPREAD, OPPOSITE], "partly reproduced"),
    ([SPREAD, SPREAD], "inconclusive"), ([SPREAD, OPPOSITE], "not reproduced"), ([None], "unfinished"),
])
def test_the_verdict_of_a_row(states, found):
    assert verdict([SimpleNamespace(state=state) for state in states]) == found


def test_the_quantiles_are_those_of_student():
    from scipy.stats import t, ttest_ind

    from kaon_book.claims import _T

    assert np.allclose(_T, [t.ppf(0.975, freedom) for freedom in range(1, 11)], rtol=2e-3)
    rng = np.random.default_rng(1)
    for _ in range(50):
        high, low = rng.normal(0.2, 0.1, 5), rng.normal(0, 0.1, 3)
        if ttest_ind(high, low, equal_var=False).pvalue > 0.06:
            assert Claim("", list(high), list(low)).state == "not significant"
