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


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "f2", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("text", [
    "exp(12 * x)", "log(x)", "sqrt(x)", "hypot(x, 300)", "arctan2(x, 7)", "minimum(x, 300)", "where(x > 2, 300, x)",
    "clip(x, 300, 400)", "x % 0.7", "x // 0.3", "x / 3", "x * 300", "x - 3", "-x", "abs(-x)", "sign(x)", "round(x / 7)",
    "wrap_phi(x)", "x // 0", "x % 0", "isfinite(x / 0)", "x == 300", "x > -1", "x < 0.5", "x and x", "sum(x) * 100"])
def test_all_types_of_numbers_give_the_same_values(text, dtype):
    values = np.array([1, 0, 1] if dtype == "?" else [1, 0, 100], dtype)
    expression = Expression(text, "x")
    found, expected = (
        columns([0, 2, 2, 3], x=each).of_constituents(expression) for each in (values, values.astype(float)))
    np.testing.assert_array_equal(found, expected)


def test_integers_of_64_bits_are_compared_exactly():
    found = columns([0, 2], x=np.array([2**62, 2**62 + 1]))
    assert found.of_constituents(Expression(f"x == {2**62}", "x")).tolist() == [True, False]


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
