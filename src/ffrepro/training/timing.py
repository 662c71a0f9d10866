"""Time several ways of doing one thing, interleaved: noise hits all of them alike, and the ratio is what counts."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch

# Of a row of ``rows``, beside its name.
COLUMNS = ("ms_median", "ms_min", "ms_max", "ratio_to_bp", "ratio_low", "ratio_high")


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
