"""How long a run takes, by the records of runs like it: of another scale, experiment, or point of a grid.

A run is like another one if both train the same net in the same way on the same data set and hardware. Its time is
theirs for an epoch, times its own epochs; where they saw another number of training samples, or of time steps in a
sample, an epoch counts in proportion. Baselines and benches have no epochs: their time is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import mean
from typing import Any

from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record


def seconds(
    plan: Plan,
    records: list[Record],
    *,
    base: Callable[[Plan], str | None],
    samples: Mapping[str, int],
    scales: list[str],
    took: Callable[[Record], float | None],
) -> tuple[float, str] | None:
    """Seconds of a run and where they come from; None where no record is like it.

    Args:
        records: finished ones, of any run.
        base: the variant that a plan's variant is a grid point of.
        samples: training samples of a data set, where runs may be cut down to a part of it.
        scales: from least to most work.
        took: seconds of a record.
    """
    like = [record for record in records if _alike(plan, record, base, samples) and took(record) is not None]
    if not like:
        return None

    def distance(other: Plan) -> tuple:
        same = [other[key] == plan[key] for key in ("variant", "experiment", "protocol", "scale")]
        size = scales.index(other["scale"]) if other["scale"] in scales else -1
        return (*(not equal for equal in same), -size, other["experiment"], other["variant"])

    best = min(distance(record.plan) for record in like)
    nearest = [record for record in like if distance(record.plan) == best]
    found = mean(_scaled(plan, record, samples, took(record)) for record in nearest)
    return found, _source(plan, nearest[0].plan, samples)


def _alike(plan: Plan, record: Record, base: Callable[[Plan], str | None], samples: Mapping[str, int]) -> bool:
    other = record.plan
    if any(plan[key] != other[key] for key in ("kind", "paper", "dataset", "source", "hardware")):
        return False
    if plan["kind"] == "bench":
        return plan["experiment"] == other["experiment"] and _bench(plan) == _bench(other)
    if base(plan) is None or base(plan) != base(other):
        return False
    if plan["kind"] == "sklearn_baseline":
        return True
    if plan["kind"] == "search":
        return other["net"] == plan["net"] and _work(plan, other, samples) is not None
    if not {"epochs", "max_epochs"} <= set(record.result):
        return False
    ways = [(p["net"], p["method"]["name"], p["method"].get("update")) for p in (plan, other)]
    return ways[0] == ways[1] and _work(plan, other, samples) is not None


def _bench(plan: Plan) -> tuple[dict, list[str]]:
    return plan["bench"], sorted(plan["variants"])


def _work(plan: Plan, other: Plan, samples: Mapping[str, int]) -> float | None:
    """An epoch of a run over one of another run, by samples and time steps; None where that is not known."""
    mine, theirs = plan["data"], other["data"]
    ratio = 1.0
    if mine.get("train_samples") != theirs.get("train_samples"):
        counts = [data.get("train_samples") or samples.get(plan["dataset"]) for data in (mine, theirs)]
        if None in counts:
            return None
        ratio = counts[0] / counts[1]
    if "length" in mine and "length" in theirs:
        ratio *= mine["length"] / theirs["length"]
    return ratio


def _scaled(plan: Plan, record: Record, samples: Mapping[str, int], took: float) -> float:
    if plan["kind"] == "search":  # a probe of one says how many epochs it tried, a record does not
        epochs = record.result.get("epochs", _budget(record.plan))
        return _work(plan, record.plan, samples) * took * _budget(plan) / epochs
    if plan["kind"] != "train":
        return took
    work = _work(plan, record.plan, samples)
    return work * took * _epochs(plan, record) / record.result["epochs"]


def _epochs(plan: Plan, record: Record) -> float:
    """The most epochs that a run may take, of all its phases, which are as many as the record's."""
    phases = (record.result["max_epochs"] - head_epochs(record.plan)) / record.plan["training"]["max_epochs"]
    return phases * plan["training"]["max_epochs"] + head_epochs(plan)


def _budget(plan: Plan) -> int:
    """The most epochs of a search's trials together."""
    return plan["search"]["trials"] * plan["training"]["max_epochs"]


def head_epochs(plan: Plan) -> int:
    """Epochs of a phase of its own for the head, behind all others."""
    method: dict[str, Any] = plan["method"]
    return method["head_epochs"] if method.get("head") == "after" else 0


def _source(plan: Plan, other: Plan, samples: Mapping[str, int]) -> str:
    """``from scale lite, per epoch``; another experiment or variant is named."""
    names = [key for key in ("experiment", "variant") if other[key] != plan[key]]
    place = f"{'/'.join(other[key] for key in names)} at " if names else ""
    if plan["kind"] != "train":
        return f"from {place}scale {other['scale']}"
    unit = "epoch" if _work(plan, other, samples) == 1 else "epoch and sample"
    return f"from {place}scale {other['scale']}, per {unit}"
