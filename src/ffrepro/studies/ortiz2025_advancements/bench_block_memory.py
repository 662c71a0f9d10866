"""What a training step holds, by how many layers learn together: activations and peak beside backpropagation (Sec. I).

A row is a variant: its method and net are made and learn the same batch twice, so that updates that alternate are seen
in both their forms. The variants are named ``<net>_<way>``, and ``<net>_bp`` is what a row's ratios are to: the same
layers under backpropagation, whole batches, nothing computed twice.

- ``activation_mb``: the most that is allocated at once, tensors of a parameter's size (parameters, gradients, moments)
  left out. ``activation_to_bp``: over the twin's.
- ``peak_mb``, ``peak_to_bp``: the same with everything.

Both samples of a pair go through a layer together, as they do in the runs. The weights are those of a new net.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer
from ffrepro.data.image_set import ImageSet
from ffrepro.methods.base import Phase
from ffrepro.training import memory, parts, recorded_bench, timing
from ffrepro.training.timing import Column

SETTINGS = {"bench_batch": integer("images in a batch", minimum=2)}
COLUMNS = ("activation_mb", "activation_to_bp", "peak_mb", "peak_to_bp")
LR = 1e-3  # no size depends on it
TRAINING = "train"  # the phase in which the blocks learn
MB = 1e6


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record; a row is a variant.

    Returns:
        The content of result.json.

    Raises:
        FfreproError: a variant has no twin.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: ImageSet, device: str, dtype: torch.dtype) -> dict:
    names = list(plan["variants"])
    twins = {name: f"{name.partition('_')[0]}_bp" for name in names}
    for name, twin in twins.items():
        if twin not in names:
            raise FfreproError(f"{name} has no twin", where=plan["run"], fix=f"add {twin} to the bench's variants")
    found = {name: held(plan, name, data, device, dtype) for name in names}
    rows = []
    for name in names:
        row: dict[str, float | str | None] = {"name": name}
        for what in ("activation", "peak"):
            size, base = found[name][what], found[twins[name]][what]
            row |= {f"{what}_mb": None if size is None else size / MB, f"{what}_to_bp": memory.ratio(size, base)}
        rows.append(row)
    return {
        "bench": "block_memory",
        "baseline": twins[names[0]],
        "rows": rows,
        "config": {"threads": threads, "memory": memory.Peak(device).how, "bench_batch": plan["bench"]["bench_batch"]},
    }


def held(plan: dict, name: str, data: ImageSet, device: str, dtype: torch.dtype) -> dict[str, int | None]:
    """Bytes that a variant's step holds at most: ``activation`` and ``peak``; None where they cannot be measured."""
    asked = {**plan, **plan["variants"][name]}
    asked["training"] = {"lr": LR, "batch_size": plan["bench"]["bench_batch"]}
    asked["protocol"] = plan["protocol"] | {"inference": "one_pass"}
    task = parts.make_task(asked, data, device, dtype)
    batch = next(iter(task.in_order("train")))

    def make() -> Callable[[], object]:
        method = parts.make_method(asked, task)
        method.begin_phase(Phase(TRAINING))
        method.begin_epoch(0)
        return partial(method.step, batch)

    method = parts.make_method(asked, task)
    parameters = [p for optimizer in method.optimizers for group in optimizer.param_groups for p in group["params"]]
    sizes = frozenset(p.numel() * p.element_size() for p in parameters)
    del method
    return {
        "activation": memory.peaks({name: make}, device, sizes)[name],
        "peak": memory.peaks({name: make}, device)[name],
    }


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    head = f"a training step on {config['bench_batch']} images, MB: activations, all, and their ratios to the BP twin"
    titles = ("act. MB", "to BP", "all MB", "to BP")
    columns = [Column(title, 10, key, 3) for title, key in zip(titles, COLUMNS, strict=True)]
    return "\n".join([head, *timing.table(result["rows"], 20, columns)])
