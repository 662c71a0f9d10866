"""Time several ways of doing one thing, interleaved: noise hits all of them alike, and the ratio is what counts."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch

# Of a row of ``rows``, beside its name.
COLUMNS = ("ms_median", "ms_min", "ms_max", "ratio_to_bp", "ratio_low", "ratio_high")


class Column(NamedTuple):
    """A column of numbers in a printed table.

    Attributes:
        key: of a row. digits: behind the point. scale: the row's value is multiplied by it.
        missing: the value in the place of one that is None or not there; without it the place stays empty.
    """

    title: str
    width: int
    key: str
    digits: int
    scale: float = 1.0
    missing: float | None = None

    def show(self, row: dict) -> str:
        """The row's number, right-aligned."""
        value = row.get(self.key)
        value = self.missing if value is None else value
        return " " * self.width if value is None else f"{value * self.scale:{self.width}.{self.digits}f}"


def interleave(steps: dict[str, Callable[[], object]], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Run every step once a round, in turn, each round starting with another one.

    On a GPU a step is over when all that it started is.

    Returns:
        Seconds of every round, by name; warm-up rounds are not counted.
    """
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warmup + rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            begin = time.perf_counter()
            steps[name]()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            took = time.perf_counter() - begin
            if number >= warmup:
                seconds[name].append(took)
    return seconds


def rows(seconds: dict[str, list[float]], candidates: list[str]) -> tuple[str, list[dict]]:
    """Summary of ``interleave`` against the fastest of ``candidates``.

    Returns:
        The baseline's name, and a row for each name: ``ms_median``, ``ms_min``, ``ms_max``, and of the ratio to the
        baseline in the same round the median over rounds, ``ratio_to_bp``, with its interval, ``ratio_low`` to
        ``ratio_high`` (``median_interval``).
    """
    baseline = min(candidates, key=lambda name: statistics.median(seconds[name]))
    table = []
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds[baseline], strict=True)]
        low, high = median_interval(ratios)
        table.append({
            "name": name,
            "ms_median": 1e3 * statistics.median(values),
            "ms_min": 1e3 * min(values),
            "ms_max": 1e3 * max(values),
            "ratio_to_bp": statistics.median(ratios),
            "ratio_low": low,
            "ratio_high": high,
        })  # fmt: skip
    return baseline, table


def ratio_columns(title: str = "ratio") -> list[Column]:
    """Columns of the ratio to the baseline and of its interval."""
    return [
        Column(title, 8, "ratio_to_bp", 3), Column("from", 7, "ratio_low", 2), Column("to", 7, "ratio_high", 2),
    ]  # fmt: skip


def table(rows: Iterable[dict], width: int, columns: list[Column]) -> list[str]:
    """Lines of a plain table: titles, and each row's name in ``width`` letters with its numbers."""
    lines = [" " * width + "".join(f"{column.title:>{column.width}s}" for column in columns)]
    return lines + [f"{row['name']:{width}s}" + "".join(column.show(row) for column in columns) for row in rows]


def median_interval(values: list[float], confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the median from order statistics: no assumption on how the values are spread.

    The k-th smallest and k-th largest value, with the largest k for which the binomial tail below k stays within
    (1 - confidence) / 2; minimum and maximum where there are too few values for that.
    """
    ordered, n = sorted(values), len(values)
    tail, k = 0.0, 0
    while k < n // 2 and (tail := tail + math.comb(n, k) / 2**n) <= (1 - confidence) / 2:
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]
