"""Which columns of a user's file are x, y, t, and which say that the pen is up."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ffrepro.base.errors import FfreproError

# A name is split into words; these say nothing of which column it is.
_BENIGN = {
    "pos", "position", "coord", "coordinate", "raw", "screen", "page", "client", "offset", "mouse", "cursor", "touch",
    "pen", "point", "px", "pixel", "pixels", "mm", "cm", "m", "abs", "orig", "corrected", "smooth",
    "smoothed", "filt", "filtered", "norm", "normalised", "normalized", "left", "right", "start", "end",
}  # fmt: skip
_TIME = {"t", "time", "times", "timestamp", "timestamps", "elapsed", "stamp"}
_UNITS = {
    "s": {"s", "sec", "secs", "second", "seconds"},
    "ms": {"ms", "msec", "msecs", "millis", "millisecond", "milliseconds"},
    "us": {"us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"},
    "ns": {"ns", "nsec", "nanos", "nanosecond", "nanoseconds"},
}
_DOWN = [
    {"pen"}, {"pen", "down"}, {"down"}, {"pendown"}, {"is", "writing"}, {"writing"}, {"button", "status"},
    {"pen", "status"}, {"pen", "state"}, {"tip"}, {"tip", "switch"}, {"touch"}, {"touching"}, {"contact"},
]  # fmt: skip
_UP = [{"pen", "up"}, {"up"}, {"penup"}]
_PRESSURE = [{"p"}, {"pressure"}, {"force"}, {"pen", "pressure"}, {"tip", "pressure"}]
_STROKE = [{"stroke"}, {"stroke", "id"}, {"strokeid"}, {"trace"}, {"trace", "id"}]
_EXTRA = {"pen": _DOWN, "pen up": _UP, "pressure": _PRESSURE, "stroke": _STROKE}
SVC = {4: {"x": 0, "y": 1, "t": 2, "pen": 3}, 7: {"x": 0, "y": 1, "t": 2, "pen": 3, "pressure": 6}}  # fields -> columns

_BACK = 0.02  # of the way forward: a clock jitters by less
_NEAR, _MOST = 0.2, 0.9  # a clock's steps: so many are so near to their median
_FAR, _FEW = 0.5, 0.8  # a movement's: fewer are even so near
_MIN_STEPS = 5


class Columns(NamedTuple):
    """Attributes: ``at``: role (x, y, t, pen, pen up, pressure, stroke) -> column from 0; ``unit``: of t, as named."""

    at: dict[str, int]
    unit: str | None = None

    def describe(self) -> str:
        """The columns, from 1, and what they were read as."""
        roles = sorted(self.at, key=self.at.__getitem__)
        numbers = [self.at[role] + 1 for role in roles]
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            which = f"{numbers[0]}-{numbers[-1]}"
        else:
            which = ", ".join(map(str, numbers))
        return f"columns {which} as {', '.join(roles)}"


def of_header(names: list[str], where: object, fix: str) -> Columns:
    """Columns by their names: x, y, t (or time) as such, then in any case, then names such as pos_x, clientX, t_ms.

    Raises:
        FfreproError: a column is missing, or several could be it.
    """
    at = {}
    for role in "xyt":
        found = _find(names, role)
        if len(found) > 1:
            several = " and ".join(f"{names[column]!r} (column {column + 1})" for column in found)
            raise FfreproError(f"{several} could be {role}", where=where, fix=f"name the one column to read {role}")
        if found:
            at[role] = found[0]
    missing = [role for role in "xyt" if role not in at]
    if missing:
        what = f"no column {', '.join(missing)} among {', '.join(map(repr, names[:8]))}"
        raise FfreproError(what, where=where, fix=f"name the columns x, y, t (or time), or begin with a point: {fix}")
    for role, forms in _EXTRA.items():
        for column, name in enumerate(names):
            if _words(name) in forms and column not in at.values():
                at.setdefault(role, column)
    return Columns(at, _unit(names[at["t"]]))


def _find(names: list[str], role: str) -> list[int]:
    """The columns that could be ``role``: of the first sort of name that occurs."""
    lower = [name.lower() for name in names]
    sorts = [
        [name == role for name in names],
        [name == role for name in lower],
        [role == "t" and name == "time" for name in lower],
        [_could_be(_words(name), role) for name in names],
    ]
    for fits in sorts:
        if any(fits):
            return [column for column, does in enumerate(fits) if does]
    return []


def _words(name: str) -> set[str]:
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.findall(r"[^\W\d_]+", split.lower()))


def _could_be(words: set[str], role: str) -> bool:
    words = {"orig" if word.startswith("orig") else word for word in words}
    units = set().union(*_UNITS.values())
    if role == "t":
        return bool(words & (_TIME | units)) and words <= _TIME | units | _BENIGN and words != {"s"}
    return role in words and words <= {role} | _BENIGN


def _unit(name: str) -> str | None:
    words = _words(name)
    return next((unit for unit, forms in _UNITS.items() if words & forms), None)


def of_points(values: np.ndarray, where: object) -> Columns:
    """Columns of three without names, (n, 3): x, y, t, or t, x, y where only that can be.

    A clock grows, and in steps that differ little, while a movement starts and stops: where both columns grow, the
    steps decide. Fewer than two points are x, y, t.

    Raises:
        FfreproError: both could be, neither can, or the column of times counts the points.
    """
    x_y_t, t_x_y = Columns({"x": 0, "y": 1, "t": 2}), Columns({"t": 0, "x": 1, "y": 2})
    fix = "name the columns in a first line: x,y,t or t,x,y"
    if len(values) < 2:
        return x_y_t
    first, last = _steps(values[:, 0]), _steps(values[:, 2])
    if _grows(last) and not _grows(first):
        found = x_y_t
    elif _grows(first) and not _grows(last) and _even(first):
        found = t_x_y
    elif _grows(first) and _grows(last) and _near(last, _FAR) >= _MOST and _uneven(first):
        found = x_y_t
    elif _grows(first) and _grows(last) and _even(first) and _uneven(last):
        found = t_x_y
    elif _grows(first):
        raise FfreproError("no header, and column 1 could be x or t", where=where, fix=fix)
    else:
        raise FfreproError("no header, and neither column 1 nor column 3 grows as a clock does", where=where, fix=fix)
    column = found.at["t"]
    if len(values) > 2 and np.all(np.diff(values[:, column]) == 1):
        what = f"no header, and column {column + 1} counts {', '.join(f'{v:g}' for v in values[:3, column])}, ..."
        fix = "name the columns in a first line, x,y,t_ms if these are times and not the points' numbers"
        raise FfreproError(what, where=where, fix=fix)
    return found


def _steps(column: np.ndarray) -> np.ndarray:
    return np.diff(column[np.isfinite(column)])


def _grows(steps: np.ndarray) -> bool:
    forward = steps[steps > 0].sum()
    return bool(forward > 0 and -steps[steps < 0].sum() <= _BACK * forward)


def _near(steps: np.ndarray, share: float) -> float:
    """The share of the steps forward that are as near as ``share`` to their median."""
    forward = steps[steps > 0]
    middle = np.median(forward)
    return float(np.mean(np.abs(forward - middle) <= share * middle))


def _even(steps: np.ndarray) -> bool:
    return np.count_nonzero(steps > 0) >= _MIN_STEPS and _near(steps, _NEAR) >= _MOST


def _uneven(steps: np.ndarray) -> bool:
    return np.count_nonzero(steps > 0) >= _MIN_STEPS and _near(steps, _FAR) < _FEW
