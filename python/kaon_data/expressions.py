"""Expressions over columns of jets and constituents, such as `sqrt(px**2 + py**2)` or `sum(pt) > 500`.

An expression has the syntax of Python, restricted to numbers, names, arithmetic, comparisons, `and`/`or`/`not` (or `&`,
`|`, `~`) and the functions below. It is parsed, not executed as Python: nothing else can be called or reached.
"""

import ast
import difflib
from dataclasses import dataclass

import numpy as np

from .errors import DataError
from .tables import Ragged, offsets_of

_ELEMENTWISE = {
    name: getattr(np, name) for name in (
        "sqrt", "exp", "log", "log10", "log1p", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin",
        "arccos", "arctan", "arcsinh", "arccosh", "arctanh", "sign", "floor", "ceil", "isfinite", "arctan2", "hypot",
        "where", "clip", "minimum", "maximum",
    )
} | {"abs": np.abs, "round": np.round}
_ARGUMENTS = {"arctan2": 2, "hypot": 2, "minimum": 2, "maximum": 2, "where": 3, "clip": 3}
_CONDITIONS = {
    ast.Not: np.logical_not, ast.Invert: np.logical_not, ast.And: np.logical_and, ast.Or: np.logical_or,
    ast.BitAnd: np.logical_and, ast.BitOr: np.logical_or,
    ast.Eq: np.equal, ast.NotEq: np.not_equal, ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_OPERATORS = _CONDITIONS | {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide, ast.Pow: np.power,
    ast.Mod: np.mod, ast.FloorDiv: np.floor_divide, ast.USub: np.negative, ast.UAdd: np.positive,
}
#: Functions of the constituents of a jet, with the value for a jet without constituents.
_REDUCTIONS = {
    "sum": (np.add, 0), "min": (np.minimum, np.nan), "max": (np.maximum, np.nan), "any": (np.logical_or, False),
    "all": (np.logical_and, True), "count": (None, 0), "mean": (None, np.nan), "first": (None, np.nan),
}
_OWN = {"wrap_phi": 1, "startswith": 2}
FUNCTIONS = sorted([*_ELEMENTWISE, *_REDUCTIONS, *_OWN])
CONSTANTS = {"pi": np.pi}
SOURCE = "file"
"""The name of the source file without folder and last ending, as a string."""
_MOST_NODES = 500


class Expression:
    """An expression of a section, such as `features.pt`."""

    def __init__(self, text, place):
        self.text, self.place = str(text), place
        try:
            self._body = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise self.error(f"is not an expression ({reason}): correct it") from None
        nodes = list(ast.walk(self._body))
        if len(nodes) > _MOST_NODES:
            raise self.error("is too long: divide it with entries of 'define'")
        self.names = []
        called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        for node in nodes:
            self._check(node)
            if isinstance(node, ast.Name) and id(node) not in called and node.id not in {*CONSTANTS, SOURCE}:
                self.names.append(node.id)

    def error(self, problem):
        return DataError(f"{self.place}: '{self.text}' {problem}")

    def _check(self, node):
        if isinstance(node, ast.Call):
            if not isinstance(node.func, ast.Name) or node.keywords:
                raise self.error("calls something other than a function: use " + ", ".join(FUNCTIONS))
            name = node.func.id
            if name not in FUNCTIONS:
                near = difflib.get_close_matches(name, FUNCTIONS, 1)
                advice = f"did you mean {near[0]}?" if near else "the functions are " + ", ".join(FUNCTIONS)
                raise self.error(f"has the unknown function {name}: {advice}")
            wanted = {**_ARGUMENTS, **_OWN}.get(name, 1)
            if len(node.args) != wanted:
                raise self.error(f"gives {name} {len(node.args)} arguments, not {wanted}")
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, complex) or not isinstance(node.value, (int, float, str)):
                raise self.error(f"has the constant {node.value!r}: use numbers")
            if isinstance(node.value, int) and abs(node.value) > 2**63:
                raise self.error(f"has the number {node.value}, which does not fit into 64 bits")
        elif isinstance(node, ast.Compare):
            if any(type(operator) not in _OPERATORS for operator in node.ops):
                raise self.error("has a comparison other than ==, !=, <, <=, >, >=: use those")
        elif isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp)):
            if type(node.op) not in _OPERATORS:
                raise self.error(f"has the unknown operator {type(node.op).__name__}: use arithmetic or comparisons")
        elif not isinstance(node, (
                ast.Name, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)):
            raise self.error(
                f"has a {type(node).__name__.lower()}: only numbers, names, operators and functions are allowed")

    def __call__(self, columns):
        """The value over `columns` (a `Columns`)."""
        with np.errstate(all="ignore"):
            return self._value(self._body, columns)

    def _value(self, node, columns):
        if isinstance(node, ast.Constant):
            return Value(node.value)
        if isinstance(node, ast.Name):
            if node.id in CONSTANTS:
                return Value(CONSTANTS[node.id])
            return Value(columns.source) if node.id == SOURCE else columns[node.id]
        if isinstance(node, ast.UnaryOp):
            return self._apply(node.op, [self._value(node.operand, columns)], columns)
        if isinstance(node, ast.BinOp):
            return self._apply(node.op, [self._value(node.left, columns), self._value(node.right, columns)], columns)
        if isinstance(node, ast.BoolOp):
            return self._chain([(node.op, self._value(each, columns)) for each in node.values], columns)
        if isinstance(node, ast.Compare):
            values = [self._value(each, columns) for each in (node.left, *node.comparators)]
            results = [
                self._apply(operator, [left, right], columns)
                for operator, left, right in zip(node.ops, values, values[1:])
            ]
            return self._chain([(ast.And(), each) for each in results], columns)
        return self._call(node.func.id, [self._value(each, columns) for each in node.args], columns)

    def _chain(self, parts, columns):
        result = parts[0][1]
        for operator, value in parts[1:]:
            result = self._apply(operator, [result, value], columns)
        return result

    def _apply(self, operator, values, columns):
        if any(isinstance(value.array, str) for value in values):
            if not isinstance(operator, (ast.Eq, ast.NotEq)) or not all(isinstance(v.array, str) for v in values):
                raise self.error("uses a text as a number: texts can only be compared with texts, by == or !=")
            equal = values[0].array == values[1].array
            return Value(equal == isinstance(operator, ast.Eq))
        return self._elementwise(_OPERATORS[type(operator)], values, columns)

    def _elementwise(self, function, values, columns):
        is_ragged = any(value.is_ragged for value in values)
        arrays = [
            np.asarray(value.array)[columns.owner]
            if is_ragged and not value.is_ragged and np.ndim(value.array) else value.array
            for value in values
        ]
        # Short types would overflow, and integers have no infinity. Comparisons of integers are exact.
        if function not in _CONDITIONS.values():
            arrays = [np.asarray(array, np.float64) for array in arrays]
        return Value(function(*arrays), is_ragged)

    def _call(self, name, values, columns):
        texts = [isinstance(value.array, str) for value in values]
        if name == "startswith":
            if not all(texts):
                raise self.error("gives startswith something other than texts, such as startswith(file, \"g\")")
            return Value(values[0].array.startswith(values[1].array))
        if any(texts):
            raise self.error(f"gives {name} a text: use numbers")
        if name == "wrap_phi":
            return self._elementwise(lambda phi: np.pi - np.mod(np.pi - phi, 2 * np.pi), values, columns)
        if name not in _REDUCTIONS:
            return self._elementwise(_ELEMENTWISE[name], values, columns)
        if not values[0].is_ragged:
            raise self.error(
                f"gives {name} a quantity of jets: it takes one of constituents (maximum and minimum take two numbers)")
        return Value(_reduce(name, values[0].array, columns))


