"""A movement of the user's own: a text file of x, y, t."""

from __future__ import annotations

import csv
import math
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import user_clock, user_columns, user_pen, user_points, user_text
from ffrepro.data.user_columns import Columns
from ffrepro.data.user_points import Points

_SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", None: "spaces"}  # in the order they are looked for
_WORDS = {
    "up": 0.0, "false": 0.0, "no": 0.0, "off": 0.0, "down": 1.0, "true": 1.0, "yes": 1.0, "on": 1.0,
}  # fmt: skip
_LIFTED = {"up", "penup", "pen_up", "pen up", "lift", "lifted", "mouseup", "touchend", "pointerup", "hover", "air"}
Lines = Iterator[tuple[int, str]]


def read(path: Path, unit: str | None = None) -> Points:
    """The points of a text file with a point a line, as ``parse`` reads them."""
    return parse(user_text.read(path), path, unit)


def parse(text: str, path: Path, unit: str | None = None) -> Points:
    """The points of a text with a point a line.

    The first line says what separates the columns of all lines: semicolons where it has one, else commas, tabs or
    spaces. Only beside semicolons may a number have a decimal comma. A first line that does not begin with three
    numbers (or stamps) names the columns (``user_columns.of_header``); without it there are three, whose order the
    numbers must tell (``of_points``), or those of SVC2004 after a line with their count. Fields may stand in quotes,
    those of other columns may be empty. t is in ``unit`` where it is given, else as named or as its steps tell.
    A column passed over whose words say that the pen is up is warned of.
    Whether the numbers are a movement is for ``ffrepro.kinematics.reference`` to say.

    Raises:
        FfreproError: a column is missing or ambiguous, a line that is no point, a unit that nothing tells.
    """
    numbered = enumerate(text.splitlines(), start=1)
    lines = ((number, line) for number, line in numbered if line.strip(" \t,;"))
    begin = next(lines, None)
    if begin is None:
        return user_points.empty()
    separator = next(one for one in _SEPARATORS if one is None or one in begin[1])
    first = _split(begin[1], separator)
    while first and not first[-1]:
        first.pop()
    where = f"{path}, line {begin[0]}"
    named: Columns | None
    if len(first) == 1 and first[0].isdigit():
        named, width, lines = _svc(first[0], lines, where)
    elif len(first) < 3 or any(_value(field, separator) is None for field in first[:3]):
        named = user_columns.of_header(first, f"{where} (separated by {_SEPARATORS[separator]})", _fix(separator))
        width = len(first)
    else:
        named, width, lines = _unnamed(first, where), len(first), chain([begin], lines)
    at = named.at if named else {"x": 0, "y": 1, "t": 2}
    others = [column for column in range(len(first)) if named and column not in at.values()]
    passed = {first[column] or f"column {column + 1}": column for column in others}
    says_up: Counter[str] = Counter()  # columns passed over -> rows with a word for a lifted pen
    stamps = False
    values = array("d")  # a list of a million points would take ten times as much
    for number, line in lines:
        fields = _fields(line, separator, width, f"{path}, line {number}")
        stamps = stamps or (not values and user_clock.stamp(fields[at["t"]]) is not None)
        says_up.update(name for name, column in passed.items() if fields[column].lower() in _LIFTED)
        values.extend(_point(line, fields, separator, at, stamps, f"{path}, line {number}"))
    table = np.array(values).reshape(-1, len(at))
    if stamps and unit:
        fix = "leave the option out"
        raise FfreproError(f"the times are stamps, the option says {unit}", where=path, fix=fix)
    found = named or user_columns.of_points(table, path)
    column = {role: number for number, role in enumerate(at)} if named else found.at
    out = _points(table, column, found, user_clock.STAMPS if stamps else unit, path)
    if len(first) == 1 and int(first[0]) != len(table):
        out.notes.append(f"the first line says {first[0]} points, there are {len(table)}")
    out.notes.extend(
        f"column {name!r} says in {rows} {'row' if rows == 1 else 'rows'} that the pen is up: not used; "
        "to part movements by it, name it pen, with up and down in it"
        for name, rows in says_up.items()
    )
    return out._replace(passed=tuple(passed))


