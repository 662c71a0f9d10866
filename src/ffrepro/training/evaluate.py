"""A method's results on a split, sample by sample, and the metrics that the task makes of them."""

from __future__ import annotations

import math

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data.task import Arrays, Task


class NotFinite(FfreproError):
    """A loss, or the watched metric, is not finite: training diverged."""


def evaluate_split(method, task: Task, split: str) -> Arrays:
    """A split's per-sample results, in the order of ``task.in_order``.

    Returns:
        What ``method.evaluate_batch`` and ``task.targets`` give, (S, ...) each, and ``batch``: batch numbers,
        int64 (S,).
    """
    collected: dict[str, list[np.ndarray]] = {}
    for number, batch in enumerate(task.in_order(split)):
        out = {**method.evaluate_batch(batch), **task.targets(batch)}
        for name, value in out.items():
            collected.setdefault(name, []).append(value.detach().cpu().numpy())
        collected.setdefault("batch", []).append(np.full(len(value), number))
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def watched(task: Task, metrics: dict[str, float]) -> float:
    """The task's watched metric, negated where higher is better: lower is always better.

    Raises:
        FfreproError: the task does not measure what it watches, or gives it no direction.
    """
    name, direction = task.watch
    if name not in metrics or direction not in ("min", "max"):
        raise FfreproError(
            f"a task watches one of its metrics, min or max, and this one {name!r}, {direction!r}",
            where=f"{type(task).__module__}.Task.watch",
            fix=f"name one of {', '.join(metrics) or 'its metrics'}",
        )
    return metrics[name] if direction == "min" else -metrics[name]


def refuse_nan(values: dict[str, float], *, where: object, epoch: int, lr: float) -> None:
    """Stop with a message that names the values that are not finite.

    Raises:
        NotFinite: one is not.
    """
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise NotFinite(
            f"training diverged: {', '.join(broken)} is not finite in epoch {epoch}",
            where=where,
            fix=f"lower `lr` (now {lr:g}), or look at the input data; "
            "batch statistics also need more than one sample in the last batch of each split (`batch_size`). "
            "The epochs so far of a run are in its partial folder",
        )
