"""The record of a planned bench: what is around every measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ffrepro.training import facts, machine, parts
from ffrepro.training.record import Record

Measure = Callable[[Any, str, torch.dtype], dict[str, Any]]


def measured(plan: dict, place: parts.Place, measure: Measure) -> dict:
    """Measure what a bench plan declares, every time anew, and leave its record.

    Args:
        measure: (prepared data set, device, precision) -> what result.json says besides its schema and the run.

    Returns:
        The content of result.json.
    """
    record = Record(place.runs / plan["run"], plan)

    def work() -> dict:
        device, dtype = machine.use(plan["profile"], place.threads)
        started = facts.now()
        data = parts.load_data(plan, place.prepared)
        result = {"schema": 1, "run": plan["run"], **measure(data, device, dtype)}
        record.finish(facts.about(plan, record, data, place, device, started), result)
        return result

    return record.once(work, again=True)
