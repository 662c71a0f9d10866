"""Time several ways of doing one thing, interleaved: noise hits all of them alike, and the ratio is what counts."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def interleave(steps: dict[str, Callable[[], object]], rounds: int, warmup: int = 2) -> dict[str, list[float]]:
    """Run every step once a round, in turn, each round starting with another one.

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
            took = time.perf_counter() - begin
            if number >= warmup:
                seconds[name].append(took)
    return seconds


def rows(seconds: dict[str, list[float]], candidates: list[str]) -> tuple[str, list[dict]]:
    """Summary of ``interleave`` against the fastest of ``candidates``.

    Returns:
        The baseline's name, and a row for each name: ``ms_median``, ``ms_min``, ``ms_max``, and the median, minimum and
        maximum over rounds of the ratio to the baseline in the same round.
    """
    baseline = min(candidates, key=lambda name: statistics.median(seconds[name]))
    table = []
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds[baseline], strict=True)]
        table.append({
            "name": name,
            "ms_median": 1e3 * statistics.median(values),
            "ms_min": 1e3 * min(values),
            "ms_max": 1e3 * max(values),
            "ratio_to_bp": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
        })  # fmt: skip
    return baseline, table
