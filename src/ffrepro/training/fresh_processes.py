"""A bench in several fresh processes: where memory lies and what ran before differ from process to process.

Within a process ratios are exact to about a hundredth, and a bias of that process is in all of them. So a bench is
measured in three, and says what each gave.
"""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from ffrepro.training import machine

PROCESSES = 3


def repeated(measure: Callable[..., Any], *arguments: Any, processes: int = PROCESSES) -> list[Any]:
    """What ``measure(*arguments)`` gives in so many fresh processes, one after the other.

    Args:
        measure: a function that can be pickled; it sets the number of threads itself.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        return [pool.submit(measure, *arguments).result() for _ in range(processes)]


def on_cpu(threads: int, measure: Callable[..., Any], *arguments: Any) -> Any:
    """What ``measure(*arguments)`` gives in float32 on so many threads: for ``repeated``."""
    machine.use({"device": "cpu", "precision": "float32"}, threads)
    return measure(*arguments)


def merged(runs: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Medians over the processes of every number of a row, and the lowest and highest ratio among them.

    Args:
        runs: of each process its rows, as ``timing.rows`` makes them, the same ones in the same order.
    """
    out = []
    for rows in zip(*runs, strict=True):
        ratios = [row["ratio_to_bp"] for row in rows]
        numbers = [key for key in rows[0] if all(isinstance(row[key], int | float) for row in rows)]
        row = rows[0] | {key: statistics.median(row[key] for row in rows) for key in numbers}
        out.append({**row, "ratio_low": min(ratios), "ratio_high": max(ratios)})
    return out


def together(results: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of several: merged rows, ``baseline`` of each process, and all results under ``processes``.

    Args:
        results: of each process, with ``rows``, ``baseline`` and whatever else is the same in all.
    """
    baseline = ", ".join(dict.fromkeys(result["baseline"] for result in results))
    return results[0] | {
        "baseline": baseline, "rows": merged([result["rows"] for result in results]), "processes": results,
    }  # fmt: skip
