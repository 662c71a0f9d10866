"""Activations that a training step holds, by how many layers learn together, beside backpropagation (Sec. I).

A row is a variant: its method learns the same batch three times, and the last two steps are measured, so that updates
that alternate are seen in both their forms and all that stays is there before. The variants are named ``<net>_<way>``,
and ``<net>_bp`` is what a row's ratio is to: the same layers under backpropagation, the whole batch at once, nothing
computed twice.

- ``activation_mb``: the most that a step allocates at once, tensors of a parameter's size (gradients, the optimizer's
  workspace) left out. ``activation_to_bp``: over the twin's.

Both samples of a pair go through a layer together, as they do in the runs. A row ``<variant>, passes apart`` has half
of the images, and so as many samples in a layer as if one of each pair came after the other. The weights are those of
a new net.
"""

from __future__ import annotations

from functools import partial

import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer
from ffrepro.data.image_set import ImageSet
from ffrepro.training import memory, parts, recorded_bench, timing
from ffrepro.training.timing import Column

SETTINGS = {"bench_batch": integer("images in a batch", minimum=2)}
LR = 1e-3  # no size depends on it
MB = 1e6
PAIRS = ("ff",)  # methods whose steps take pairs
APART = "passes apart"


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
    images = plan["bench"]["bench_batch"]
    found = {}
    for name in names:
        found[name] = held(plan, name, images, data, device, dtype)
        if plan["variants"][name]["method"]["name"] in PAIRS:
            found[f"{name}, {APART}"] = held(plan, name, images // 2, data, device, dtype)
    rows = [
        {
            "name": name,
            "activation_mb": None if size is None else size / MB,
            "activation_to_bp": memory.ratio(size, found[twins[name.partition(", ")[0]]]),
        }
        for name, size in found.items()
    ]
    return {
        "bench": "block_memory",
        "baseline": twins[names[0]],
        "rows": rows,
        "config": {"threads": threads, "memory": memory.Peak(device).how, "bench_batch": plan["bench"]["bench_batch"]},
    }


def held(plan: dict, name: str, images: int, data: ImageSet, device: str, dtype: torch.dtype) -> int | None:
    """Bytes of activations that a variant's step on so many images holds at most; None: cannot be measured."""
    asked = {**plan, **plan["variants"][name]}
    asked["training"] = {"lr": LR, "batch_size": images}
    asked["protocol"] = plan["protocol"] | {"inference": "one_pass"}
    task = parts.make_task(asked, data, device, dtype)
    batch = next(iter(task.in_order("train")))
    method = parts.make_method(asked, task)
    method.begin_phase(method.phases()[0])
    method.begin_epoch(0)
    method.step(batch)
    learnt = [p for optimizer in method.optimizers for group in optimizer.param_groups for p in group["params"]]
    with memory.Peak(device, frozenset(p.numel() * p.element_size() for p in learnt)) as peak:
        method.step(batch)
        method.step(batch)
    return peak.bytes


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    columns = [Column("MB", 10, "activation_mb", 2), Column("to BP", 10, "activation_to_bp", 3)]
    head = f"activations of a training step on {config['bench_batch']} images"
    return "\n".join([head, *timing.table(result["rows"], 24, columns)])
