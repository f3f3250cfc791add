"""Expressions of the descriptions of `convert-table`."""

import numpy as np
import pytest

from kaon_data.errors import DataError
from kaon_data.expressions import Columns, Expression, Value


def columns(offsets, **values):
    found = Columns(len(offsets) - 1, "g", np.array(offsets))
    for name, array in values.items():
        found[name] = Value(np.array(array), len(array) == offsets[-1])
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x * 2 + a", [12, 14, 46]), ("-x ** 2", [-1, -4, -9]), ("2 ** -x", [0.5, 0.25, 0.125]),
        ("x - max(x)", [-1, 0, 0]), ("1 < x <= 2", [0, 1, 0]), ("not (x == 1 or x == 3)", [0, 1, 0]),
        ("(x > 1) & ~(x > 2)", [0, 1, 0]), ("where(x > 1, x, a)", [10, 2, 3]), ("clip(x, 2, 2)", [2, 2, 2]),
        ("count(x)", [2, 2, 1]), ("mean(x)", [1.5, 1.5, 3]), ("first(x) + sum(x)", [4, 4, 6]),
        ("any(x > 2)", [0, 0, 1]), ("all(x > 2)", [0, 0, 1]), ("wrap_phi(x * pi)", [np.pi, 0, np.pi]),
        ("maximum(x, 2)", [2, 2, 3]), ("x // 2 + x % 2", [1, 1, 2]), ("startswith(file, 'g') * x", [1, 2, 3]),
        ("(file == 'g') + (file != 'g')", [1, 1, 1]), ("i - 2", [-1, 0, 1]), ("round(x / 2)", [0, 1, 2]),
    ],
)
def test_values_of_expressions(text, expected):
    found = columns([0, 2, 2, 3], x=[1.0, 2.0, 3.0], i=np.uint8([1, 2, 3]))
    # `a` has a value for each jet, `x` and `i` for each constituent.
    found["a"] = Value(np.array([10, 20, 40]))
    assert found.of_constituents(Expression(text, "x")).astype(float) == pytest.approx(expected)


def test_jets_without_constituents():
    found = columns([0, 2, 2, 3], x=[1.0, 2.0, 3.0])
    assert found.of_jets(Expression("count(x)", "x")).tolist() == [2, 0, 1]
    assert found.of_jets(Expression("sum(x)", "x")).tolist() == [3, 0, 3]
    assert np.isnan(found.of_jets(Expression("max(x)", "x"))[1])


def test_long_expressions_are_refused():
    with pytest.raises(DataError, match="too long"):
        Expression("+".join(["x"] * 1000), "features.x")
    with pytest.raises(DataError, match="is not an expression"):
        Expression("(" * 5000, "features.x")
    with pytest.raises(DataError, match="does not fit into 64 bits"):
        Expression("9" * 50, "features.x")
