"""The points of a user's file as movements: parted where the pen is up, and what is odd about them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ffrepro.kinematics import reference

UP = -1  # the trace of a point that is no position of the pen
_NOWHERE = (0.0, -1.0)  # x and y of a row without a position
_AWAY = 5.0  # such a row is as many times farther away than the longest step elsewhere
_JUMP = 8.0  # a jump is as many times faster than the steps around it,
_JUMP_LENGTH = 0.15  # and covers so much of the movement's extent
_AROUND = 3  # steps on either side
_MIN_POINTS = 10
_NAMED = 8  # columns that the line names; a table of features has hundreds
_EXTENTS_A_SECOND = 100.0  # across the whole movement in 10 ms: a flick of the finger takes several times as long

Recording = tuple[np.ndarray, np.ndarray, np.ndarray]


class Points(NamedTuple):
    """All points of a file.

    Attributes:
        x, y: float64 (n,). t: float64 (n,), ms.
        trace: int32 (n,). Neighbours of one number belong to one movement; ``UP``: the pen is up.
        columns, unit: how they were read, in words. notes: what the user should know.
        passed: names of the columns that were passed over.
    """

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    trace: np.ndarray
    columns: str
    unit: str
    notes: list[str]
    passed: tuple[str, ...] = ()


def empty() -> Points:
    """A file without points."""
    return Points(np.empty(0), np.empty(0), np.empty(0), np.empty(0, np.int32), "columns 1-3 as x, y, t", "ms", [])


def nowhere(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """bool (n,): rows of 0, 0 or -1, -1 that stand for no position.

    They are far from the positions before and after them; a movement through the origin is not.
    """
    out = np.zeros(len(x), bool)
    known = [(x == value) & (y == value) for value in _NOWHERE]
    either = np.logical_or.reduce(known)
    rest = np.flatnonzero(~either)
    steps = np.hypot(np.diff(x[rest]), np.diff(y[rest]))[np.diff(rest) == 1]
    longest = steps.max(initial=0.0)
    for here in known:
        edges = np.flatnonzero((here[1:] != here[:-1]) & (either[1:] != either[:-1]))
        away = np.hypot(x[edges + 1] - x[edges], y[edges + 1] - y[edges])
        if longest > 0 and len(away) and away.min() > _AWAY * longest:
            out |= here
    return out


def movements(points: Points) -> list[Recording]:
    """x, y, t of every movement, in order; without a point that is down there is one of no points."""
    cuts = np.flatnonzero(np.diff(points.trace)) + 1
    pieces = np.split(np.arange(len(points.trace)), cuts)
    down = [piece for piece in pieces if len(piece) and points.trace[piece[0]] != UP]
    nothing = np.arange(0)
    return [(points.x[piece], points.y[piece], points.t[piece]) for piece in down or [nothing]]


def describe(points: Points, made: list[Recording]) -> str:
    """One line that says how the file was read."""
    count = sum(len(t) for _, _, t in made)
    seconds = sum(float(t[-1] - t[0]) for _, _, t in made if len(t)) / 1e3
    steps = np.concatenate([np.diff(t) for _, _, t in made])
    steps = steps[steps > 0]
    rate = f", about {float(f'{1e3 / np.median(steps):.3g}'):,.10g} Hz" if len(steps) else ""
    parts = [f"{points.columns}: {count:,} points, {seconds:.2f} s{rate}", f"t in {points.unit}"]
    if points.passed:
        more = f" and {len(points.passed) - _NAMED} more" if len(points.passed) > _NAMED else ""
        parts.append(f"passed over: {', '.join(points.passed[:_NAMED])}{more}")
    up = int((points.trace == UP).sum())
    if up:
        parts.append(f"{up:,} {'row' if up == 1 else 'rows'} with the pen up left out")
    if len(made) > 1:
        parts.append(f"{len(made)} movements")
    return "; ".join(parts)


def odd(recording: Recording) -> list[str]:
    """Jumps and impossible speeds of a movement, in words; none for what is too short to tell."""
    try:
        position, seconds = reference.clean(*recording)
    except reference.Unusable:  # said where its plan is asked for
        return []
    if len(position) < _MIN_POINTS:
        return []
    extent = float(np.hypot(*np.ptp(position, axis=0)))
    steps = np.hypot(*np.diff(position, axis=0).T)
    speed = steps / np.diff(seconds)
    out = []
    jumps = np.flatnonzero((speed > _JUMP * _around(speed)) & (steps > _JUMP_LENGTH * extent))
    if len(jumps):
        first = int(jumps[0])
        out.append(
            f"{len(jumps)} {'jump' if len(jumps) == 1 else 'jumps'}: at {seconds[first + 1]:.3f} s a step of "
            f"{steps[first]:.4g}, {steps[first] / extent:.0%} of the movement's extent"
        )
    speed[jumps] = 0  # named already
    if speed.max() > _EXTENTS_A_SECOND * extent:
        out.append(
            f"faster than a person moves: {speed.max() / extent:,.3g} times its own extent a second at "
            f"{seconds[int(speed.argmax()) + 1]:.3f} s; the unit of t may be another"
        )
    return out


def _around(speed: np.ndarray) -> np.ndarray:
    """The median of the speeds of the steps around each step, itself left out."""
    padded = np.pad(speed, _AROUND, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1)
    return np.nanmedian(np.delete(windows, _AROUND, axis=1), axis=1)
