"""Seconds of an epoch of a run that nobody has timed yet, from some seconds of its training and validation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from ffrepro.core import seeds
from ffrepro.data.task import Batch
from ffrepro.training import machine
from ffrepro.training.parts import Place, load_data, make_method, make_task
from ffrepro.training.trainer import Trainer

SECONDS = 5.0  # of training, and as many of validation, at most


def measure(plan: dict, place: Place, limit: float = SECONDS) -> dict:
    """Train the first epoch of a run, or the part of it that fits into ``limit`` seconds, and leave nothing.

    Returns:
        ``epochs`` (1), ``max_epochs`` of the run and ``time`` of the whole epoch, as a result.json has them.

    Raises:
        FfreproError: the prepared data are not here, or the plan's device is not.
    """
    device, dtype = machine.use(plan["profile"], place.threads, mixed=True)
    task = make_task(plan, load_data(plan, place.prepared), device, dtype)
    method = make_method(plan, task)
    order = seeds.generator("order", plan["dataset"], plan["seed"])
    trainer = Trainer(method, task, plan["training"], order=order, name=plan["run"])
    counts = task.counts()
    autocast = partial(machine.autocast, plan["profile"])

    def step(batch: Batch) -> None:
        with autocast():
            float(method.step(batch)["loss"])  # waits for the device

    def evaluate(batch: Batch) -> None:
        for value in method.evaluate_batch(batch).values():
            value.detach().cpu()

    method.begin_phase(trainer.phases[0])
    method.begin_epoch(0)
    seconds = _of_all(task.epoch(order), step, task.size, counts["train"], limit)
    if trainer.validates:
        seconds += _of_all(task.in_order("val"), evaluate, task.size, counts["val"], limit)
    return {"epochs": 1, "max_epochs": trainer.total, "time": {"train_s": seconds, "evaluate_s": 0.0}}


def _of_all(
    batches: Iterable[Batch], work: Callable[[Batch], None], size: Callable[[Batch], int], total: int, limit: float
) -> float:
    """Seconds of all batches; where they take longer than ``limit``, in proportion to the samples seen by then."""
    seen, begin = 0, time.perf_counter()
    for batch in batches:
        work(batch)
        seen += size(batch)
        elapsed = time.perf_counter() - begin
        if elapsed > limit:
            return elapsed * max(1.0, total / seen)
    return time.perf_counter() - begin
