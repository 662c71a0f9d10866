"""p-values of t-tests from printed means and spreads, with the range that their rounding leaves open."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ffrepro.core.audit.intervals import Interval
from ffrepro.core.statistics import Summary, Test, hedges_g, one_sample_t, two_sample_t

NAN = float("nan")
_GRID = 9  # spreads tried on each side: Welch's degrees of freedom are not monotone in them


class Group(NamedTuple):
    """A printed mean and standard deviation of n numbers."""

    mean: Interval
    std: Interval
    n: int


class Recomputed(NamedTuple):
    """p as the printed digits give it, the least and the largest that their rounding allows, and Hedges' g."""

    p: float
    low: float
    high: float
    g: float


def independent(a: Group, b: Group, *, equal_variance: bool) -> Recomputed:
    """Two-tailed independent t-test, Student's pooled one or Welch's.

    Raises:
        ValueError: a group of fewer than two.
    """
    _enough(a, b)

    def test(difference: float, std_a: float, std_b: float) -> Test:
        left, right = _summary(difference, std_a, a.n), _summary(0.0, std_b, b.n)
        return two_sample_t(left, right, equal_variance=equal_variance)

    return _range(a, b, test)


def paired(a: Group, b: Group) -> Recomputed:
    """Two-tailed paired t-test, whatever the correlation of the pairs, which summaries do not tell.

    ``p`` is that of uncorrelated pairs.

    Raises:
        ValueError: groups of different sizes, or of fewer than two.
    """
    _enough(a, b)
    if a.n != b.n:
        raise ValueError(f"pairs need groups of one size, not {a.n} and {b.n}")
    centre = _paired(_middle_difference(a, b), math.hypot(a.std.centre, b.std.centre), a.n).p
    least, most = _differences(a, b)
    widest = float(a.std.high + b.std.high)  # correlation -1
    gap = max(float(a.std.low - b.std.high), float(b.std.low - a.std.high), 0.0)  # correlation 1
    return Recomputed(centre, _paired(most, gap, a.n).p, _paired(least, widest, a.n).p, _effect(a, b))


def _range(a: Group, b: Group, test: Callable[[float, float, float], Test]) -> Recomputed:
    centre = test(_middle_difference(a, b), a.std.centre, b.std.centre).p
    least, most = _differences(a, b)
    spreads = [(x, y) for x in _grid(a.std) for y in _grid(b.std)]
    low = min(test(most, x, y).p for x, y in spreads)
    high = max(test(least, x, y).p for x, y in spreads)
    return Recomputed(centre, min(low, centre), max(high, centre), _effect(a, b))


def _paired(difference: float, std: float, n: int) -> Test:
    return one_sample_t(_summary(difference, std, n), 0.0)


def _differences(a: Group, b: Group) -> tuple[float, float]:
    """The least and the largest size of the difference of means."""
    size = abs(a.mean - b.mean)
    return float(size.low), float(size.high)


def _middle_difference(a: Group, b: Group) -> float:
    return a.mean.centre - b.mean.centre


def _effect(a: Group, b: Group) -> float:
    return hedges_g(_summary(a.mean.centre, a.std.centre, a.n), _summary(b.mean.centre, b.std.centre, b.n)).g


def _summary(mean: float, std: float, n: int) -> Summary:
    return Summary(n, mean, std, NAN, NAN)


def _grid(std: Interval) -> Iterator[float]:
    low, high = float(std.low), float(std.high)
    return (low + (high - low) * step / (_GRID - 1) for step in range(_GRID))


def _enough(a: Group, b: Group) -> None:
    if min(a.n, b.n) < 2:
        raise ValueError("a t-test needs two numbers in each group")
