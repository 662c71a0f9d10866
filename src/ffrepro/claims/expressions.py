"""Arithmetic over claims: ``c071 < min([c055, c063])``.

An expression may use numbers, claims (``c`` and the number of the claim's id), lists, + - * /, comparisons and
the functions below; nothing else is evaluated.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from typing import Any

from ffrepro.base.errors import FfreproError


def _divide(left: float, right: float) -> float:
    """A measured 1 - AUC may be 0: then infinity, and no number for 0 / 0."""
    if right:
        return left / right
    return math.copysign(math.inf, left) if left else math.nan


FUNCTIONS = {"min": min, "max": max, "abs": abs, "sum": sum, "all": all, "any": any, "count": sum}
_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: _divide}
_COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(expression: str, values: Mapping[str, float]) -> Any:
    """The expression's number or truth value.

    Args:
        expression: see the module.
        values: by name, ``{"c025": 0.8344}``.

    Raises:
        FfreproError: a syntax error, something that is not allowed, or a name without a value.
    """
    return _value(_parse(expression), values, expression)


def names(expression: str) -> list[str]:
    """The claims an expression speaks of, in order of appearance.

    Raises:
        FfreproError: a syntax error.
    """
    found = [n for n in ast.walk(_parse(expression)) if isinstance(n, ast.Name) and n.id not in FUNCTIONS]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(node.id for node in found))


def _parse(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise FfreproError(
            f"not an expression: {error.msg}", where=expression, fix="see ffrepro.claims.expressions"
        ) from None


def _value(node: ast.expr, values: Mapping[str, float], expression: str) -> Any:
    def go(child: ast.expr) -> Any:
        return _value(child, values, expression)

    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id=name):
            raise FfreproError(f"no value for {name}", where=expression, fix="name a claim with a number: c025")
        case ast.List(elts=elements):
            return [go(element) for element in elements]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -go(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _ARITHMETIC[type(op)](go(left), go(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _COMPARISONS[type(op)](go(left), go(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](go(argument))
    raise FfreproError(
        f"{ast.unparse(node)!r} is not allowed in an expression",
        where=expression,
        fix=f"use numbers, claims, lists, + - * /, comparisons and {', '.join(FUNCTIONS)}",
    )
