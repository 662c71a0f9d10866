"""Arithmetic over claims: ``c071 < min([c055, c063])``.

An expression may use numbers, claims (``c`` and the number of the claim's id), lists, + - * /, comparisons and
the functions below; nothing else is evaluated. Its values are numbers, truth values and lists of one of these.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ffrepro.base.errors import FfreproError

MAX_LENGTH = 1000  # characters; the longest claim has 160
MAX_DEPTH = 30  # of operations in each other
_LARGEST = 2**53  # whole numbers up to here are exact as float64
_FIX = "see ffrepro.claims.expressions"


def _divide(left: float, right: float) -> float:
    """A measured 1 - AUC may be 0: then infinity, and no number for 0 / 0."""
    if right:
        return left / right
    return math.copysign(math.inf, left) if left else math.nan


# Name -> (function, what its argument is).
FUNCTIONS: dict[str, tuple[Callable, str]] = {
    "min": (min, "numbers"),
    "max": (max, "numbers"),
    "abs": (abs, "a number"),
    "sum": (sum, "numbers"),
    "all": (all, "truth values"),
    "any": (any, "truth values"),
    "count": (sum, "truth values"),
}
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: _divide}
_COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def number(expression: str, values: Mapping[str, float]) -> float:
    """What an expression of numbers comes to.

    Args:
        expression: see the module.
        values: by name, ``{"c025": 0.8344}``.

    Raises:
        FfreproError: a syntax error, something that is not allowed, a name without a value, or no number.
    """
    return _only("a number", evaluate(expression, values), expression)


def truth(expression: str, values: Mapping[str, float]) -> bool:
    """Whether an expression holds; otherwise as ``number``."""
    return _only("a truth value", evaluate(expression, values), expression)


def evaluate(expression: str, values: Mapping[str, float]) -> Any:
    """The expression's number, truth value or list; otherwise as ``number``."""
    try:
        return _value(parse(expression), values, expression, MAX_DEPTH)
    except OverflowError:
        raise FfreproError("a number beyond float64", where=_shown(expression), fix=_FIX) from None


def names(expression: str) -> list[str]:
    """The claims an expression speaks of, in order of appearance.

    Raises:
        FfreproError: a syntax error.
    """
    found = [n for n in ast.walk(parse(expression)) if isinstance(n, ast.Name) and n.id not in FUNCTIONS]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in found))


def refused(what: str, expression: str) -> FfreproError:
    """The error for an expression that cannot be used as one."""
    return FfreproError(f"not an expression: {what}", where=_shown(expression), fix=_FIX)


def parse(expression: str) -> ast.expr:
    """The expression's syntax tree.

    Raises:
        FfreproError: a syntax error.
    """
    if not isinstance(expression, str) or len(expression) > MAX_LENGTH:
        what = f"longer than {MAX_LENGTH} characters" if isinstance(expression, str) else "no text"
        raise refused(what, expression)
    try:
        return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two: too many signs in a row
        what = error.msg if isinstance(error, SyntaxError) else str(error) or "nested too deep"
        raise refused(what, expression) from None


def _value(node: ast.expr, values: Mapping[str, float], expression: str, depth: int) -> Any:
    if depth == 0:
        what = f"more than {MAX_DEPTH} operations in each other"
        raise FfreproError(what, where=_shown(expression), fix="write it as several claims")

    def go(child: ast.expr) -> Any:
        return _value(child, values, expression, depth - 1)

    def of(kind: str, child: ast.expr) -> Any:
        return _only(kind, go(child), expression)

    match node:
        case ast.Constant(value=int() | float() as constant) if not isinstance(constant, bool):
            if (isinstance(constant, int) and constant > _LARGEST) or math.isinf(constant):
                raise OverflowError
            return constant
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id=name):
            raise FfreproError(f"no value for {name}", where=expression, fix="name a claim with a number: c025")
        case ast.List(elts=elements):
            return [go(element) for element in elements]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -of("a number", operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](of("a number", left), of("a number", right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _COMPARISONS[type(op)](of("a number", left), of("a number", right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            function, kind = FUNCTIONS[name]
            return function(of(kind, argument))
    raise FfreproError(
        f"{_shown(ast.get_source_segment(expression, node))!r} is not allowed in an expression",
        where=expression,
        fix=f"use numbers, claims, lists, + - * /, comparisons and {', '.join(FUNCTIONS)}",
    )


def _only(kind: str, value: Any, expression: str) -> Any:
    """The value, if it is of the kind: ``a number``, ``a truth value``, or a list of at least one of these.

    Python would take True for 1, and an order of lists for one of numbers.
    """
    accepted = {
        "a number": _is_number,
        "a truth value": lambda found: isinstance(found, bool),
        "numbers": lambda found: isinstance(found, list) and found and all(map(_is_number, found)),
        "truth values": lambda found: isinstance(found, list) and found and all(isinstance(v, bool) for v in found),
    }[kind]
    if not accepted(value):
        shown = "an empty list" if value == [] else _shown(value)
        raise FfreproError(f"{kind} wanted in an expression, not {shown}", where=_shown(expression), fix=_FIX)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return str(value)[:80]
