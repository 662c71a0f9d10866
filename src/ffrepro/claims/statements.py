"""A conclusion taken apart into the comparisons that decide it: ``c065 < min([c049, c057])`` is two, both must hold.

``min``, ``max`` and ``abs`` on a side of a comparison, ``all``, ``any`` and a comparison of ``count`` are taken apart;
elsewhere they stay what they are, functions of numbers.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from ffrepro.claims import expressions

_FLIPPED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
_SIGNS = {ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_LESS, _MORE = (ast.Lt, ast.LtE), (ast.Gt, ast.GtE)


@dataclass(frozen=True)
class Atom:
    """One comparison of two numbers, as text."""

    left: str
    sign: str
    right: str

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"

    @property
    def difference(self) -> str:
        """An expression that is positive where the comparison holds; of an equality, 0."""
        more, less = (self.right, self.left) if self.sign.startswith("<") else (self.left, self.right)
        return f"({more}) - ({less})"

    @property
    def names(self) -> list[str]:
        return expressions.names(self.difference)


@dataclass(frozen=True)
class Whole:
    """Parts of which all must hold, one must, or a number that fulfils ``sign`` and ``number``."""

    kind: str  # all, any, count
    parts: tuple[Atom | Whole, ...]
    sign: str = ""
    number: float = 0


def parse(expression: str) -> Atom | Whole:
    """A conclusion as a tree of comparisons.

    Raises:
        FfreproError: no expression, or no truth value.
    """
    return _node(expressions.parse(expression), expression)


def atoms(node: Atom | Whole) -> list[Atom]:
    """Its comparisons, in order."""
    return [node] if isinstance(node, Atom) else [atom for part in node.parts for atom in atoms(part)]


def is_conjunction(node: Atom | Whole) -> bool:
    """Whether it holds only if every one of its comparisons does."""
    return isinstance(node, Atom) or (node.kind == "all" and all(map(is_conjunction, node.parts)))


def _node(tree: ast.expr, expression: str) -> Atom | Whole:
    match tree:
        case ast.Call(func=ast.Name(id="all" | "any" as kind), args=[ast.List(elts=parts)]):
            return Whole(kind, tuple(_node(part, expression) for part in parts))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _comparison(left, op, right, expression)
    raise expressions.refused("a truth value of comparisons is wanted", expression)


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr, expression: str) -> Atom | Whole:
    if isinstance(left, ast.Call) and left.func.id == "count" and isinstance(right, ast.Constant):
        parts = tuple(_node(part, expression) for part in left.args[0].elts)
        return Whole("count", parts, _SIGNS[type(op)], right.value)
    for one, other, sign in ((left, right, type(op)), (right, left, _FLIPPED.get(type(op)))):
        if sign not in (*_LESS, *_MORE) or not isinstance(one, ast.Call):
            continue
        less, name = sign in _LESS, one.func.id
        if name in ("min", "max") and isinstance(one.args[0], ast.List):
            every = less == (name == "max")  # max < x and min > x: all of them
            parts = tuple(_comparison(part, sign(), other, expression) for part in one.args[0].elts)
            return Whole("all" if every else "any", parts)
        if name == "abs":
            inner, minus = one.args[0], ast.UnaryOp(ast.USub(), one.args[0])
            parts = tuple(_comparison(part, sign(), other, expression) for part in (inner, minus))
            return Whole("all" if less else "any", parts)
    return Atom(ast.unparse(left), _SIGNS[type(op)], ast.unparse(right))
