"""What a run's epochs tell: its best value of a metric, and how long it took to a target.

A target is so far of the way from a start (chance) to what other runs reach at best. A run that never gets there is
known to need more than its epochs: it counts as cut at its last one.
"""

from __future__ import annotations

from collections.abc import Iterable

from ffrepro.claims.records import Evidence, Record
from ffrepro.core import statistics as st


def best(record: Record, metric: str) -> float:
    """The largest value of a metric over a run's epochs."""
    return max(line[metric] for line in record.metrics())


def target(base: Evidence, metric: str, share: float, start: float) -> float:
    """The value that is a share of the way from a start to the mean of the best values of some runs."""
    return start + share * (st.summarize([best(record, metric) for record in base.records]).mean - start)


def reached(record: Record, metric: str, value: float) -> tuple[int, float] | tuple[None, None]:
    """Epochs and seconds of training until a metric was first as large; None where it never was."""
    seconds = 0.0
    for line in record.metrics():
        seconds += line["seconds"]
        if line[metric] >= value:
            return line["epoch"], seconds
    return None, None


def epochs(records: Iterable[Record], metric: str, value: float) -> tuple[list[float], list[int | None]]:
    """Of each run the epochs to a value, and the epoch at which one that never had it was cut (None of the others)."""
    found, cut = [], []
    for record in records:
        epoch, _ = reached(record, metric, value)
        last = max(line["epoch"] for line in record.metrics())
        found.append(float(last if epoch is None else epoch))
        cut.append(last if epoch is None else None)
    return found, cut