@dataclass
class Value:
    """A number or text, or numbers for all jets, or (`is_ragged`) for all constituents."""

    array: object
    is_ragged: bool = False


def _reduce(name, array, columns):
    counts = columns.counts
    if name == "count":
        return counts
    if name == "mean":
        return _reduce("sum", array, columns) / counts
    function, empty = _REDUCTIONS[name]
    filled = np.flatnonzero(counts)
    starts = columns.offsets[:-1][filled]
    if name in ("sum", "min", "max", "first"):
        array = np.asarray(array, np.float64)
    result = np.full(len(counts), empty, bool if name in ("any", "all") else np.float64)
    if len(filled):
        result[filled] = array[starts] if name == "first" else function.reduceat(array, starts)
    return result


class Columns:
    """The values by name for some jets and their constituents: those of the branches, and defined ones."""

    def __init__(self, jets, source, offsets=None):
        self.jets, self.source = jets, source
        self.offsets = offsets
        self._values = {}

    @property
    def counts(self):
        return np.diff(self.offsets)

    @property
    def owner(self):
        """The jet of each constituent."""
        return np.repeat(np.arange(self.jets), self.counts)

    def __getitem__(self, name):
        return self._values[name]

    def __setitem__(self, name, value):
        self._values[name] = value

    def keep(self, mask):
        """Keeps the constituents where `mask` is true."""
        counts = np.bincount(self.owner[mask], minlength=self.jets)
        self.offsets = offsets_of(counts)
        for name, value in self._values.items():
            if value.is_ragged:
                self._values[name] = Value(np.asarray(value.array)[mask], True)

    def of_jets(self, expression):
        """The value of an expression for each jet. Raises `DataError` if it has one for each constituent."""
        value = expression(self)
        if value.is_ragged:
            raise expression.error(
                "has a value for each constituent, where one for each jet is needed: use sum, max, first or the like")
        return np.broadcast_to(self._numbers(value, expression), self.jets)

    def of_constituents(self, expression):
        """The value of an expression for each constituent; that of a jet is the same for all of its constituents."""
        value = expression(self)
        array = self._numbers(value, expression)
        if not value.is_ragged:
            array = array[self.owner] if array.ndim else np.broadcast_to(array, self.offsets[-1])
        return array

    @staticmethod
    def _numbers(value, expression):
        if isinstance(value.array, str):
            raise expression.error("is a text: use numbers")
        return np.asarray(value.array)


def columns_of(branches, jets, source, path, first):
    """`Columns` of branches: numpy arrays [jets] or [jets, slots], or `Ragged` with one column.

    Raises `DataError` if the numbers of constituents differ.
    """
    columns, reference = Columns(jets, source), None
    for name, branch in branches.items():
        if isinstance(branch, Ragged):
            offsets, array = branch.offsets, next(iter(branch.columns.values()))
        elif branch.ndim == 2:
            offsets, array = np.arange(jets + 1) * branch.shape[1], branch.reshape(-1)
        else:
            columns[name] = Value(branch)
            continue
        if reference is None:
            reference, columns.offsets = name, offsets
        elif (differ := np.flatnonzero(np.diff(offsets) != columns.counts)).size:
            entry = differ[0]
            raise DataError(
                f"{path}: entry {first + entry} has {np.diff(offsets)[entry]} values of {name} but "
                f"{columns.counts[entry]} of {reference}: they are not numbers of the same constituents"
            )
        columns[name] = Value(array, True)
    return columns
