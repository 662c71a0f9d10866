"""Arithmetic and comparisons over a paper's printed figures: ``all(table3[:, 'BPTT'] < table3[:, 'FF'])``.

An expression may use numbers, the names of values, cells of tables (``table3['MCYT', 'BPTT']``; ``:`` for all rows or
columns, a list for some), lists, + - * /, the comparisons < <= > >= == and ``FUNCTIONS``; nothing else is evaluated.
Columns go with columns row by row. Every number is an interval: a comparison is true or false where the printed digits
decide it, and open (None) where they do not. ``==`` asks whether rounding lets both be the same number.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.core.audit import counts, intervals
from ffrepro.core.audit.figures import Figures, NotPrinted
from ffrepro.core.audit.intervals import Interval, Printed

LONGEST = 1000
_ARITHMETIC = {ast.Add: Interval.__add__, ast.Sub: Interval.__sub__, ast.Mult: Interval.__mul__,
               ast.Div: Interval.__truediv__}  # fmt: skip
_COMPARISONS = {
    ast.Lt: ("<", lambda a, b: intervals.less(a, b, or_equal=False)),
    ast.LtE: ("<=", lambda a, b: intervals.less(a, b, or_equal=True)),
    ast.Gt: (">", lambda a, b: intervals.less(b, a, or_equal=False)),
    ast.GtE: (">=", lambda a, b: intervals.less(b, a, or_equal=True)),
    ast.Eq: ("==", intervals.overlap),
}
FUNCTIONS = ("abs", "all", "any", "count", "max", "mean", "min", "parameters", "size", "spread", "sqrt", "std", "sum")


class Case(NamedTuple):
    """One comparison that was made: of what, both sides, and whether it holds (None: the digits leave it open).

    ``printed`` has both sides as the printed digits alone give them.
    """

    label: str
    left: Interval
    sign: str
    right: Interval
    holds: bool | None
    printed: tuple[Interval, Interval]


class Numbers(NamedTuple):
    """Labelled numbers: a scalar has one."""

    items: dict[str, Interval]
    scalar: bool


class Result(NamedTuple):
    """An expression's numbers, or its truth, with every comparison that was made on the way."""

    value: Numbers | bool | None
    cases: list[Case]


def truth(expression: str, figures: Figures) -> tuple[bool | None, list[Case]]:
    """Whether a statement holds (None: the printed digits leave it open), and its comparisons.

    Raises:
        FfreproError: no statement, or something that cannot be evaluated.
        NotPrinted: a cell that the paper does not print.
    """
    value, cases = evaluate(expression, figures)
    if isinstance(value, Numbers | list):
        raise _refused(expression, "a number is no statement", "compare something; put all(...) around several")
    return value, cases


def numbers(expression: str, figures: Figures) -> dict[str, Interval]:
    """The labelled numbers of an expression.

    Raises:
        FfreproError, NotPrinted: see ``truth``.
    """
    value, _ = evaluate(expression, figures)
    if not isinstance(value, Numbers):
        raise _refused(expression, "a comparison is no number", "write what is to be calculated")
    return value.items


def scalar(expression: str, figures: Figures) -> Interval:
    """The one number of an expression.

    Raises:
        FfreproError, NotPrinted: see ``truth``.
    """
    items = numbers(expression, figures)
    if len(items) != 1:
        raise _refused(expression, f"{len(items)} numbers where one is needed", "choose one, or take max, min or sum")
    return next(iter(items.values()))


def evaluate(expression: str, figures: Figures) -> Result:
    """The value of an expression.

    Raises:
        FfreproError, NotPrinted: see ``truth``.
    """
    tree = parse(expression)
    work, plain = _Evaluation(expression, figures), _Evaluation(expression, figures.as_printed())
    try:
        value = work.value(tree)
        plain.value(tree)
        sides = [(case.left, case.right) for case in plain.cases]
        return Result(value, [case._replace(printed=pair) for case, pair in zip(work.cases, sides, strict=True)])
    except NotPrinted:
        raise
    except (ValueError, ArithmeticError) as error:
        raise _refused(expression, str(error), "see docs/AUDIT.md") from None
    except RecursionError:
        raise _refused(expression[:60], "nested too deeply", "split the check") from None


def parse(expression: str) -> ast.expr:
    """The expression's syntax tree.

    Raises:
        FfreproError: a syntax error, or longer than ``LONGEST``.
    """
    if len(expression) > LONGEST:
        raise _refused(expression[:60] + "...", f"longer than {LONGEST} characters", "split the check")
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(expression, f"not an expression: {error}", "see docs/AUDIT.md") from None


