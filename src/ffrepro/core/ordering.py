"""Claims without numbers, held to measurements: words in an order (low, moderate, high), and growth as a power.

Pure functions on summaries and lists of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ffrepro.core.statistics import Summary


class Order(NamedTuple):
    """Pairs of names that a claim puts in an order: measured the same way, the other way round, or not apart."""

    agree: tuple[tuple[str, str], ...]
    opposed: tuple[tuple[str, str], ...]
    open: tuple[tuple[str, str], ...]


class Growth(NamedTuple):
    """Exponent of a power law, its standard error (NaN of two points), and how much of the scatter it explains."""

    exponent: float
    error: float
    r_squared: float


def compare(ranks: Mapping[str, int], measured: Mapping[str, Summary]) -> Order:
    """Hold an order of words to measurements.

    A pair with different ranks is decided where the two confidence intervals do not touch, otherwise open; a pair with
    equal ranks says nothing. Names without a measurement, or with one that has no interval, leave their pairs open.

    Args:
        ranks: name -> place of its word, the smaller for the smaller number ("low" 0, "moderate" 1, "high" 2).
        measured: name -> summary of what was measured.
    """
    found: dict[str, list[tuple[str, str]]] = {"agree": [], "opposed": [], "open": []}
    for first, second in combinations(ranks, 2):
        if ranks[first] == ranks[second]:
            continue
        less, more = (first, second) if ranks[first] < ranks[second] else (second, first)
        found[_decide(measured.get(less), measured.get(more))].append((less, more))
    return Order(*(tuple(found[key]) for key in Order._fields))


def growth(sizes: Sequence[float], values: Sequence[float]) -> Growth:
    """Exponent k of values ~ sizes^k, by least squares on logarithms.

    Args:
        sizes, values: (N,) positive numbers, N at least two, sizes not all equal.

    Raises:
        ValueError: fewer than two points, or a number that is not positive.
    """
    x, y = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2 or len(set(x.tolist())) < 2:
        raise ValueError(f"an exponent needs at least two sizes, each with a value: {sizes!r}, {values!r}")
    if not ((x > 0).all() and (y > 0).all() and np.isfinite([x, y]).all()):
        raise ValueError(f"an exponent needs positive numbers: {sizes!r}, {values!r}")
    u, v = np.log(x) - np.log(x).mean(), np.log(y) - np.log(y).mean()
    slope = float(u @ v / (u @ u))
    left, total = float(((v - slope * u) ** 2).sum()), float(v @ v)
    error = math.sqrt(left / (len(x) - 2) / float(u @ u)) if len(x) > 2 else math.nan
    return Growth(slope, error, 1 - left / total if total else 1.0)


def _decide(less: Summary | None, more: Summary | None) -> str:
    if less is None or more is None or math.isnan(less.low) or math.isnan(more.low):
        return "open"
    if less.high < more.low:
        return "agree"
    return "opposed" if more.high < less.low else "open"