def _svc(count: str, lines: Lines, where: str) -> tuple[Columns, int, Lines]:
    """Columns of SVC2004's text: a line with the number of points, then x, y, t, pen and, in task 2, three more."""
    begin = next(lines, None)
    width = len(begin[1].split()) if begin else 0
    if begin is None or width not in user_columns.SVC:
        what = f"a first line of the one number {count}, then {width} columns"
        fix = "SVC2004 has 4 or 7 columns after the line with their count; name any others: x, y, t, pen, pressure"
        raise FfreproError(what, where=where, fix=fix)
    return Columns(user_columns.SVC[width]), width, chain([begin], lines)


def _unnamed(first: list[str], where: str) -> Columns | None:
    """Columns of a file without a header: None where the numbers have to tell them."""
    if len(first) > 3:
        what = f"{len(first)} columns without a header"
        fix = "name them in a first line: x, y, t, and pen or pressure where there is one; other names are passed over"
        raise FfreproError(what, where=where, fix=fix)
    stamps = [column for column, field in enumerate(first) if user_clock.stamp(field) is not None]
    if not stamps:
        return None
    if len(stamps) > 1 or stamps == [1]:
        raise FfreproError("no header, and stamps in several columns or the second", where=where, fix="name x, y, t")
    return Columns({"t": 0, "x": 1, "y": 2} if stamps == [0] else {"x": 0, "y": 1, "t": 2})


def _points(table: np.ndarray, column: dict[str, int], found: Columns, unit: str | None, path: Path) -> Points:
    """Part the table where the pen is up, bring its times to ms; ``column``: role -> column of the table."""
    x, y, t = (table[:, column[role]] for role in "xyt")
    trace, notes = _trace({role: table[:, number] for role, number in column.items()})
    trace[user_points.nowhere(x, y)] = user_points.UP
    if unit != user_clock.STAMPS:
        steps = np.diff(t)[(trace[1:] == trace[:-1]) & (trace[1:] != user_points.UP)]
        unit, more = user_clock.unit_of(steps, found.unit, unit, path)
        notes += more
        t = t * user_clock.UNITS[unit]
    return Points(x, y, t, trace, found.describe(), unit, notes)


def _trace(column: dict[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """The movement of every row, ``UP`` where pen or pressure says so, and warnings."""
    count = len(column["x"])
    trace = np.zeros(count, np.int32)
    if "stroke" in column and count:
        stroke = column["stroke"]
        trace[1:] = np.cumsum(stroke[1:] != stroke[:-1])
    up, notes = user_pen.up(column)
    trace[up] = user_points.UP
    return trace, notes


def _split(line: str, separator: str | None) -> list[str]:
    if separator is None:
        fields = line.split()
    else:
        try:
            (fields,) = csv.reader([line], delimiter=separator, skipinitialspace=separator != "\t")
        except csv.Error:  # longer than any field may be
            fields = [line]
    return [field.strip().strip("\"'") for field in fields]


def _number(field: str, separator: str | None) -> float | None:
    try:
        return float(field.replace(",", ".") if separator == ";" else field)
    except ValueError:
        return None


def _value(field: str, separator: str | None) -> float | None:
    """A number, or a stamp in ms."""
    value = _number(field, separator)
    return user_clock.stamp(field) if value is None else value


def _fields(line: str, separator: str | None, width: int, where: str) -> list[str]:
    """The fields of a line, as many as the first has."""
    fields = _split(line, separator)
    # Spaces leave no empty field behind: a line with fewer columns may lack any of them.
    if any(fields[width:]) or (separator is None and len(fields) < width):
        what = f"{line.strip()[:60]!r} has {len(fields)} columns, the first line {width}"
        raise FfreproError(what, where=where, fix=_fix(separator))
    return fields + [""] * (width - len(fields))


def _point(
    line: str, fields: list[str], separator: str | None, at: dict[str, int], stamps: bool, where: str
) -> list[float]:
    """The values of a line in the order of ``at``."""
    out = []
    for role, column in at.items():
        field = fields[column]
        value = user_clock.stamp(field) if role == "t" and stamps else _number(field, separator)
        if value is None and role in (*user_pen.ROLES, "stroke"):
            value = math.nan if not field else _WORDS.get(field.lower())
        if value is None:
            kind = "stamp as in the first line" if role == "t" and stamps else "number"
            found = f"{field[:30]!r} is no {kind}" if field else "is empty"
            raise FfreproError(f"{line.strip()[:60]!r}: {role} {found}", where=where, fix=_fix(separator))
        out.append(value)
    return out


def _fix(separator: str | None) -> str:
    decimal = "" if separator == ";" else "; a file with decimal commas needs semicolons"
    return f"a point a line, x, y, t separated by {_SEPARATORS[separator]} as in the first line{decimal}"