def names(expression: str) -> set[str]:
    """The names of tables, values and architectures in an expression."""
    found = set()
    for node in ast.walk(parse(expression)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            found.add(str(node.args[0].value))
    return found - set(FUNCTIONS)


class _Evaluation:
    """One walk through a syntax tree; ``cases`` gathers the comparisons."""

    def __init__(self, expression: str, figures: Figures):
        self.expression, self.figures = expression, figures
        self.cases: list[Case] = []

    def value(self, node: ast.expr) -> Any:
        """Numbers, a truth, or a list of truths."""
        match node:
            case ast.Constant(value=int() | float() as plain) if not isinstance(plain, bool):
                return Numbers({"": intervals.number(plain)}, True)
            case ast.Name(id=name):
                return self._named(name)
            case ast.Subscript():
                return Numbers(*self._cells(node, lambda printed, label: printed.value))
            case ast.List(elts=elements):
                return self._list(elements)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._map(Interval.__neg__, self._numbers(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                pairs, single = self._paired(self._numbers(left), self._numbers(right))
                return Numbers({label: _ARITHMETIC[type(op)](a, b) for label, a, b in pairs}, single)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return self._compare(self._numbers(left), *_COMPARISONS[type(op)], self._numbers(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return self._call(name, arguments)
            case ast.Call(func=ast.Name(id=name)):
                raise unknown("function", name, FUNCTIONS, where=self.expression)
        raise self._error(f"{ast.unparse(node)!r} is not allowed", "see docs/AUDIT.md for what is")

    def _named(self, name: str) -> Numbers:
        if name in self.figures.values:
            return Numbers({name: self.figures.values[name].value}, True)
        if name in self.figures.tables:
            raise self._error(f"{name} is a table", f"name cells: {name}['row', 'column'], {name}[:, 'column']")
        known = [*self.figures.values, *self.figures.tables]
        raise unknown("value or table", name, known, where=self.expression)

    def _cells(self, node: ast.expr, of: Any) -> tuple[dict[str, Interval], bool]:
        """What ``of`` makes of each chosen cell, and whether one cell is named alone."""
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=[row, column])):
                pass
            case _:
                raise self._error(f"{ast.unparse(node)!r} names no cell", "write table['row', 'column']")
        if name not in self.figures.tables:
            raise unknown("table", name, self.figures.tables, where=self.expression)
        table = self.figures.tables[name]
        rows, columns = self._choice("row", row, table.rows), self._choice("column", column, table.columns)
        one_row, one_column = isinstance(row, ast.Constant), isinstance(column, ast.Constant)
        found: dict[str, Interval] = {}
        for r in rows:
            for c in columns:
                label = c if one_row and not one_column else r if one_column and not one_row else f"{r}, {c}"
                printed = table.rows[r][list(table.columns).index(c)]
                if printed is None:
                    raise NotPrinted(f"{name} prints no number for {r}, {c}")
                found[label] = of(printed, f"{name}: {r}, {c}")
        return found, one_row and one_column

    def _choice(self, kind: str, node: ast.expr, available: Any) -> list[str]:
        match node:
            case ast.Slice(lower=None, upper=None, step=None):
                return list(available)
            case ast.Constant(value=str(name)):
                wanted = [name]
            case ast.List(elts=elements) if all(isinstance(e, ast.Constant) for e in elements) and elements:
                wanted = [str(element.value) for element in elements]
            case _:
                raise self._error(f"{ast.unparse(node)!r} names no {kind}", f"write a {kind}'s name in quotes, or :")
        for name in wanted:
            if name not in available:
                raise unknown(kind, name, available, where=self.expression)
        return wanted

    def _list(self, elements: list[ast.expr]) -> Any:
        values = [(element, self.value(element)) for element in elements]
        if all(isinstance(value, Numbers) for _, value in values):
            items: dict[str, Interval] = {}
            for element, value in values:
                for label, interval in value.items.items():
                    free = label if label and label not in items else f"{ast.unparse(element)} {label}".strip()
                    items[free if free not in items else f"{free} ({len(items)})"] = interval
            return Numbers(items, False)
        if any(isinstance(value, Numbers) for _, value in values):
            raise self._error("a list of numbers and comparisons", "make it one or the other")
        return [one for _, value in values for one in (value if isinstance(value, list) else [value])]

    def _numbers(self, node: ast.expr) -> Numbers:
        value = self.value(node)
        if not isinstance(value, Numbers):
            raise self._error(f"{ast.unparse(node)!r} is a comparison, no number", "write a number there")
        return value

    def _paired(self, a: Numbers, b: Numbers) -> tuple[list[tuple[str, Interval, Interval]], bool]:
        """Both sides' numbers that go together, by label; a scalar goes with each."""
        if a.scalar and b.scalar:
            (left, x), (right, y) = *a.items.items(), *b.items.items()
            return [(left or right, x, y)], True
        if a.scalar or b.scalar:
            one = next(iter((a if a.scalar else b).items.values()))
            many = (b if a.scalar else a).items.items()
            return [(label, one, x) if a.scalar else (label, x, one) for label, x in many], False
        if set(a.items) != set(b.items):
            only = sorted(set(a.items) ^ set(b.items))
            raise self._error(f"the two sides have different rows: {', '.join(only[:4])}", "choose the same rows")
        return [(label, x, b.items[label]) for label, x in a.items.items()], False

    def _compare(self, a: Numbers, sign: str, decide: Any, b: Numbers) -> Any:
        pairs, single = self._paired(a, b)
        made = [Case(label, left, sign, right, decide(left, right), (left, right)) for label, left, right in pairs]
        self.cases += made
        return made[0].holds if single else [case.holds for case in made]

    def _call(self, name: str, arguments: list[ast.expr]) -> Any:
        if name in ("parameters", "size"):
            return self._net(name, arguments)
        if len(arguments) != 1:
            raise self._error(f"{name} takes one argument", f"{name}(...); several numbers in a list")
        if name == "spread":
            return Numbers(*self._cells(arguments[0], _spread))
        if name in ("all", "any", "count"):
            return self._quantified(name, arguments[0])
        given = self._numbers(arguments[0])
        if name in ("abs", "sqrt"):
            return self._map(abs if name == "abs" else intervals.root, given)
        return Numbers({"": _REDUCTIONS[name](list(given.items.values()))}, True)

    def _quantified(self, name: str, argument: ast.expr) -> Any:
        found = self.value(argument)
        if isinstance(found, Numbers):
            raise self._error(f"{name} takes comparisons", f"{name}(table[:, 'a'] < table[:, 'b'])")
        truths = found if isinstance(found, list) else [found]
        if name == "count":
            sure, possible = sum(t is True for t in truths), sum(t is not False for t in truths)
            return Numbers({"": Interval(intervals.number(sure).low, intervals.number(possible).low)}, True)
        decisive = name == "any"  # one of these decides, whatever the others are
        if decisive in truths:
            return decisive
        return None if None in truths else not decisive

    def _net(self, name: str, arguments: list[ast.expr]) -> Numbers:
        """``parameters('net')``, ``parameters('net', 'layer')``, ``size('net', 'layer')``."""
        texts = [a.value for a in arguments if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if len(texts) != len(arguments) or len(texts) not in ((2,) if name == "size" else (1, 2)):
            raise self._error(f"{name} takes names in quotes", "parameters('net'), size('net', 'layer')")
        if texts[0] not in self.figures.nets:
            raise unknown("architecture", texts[0], self.figures.nets, where=self.expression)
        layers = {layer.name: layer for layer in self.figures.nets[texts[0]]}
        if len(texts) == 1:
            found = counts.parameters(list(layers.values()))
        elif texts[1] not in layers:
            raise unknown(f"layer of {texts[0]}", texts[1], layers, where=self.expression)
        else:
            found = layers[texts[1]].parameters if name == "parameters" else counts.size(layers[texts[1]])
        return Numbers({texts[0]: intervals.number(found)}, True)

    def _map(self, function: Any, values: Numbers) -> Numbers:
        return Numbers({label: function(x) for label, x in values.items.items()}, values.scalar)

    def _error(self, what: str, fix: str) -> FfreproError:
        return _refused(self.expression, what, fix)


def _spread(printed: Printed, label: str) -> Interval:
    if printed.spread is None:
        raise NotPrinted(f"no spread is printed for {label}")
    return printed.spread


_REDUCTIONS = {
    "min": lambda found: Interval(min(x.low for x in found), min(x.high for x in found)),
    "max": lambda found: Interval(max(x.low for x in found), max(x.high for x in found)),
    "sum": lambda found: sum(found[1:], found[0]),
    "mean": intervals.mean,
    "std": intervals.deviation,
}


def _refused(expression: str, what: str, fix: str) -> FfreproError:
    return FfreproError(what, where=expression, fix=fix)
