"""The parts that runs of every kind are put together from: place, data, task and method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ffrepro import data as datasets
from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.base.plans import start_of
from ffrepro.base.records import WEIGHTS
from ffrepro.core import seeds
from ffrepro.data import views
from ffrepro.methods import images
from ffrepro.nets import build
from ffrepro.nets.cut import Cut
from ffrepro.nets.cut_start import begin_from
from ffrepro.training import machine
from ffrepro.training.trainer import Trainer


@dataclass(frozen=True)
class Place:
    """Where a run works: folders, and threads of the machine."""

    root: Path
    runs: Path
    prepared: Path
    threads: int = 1


def load_data(plan: dict, prepared: Path):
    """The plan's prepared data set, as its family loads it: arrays, and a ``manifest``.

    Raises:
        FfreproError: it is not there, or was made from another source than the plan asks for.
    """
    name = views.prepared_set(plan)
    path = prepared / plan["source"] / f"{name}.npz"
    if name != plan["dataset"] and not path.is_file():
        raise FfreproError(
            f"no negatives of {plan['dataset']} at level {views.derived(plan)}",
            where=path,
            fix=f"make them: ffrepro negatives {plan['dataset']} --level {views.derived(plan)} "
            f"--source {plan['source']} --prepared {prepared}",
        )
    data = datasets.family(plan["dataset"]).load(path)
    if data.manifest["source"] != plan["source"]:
        raise FfreproError(
            f"the plan asks for {plan['source']} data, these are {data.manifest['source']}",
            where=path,
            fix=f"ffrepro prepare {plan['dataset']} --source {plan['source']}",
        )
    return data


def make_task(plan: dict, data, device: str, dtype: torch.dtype):
    """Splits, batches and metrics; every method of an experiment gets the same split for the same seed."""
    task = datasets.view(plan["data"]["name"]).Task
    evaluation = plan.get("method", {}) | plan["training"] | plan["protocol"]
    return task(data, plan["data"], split_seed(plan), plan["training"]["batch_size"], device, dtype, evaluation)


def split_seed(plan: dict) -> int:
    """The seed of a run's split: the same for every run of a data set and seed, whatever its method."""
    return seeds.derive("split", plan["dataset"], plan["seed"])


def start_weights(plan: dict, place: Place) -> dict[str, torch.Tensor] | None:
    """The weights that a plan's run starts from; None: drawn ones.

    Raises:
        FfreproError: the run that they come from has not left them yet.
    """
    run = start_of(plan)
    if run is None:
        return None
    path = place.runs / run / WEIGHTS
    if not path.is_file():
        raise FfreproError(
            f"{plan['run']} starts from weights that are not there",
            where=path,
            fix=f"train that run first: ffrepro train plan/{run}.json",
        )
    return torch.load(path, weights_only=True)


def make_method(
    plan: dict,
    task,
    generator: torch.Generator | None = None,
    start: dict[str, torch.Tensor] | None = None,
):
    """Net and method of a plan, freshly initialised from the run's seed.

    Args:
        start: weights that the blocks get instead (``start_weights``); a head keeps its own.

    Raises:
        FfreproError: the plan asks for mixed precision where the gradient is written by hand.
    """
    if plan["profile"]["precision"] == machine.MIXED and plan["method"].get("gradient") == "closed_form":
        raise FfreproError(
            f"a closed-form gradient is computed in float32 throughout, not in {machine.MIXED}",
            where=plan["run"],
            fix="choose a profile of precision float32, or set `gradient` to autograd",
        )
    generator = generator or seeds.generator("init", plan["dataset"], plan["seed"])
    example = next(iter(task.in_order("val")))
    net = build(plan["net"], task.inputs, task.classes, generator).to(task.device, task.dtype)
    net.superclass_of = getattr(task, "superclass_of", None)
    net.pools = getattr(task, "pools", None)
    hyperparameters = {k: v for k, v in plan["method"].items() if k != "name"}
    method = methods.module(plan["method"]["name"]).Method
    if isinstance(net, Cut) and not getattr(method, "cuts", False):
        raise FfreproError(
            f"net {plan['net']['name']} is cut at its own submodules, and method {plan['method']['name']} trains lists "
            "of blocks",
            where=plan["run"],
            fix="choose sff, cwc_blocks or backprop_blocks, or another net",
        )
    if "start" in plan:
        begin_from(net, images.take(example, False), start, frozen=plan["start"]["frozen"], where=plan["run"])
    return method(net, hyperparameters, example, generator, plan["training"]["lr"])


def make_trainer(plan: dict, method: Any, task: Any) -> Trainer:
    """A trainer of a plan's settings, precision and order of batches."""
    order = seeds.generator("order", plan["dataset"], plan["seed"])
    autocast = partial(machine.autocast, plan["profile"])
    return Trainer(method, task, plan["training"], order=order, autocast=autocast, name=plan["run"])
