"""Times of a user's file in ms: which unit they are in, by what is said of them and by how far apart they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from ffrepro.base.errors import FfreproError

UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}  # ms each
STAMPS = "ISO stamps"
# Steps between two points that occur in recordings of people, in ms: 2000 Hz to 2.5 Hz. In ``guess`` they overlap for
# no two units but the ends of s (0.4) and us (500 to 400,000): what is left over is asked for.
_FEWEST_MS, _MOST_MS = 0.5, 400.0
_SLOWEST_S = 0.1  # a step of seconds that is longer may as well be a short one of ms
# Steps so near to these that they could be: a unit that fits no better is warned of. 1 s is beyond them, or a mouse of
# 1000 Hz, 1 ms, would be.
_NEARLY_FEWEST_MS, _NEARLY_MOST_MS = 0.2, 900.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(field: str) -> float | None:
    """ms since 1970 of an ISO 8601 date and time; None for anything else. Without a zone it is taken as UTC."""
    if len(field) < len("2024-03-01T12:00") or field[4:5] != "-":
        return None
    try:
        when = datetime.fromisoformat(field)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - _EPOCH) / timedelta(milliseconds=1)


def guess(step: float) -> str | None:
    """The only unit in which ``step`` is a step between two points of a person's movement; None: there is none."""
    fits = {
        "s": _FEWEST_MS / 1e3 <= step <= _SLOWEST_S,
        "ms": _FEWEST_MS <= step <= _MOST_MS,
        "us": _MOST_MS < step <= _MOST_MS * 1e3,
        "ns": _FEWEST_MS * 1e6 <= step <= _MOST_MS * 1e6,
    }
    found = [unit for unit, does in fits.items() if does]
    return found[0] if len(found) == 1 else None


def others(step: float, unit: str) -> list[str]:
    """The units other than ``unit`` in which ``step`` could nearly be a step of a person's movement."""
    return [other for other, ms in UNITS.items() if other != unit and _NEARLY_FEWEST_MS <= step * ms <= _NEARLY_MOST_MS]


def unit_of(steps: np.ndarray, named: str | None, asked: str | None, where: object) -> tuple[str, list[str]]:
    """The unit of the times, and warnings.

    Args:
        steps: (M,), differences of successive times of one movement, in the file's unit.
        named: the unit that the column's name says; asked: the one that the user says.

    Raises:
        FfreproError: the two differ, the steps belie the name, or nothing tells the unit.
    """
    if named and asked and named != asked:
        raise FfreproError(
            f"the column of times is named in {named}, the option says {asked}",
            where=where,
            fix=f"leave the option out, or name the column t_{asked} if its times are in {asked}",
        )
    growing = steps[steps > 0]
    if not len(growing):
        return asked or named or "ms", []
    step = float(np.median(growing))
    likely = guess(step)
    notes = []
    if bool(np.all(steps == 1)) and len(steps) > 1 and not (named or asked):
        notes.append("t counts up by 1: times in ms at 1000 Hz; if it numbers rows or frames, it is no time")
    said = asked or named
    if said is None:
        if likely is None:
            raise FfreproError(
                f"in which unit is t? Its steps are {step:.6g}",
                where=where,
                fix="say --unit s, ms, us or ns, or name the column t_s, t_ms, t_us or t_ns",
            )
        for other in others(step, likely):
            readings = [f"{steps.sum() * UNITS[one] / 1e3:.4g} s at {_hertz(step, one)}" for one in (likely, other)]
            notes.append(
                f"t read in {likely} is {readings[0]}, in {other} it would be {readings[1]}: "
                f"say --unit {likely} or --unit {other}"
            )
        return likely, notes
    if likely not in (None, said):
        what = f"{step:.6g} {said} from point to point is {_hertz(step, said)}"
        if asked is None:
            fix = f"name the column t_{likely} if its times are in {likely}; --unit {said} if they are as named"
            raise FfreproError(f"the column of times is named in {said}, but {what}", where=where, fix=fix)
        notes.append(f"{what}: are the times in {likely}?")
    return said, notes


def _hertz(step: float, unit: str) -> str:
    return f"{1e3 / (step * UNITS[unit]):,.6g} Hz"
