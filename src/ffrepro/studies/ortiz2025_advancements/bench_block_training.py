"""What blocks, rates and channel groups do to FF_tiny's training: errors, steadiness, gradients (Abstract, Sec. III).

Every variant trains for as many epochs at the same rate, which falls at the same milestones, on the same images; the
last epoch's weights are read on the test images, which choose nothing. A row is a variant; the first one has another
row, ``<variant>, constant rate``, that differs in the milestones alone.

- ``error``: share of the test images that the variant's own scheme gets wrong, multi-pass or goodness.
  ``error_one_pass``: the same of its softmax layer.
- ``unsteady``: mean distance of the validation error from one epoch to the next, over the second half of the epochs.
- ``unrest_layer<l>``: standard deviation of the logarithm of a layer's gradient norm over the second half of the
  updates. The layers of backpropagation are updated at once, those of the others each by its own loss or its chunk's.
"""

from __future__ import annotations

import statistics
from functools import partial
from itertools import pairwise
from typing import Any

import torch

from ffrepro.base.records import finite
from ffrepro.base.settings import integer, list_of, number
from ffrepro.core import gradients, seeds
from ffrepro.data.image_set import ImageSet
from ffrepro.training import evaluate, parts, recorded_bench, timing
from ffrepro.training.timing import Column
from ffrepro.training.trainer import Trainer

SETTINGS = {
    "bench_batch": integer("images in a batch", minimum=2),
    "bench_epochs": integer("epochs of every training", minimum=3),
    "bench_lr": number("learning rate", above=0),
    "bench_milestones": list_of(integer("", minimum=1), "epochs after which the rate falls", shortest=1),
    "bench_gamma": number("what the rate is multiplied with at a milestone", above=0, below=1),
}
CONSTANT = "constant rate"
INFERENCE = {"cwc": "goodness"}  # of the others multi-pass; backpropagation has one scheme whatever it is called


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record; a row is a variant.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: ImageSet, device: str, dtype: torch.dtype) -> dict:
    bench, names = plan["bench"], list(plan["variants"])
    milestones = {name: bench["bench_milestones"] for name in names} | {f"{names[0]}, {CONSTANT}": []}
    rows = []
    for row, falls in milestones.items():
        name = row.partition(", ")[0]
        rows.append({"name": row} | trained(plan, name, falls, data, device, dtype))
    return {
        "bench": "block_training",
        "baseline": names[0],
        "rows": rows,
        "config": {"threads": threads, **{key: value for key, value in bench.items() if key != "name"}},
    }


def trained(
    plan: dict, name: str, milestones: list[int], data: ImageSet, device: str, dtype: torch.dtype
) -> dict[str, float | None]:
    """Train a variant to its last epoch; what its errors and gradients were.

    Args:
        milestones: epochs after which the rate falls; []: never.
    """
    bench, variant = plan["bench"], plan["variants"][name]
    inference = INFERENCE.get(variant["method"]["name"], "multi_pass")
    asked = {**plan, **variant, "training": {"lr": bench["bench_lr"], "batch_size": bench["bench_batch"]}}
    asked["protocol"] = plan["protocol"] | {"inference": inference}
    task = parts.make_task(asked, data, device, dtype)
    method = parts.make_method(asked, task)
    norms = watch(method)
    settings = {
        "schedule": "multistep", "max_epochs": bench["bench_epochs"], "lr": bench["bench_lr"],
        "milestones": milestones, "gamma": bench["bench_gamma"], "final_weights": "last",
    }  # fmt: skip
    order = seeds.generator("order", plan["dataset"], plan["seed"])
    trainer = Trainer(method, task, settings, order=order, name=f"{plan['run']}, {name}")
    errors: list[float] = []
    trainer.train(lambda line: errors.append(line["val/error"]))
    found = task.metrics(evaluate.evaluate_split(method, task, "test"))
    out = {"error": found["error"], "error_one_pass": found.get("error_one_pass"), "unsteady": unsteady(errors)}
    return out | {
        f"unrest_layer{layer}": finite(gradients.spread(of_layer[len(of_layer) // 2 :]))
        for layer, of_layer in enumerate(norms)
    }


def watch(method: Any) -> list[list[float]]:
    """Lists, one a layer, that every update of the layer from now on adds its gradient's norm to."""
    layers = [list(block.parameters()) for block in method.net.blocks]
    norms: list[list[float]] = [[] for _ in layers]

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        own = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        for layer, parameters in enumerate(layers):
            if id(parameters[0]) in own:
                norms[layer] += gradients.norms([parameters])

    for optimizer in method.optimizers:
        optimizer.register_step_pre_hook(look)
    return norms


def unsteady(errors: list[float]) -> float:
    """Mean distance of an error from one epoch to the next, over the second half of the epochs."""
    later = errors[len(errors) // 2 :]
    return statistics.fmean(abs(b - a) for a, b in pairwise(later))


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config, rows = result["config"], result["rows"]
    head = (
        f"after {config['bench_epochs']} epochs on batches of {config['bench_batch']}: test error, by the softmax "
        "layer, change of the validation error in an epoch, spread of each layer's gradient norm over updates"
    )
    layers = [key for key in rows[0] if key.startswith("unrest_")]
    columns = [Column("error", 10, "error", 3), Column("one-pass", 10, "error_one_pass", 3)]
    columns += [Column("unsteady", 10, "unsteady", 4)]
    columns += [Column(key.removeprefix("unrest_"), 10, key, 3) for key in layers]
    return "\n".join([head, *timing.table(rows, 30, columns)])
