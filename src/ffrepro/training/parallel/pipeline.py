"""Training with a process for each group of layers.

Process 0 has the data, the schedules and the validation; it trains the first layers and passes a batch's activations
on, while the next process trains its layers on the batch before. Nothing comes back but, once an epoch, losses and
weights. Layers see what they see in one process, in the same order: the numbers are the same but for rounding.

The processes are started here, or are those of ``torchrun``, which runs the same script in each of them.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.core import seeds
from ffrepro.methods.base import BaseMethod, Batch, Phase
from ffrepro.training import machine
from ffrepro.training.parallel import stages
from ffrepro.training.parallel.channel import LostPeer, Message, Receiver, Sender, send
from ffrepro.training.parallel.recipe import Context, Recipe, autocast_of
from ffrepro.training.parallel.stage import Stage
from ffrepro.training.parallel.workers import SILENCE, Workers
from ffrepro.training.trainer import Trainer


class Pipeline:
    """Process 0's end of the pipeline.

    Args:
        layers: of each process.
        check: raises where a process has failed; called while this one waits.
        blame: raises the reason why a process is gone.

    Attributes:
        seconds: that each process worked in the last epoch, waiting not counted.
    """

    def __init__(
        self,
        method: BaseMethod,
        example: Batch,
        layers: list[range],
        check: Callable[[], None],
        blame: Callable[[], None],
    ):
        self.method, self.layers = method, layers
        self.stage = stages.stage(method, layers[0], example)
        self.seconds: list[float] = []
        self._check, self._blame = check, blame
        self._sender = Sender(1)

    def epoch(self, trainer: PipelineTrainer) -> dict[str, float]:
        """An epoch of batches through all processes; means of the losses by name."""
        try:
            return self._epoch(trainer)
        except LostPeer as error:
            self._blame()
            raise FfreproError(str(error), where="processes", fix="the output of that process says why") from error

    def stop(self, weights: dict[str, Tensor], history: list[dict[str, Any]]) -> None:
        """Tell every process to end, with the selected weights."""
        try:
            self._sender.put(Message("stop", {"history": history}, weights), self._check)
            self._sender.close(self._check)
        except LostPeer:
            self._blame()

    def _epoch(self, trainer: PipelineTrainer) -> dict[str, float]:
        method, stage = self.method, self.stage
        rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in method.optimizers]
        phase = trainer.phases[len(trainer.ended)]
        facts = {"rates": rates, "phase": phase, "epoch": trainer.phase_epoch, "draws": trainer.draws()}
        self._put(Message("epoch", facts, _without(stage, method.weights())))
        sums = _Sums()
        total = 0
        for batch in trainer.task.epoch(trainer.order):
            weight = trainer.task.weight(batch)
            with sums.timed(), trainer.autocast():
                losses, up = stage.learn(stage.begin(batch))
            sums.add(losses, weight)
            self._put(Message("batch", {"weight": weight}, up))
            total += weight
        self._put(Message("ended", {}, {}))
        parts, self.seconds = dict(sums.values()), [sums.seconds]
        for rank in range(1, len(self.layers)):
            found = Receiver(rank, "result").get(self._check)
            _load(method, found.tensors)
            parts |= found.facts["sums"]
            self.seconds.append(found.facts["seconds"])
        return _means(parts, total, method.layers)

    def _put(self, message: Message) -> None:
        self._sender.put(message, self._check)


class PipelineTrainer(Trainer):
    """A trainer whose epochs go through a pipeline; validation and schedules are those of one process."""

    def __init__(self, pipeline: Pipeline, *arguments: Any, **named: Any):
        self.pipeline = pipeline
        super().__init__(*arguments, **named)

    def learn(self) -> dict[str, float]:
        """See ``Trainer.learn``."""
        return self.pipeline.epoch(self)


class _Sums:
    """Losses times weights, added up, and the seconds that were worked."""

    def __init__(self) -> None:
        self._sums: dict[str, Any] = {}
        self.seconds = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begin

    def add(self, losses: dict[str, Tensor], weight: float) -> None:
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * weight

    def values(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._sums.items()}


def follow(
    method: BaseMethod, example: Batch, layers: range, rank: int, count: int, autocast: Context
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """A process behind the first: learn from what comes until it is told to stop; the selected weights and history.

    Raises:
        LostPeer: a process is gone.
    """
    stage = stages.stage(method, layers, example)
    device = example["x"].device
    receiver, sender = Receiver(rank - 1, "stop"), Sender(rank + 1) if rank + 1 < count else None
    sums = _Sums()
    while True:
        message = receiver.get()
        onward = message
        if message.kind == "epoch":
            _prepare(method, stage, message)
            seeds.seed_global(device, *message.facts["draws"], rank)
            sums = _Sums()
        elif message.kind == "batch":
            with sums.timed(), autocast():
                losses, up = stage.learn({name: value.to(device) for name, value in message.tensors.items()})
            sums.add(losses, message.facts["weight"])
            onward = message._replace(tensors=up)
        if sender is not None:
            sender.put(onward, lambda: None)
        if message.kind == "ended":
            own = {name: value for name, value in method.weights().items() if stage.owns(name)}
            send(Message("result", {"sums": sums.values(), "seconds": sums.seconds}, own), 0)
        if message.kind == "stop":
            if sender is not None:
                sender.close(lambda: None)
            return message.tensors, message.facts["history"]


def run(
    recipe: Recipe,
    method: BaseMethod,
    processes: int,
    train: Callable[[Pipeline], Trainer],
    history: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Train a method in several processes; every one of them that runs the caller's script ends with its best weights.

    Args:
        train: makes a trainer for the pipeline, trains to the end and gives it back.
        history: that ``train`` adds to.

    Returns:
        The history of process 0.

    Raises:
        FfreproError: see ``opened`` and ``joined``; a process failed.
    """
    if by_torchrun():
        with joined(processes) as rank:
            return _in_group(recipe, method, processes, rank, train, history)
    with opened(recipe, method, processes) as pipeline:
        trainer = train(pipeline)
        pipeline.stop({}, [])
        method.load_weights(trainer.best_weights)
    return history


def _in_group(
    recipe: Recipe,
    method: BaseMethod,
    processes: int,
    rank: int,
    train: Callable[[Pipeline], Trainer],
    history: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    layers = stages.plan(method, recipe.example, processes)
    if rank:
        autocast = autocast_of(recipe.device, recipe.mixed)
        with seeds.drawing(recipe.device, rank):  # the caller's generator stays as it is
            own, example = copy.deepcopy(recipe).make(recipe.device)  # and so does the caller's net
            weights, history = follow(own, example, layers[rank], rank, processes, autocast)
        method.load_weights(weights)
        return history
    pipeline = Pipeline(method, recipe.example, layers, lambda: None, lambda: None)
    trainer = train(pipeline)
    pipeline.stop(trainer.best_weights, history)
    method.load_weights(trainer.best_weights)
    return history


def work(given: tuple[Recipe, list[range]], rank: int, count: int) -> None:
    """What a started process does: make the method, on a GPU of its own where there are as many, and follow."""
    recipe, layers = given
    several = torch.device(recipe.device).type == "cuda" and torch.cuda.device_count() > rank
    device = f"cuda:{rank}" if several else recipe.device
    method, example = recipe.make(device)
    follow(method, example, layers[rank], rank, count, autocast_of(device, recipe.mixed))


@contextmanager
def opened(recipe: Recipe, method: BaseMethod, processes: int) -> Iterator[Pipeline]:
    """A pipeline of ``processes`` processes, started here; whatever happens, none of them is left.

    Raises:
        FfreproError: the method's layers cannot be shared by so many processes; one of them failed.
    """
    layers = stages.plan(method, recipe.example, processes)
    if dist.is_initialized():
        raise FfreproError(
            "this process belongs to a group of torch.distributed already",
            where="processes",
            fix="run the script by torchrun with as many processes, or fit before the group is made",
        )
    with machine.threads(max(1, torch.get_num_threads() // processes)):  # a share for each process
        workers = Workers(work, (recipe, layers), processes, [_named(some) for some in layers])
        try:
            workers.join()
            yield Pipeline(method, recipe.example, layers, workers.check, workers.blame)
            workers.finish()
        finally:
            workers.end()
            if dist.is_initialized():
                dist.destroy_process_group()


@contextmanager
def joined(processes: int) -> Iterator[int]:
    """The rank in the group that ``torchrun`` started.

    Raises:
        FfreproError: it has another number of processes.
    """
    own = not dist.is_initialized()
    if own:
        dist.init_process_group("gloo", timeout=SILENCE)
    try:
        if dist.get_world_size() != processes:
            raise FfreproError(
                f"torchrun started {dist.get_world_size()} processes, and fit is asked for {processes}",
                where="processes",
                fix="give both the same number",
            )
        yield dist.get_rank()
    finally:
        if own:
            dist.destroy_process_group()


def by_torchrun() -> bool:
    """Whether ``torchrun``, or a like of it, started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def _named(layers: range) -> str:
    return f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"


def _without(stage: Stage, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if not stage.owns(name)}


def _prepare(method: BaseMethod, stage: Stage, message: Message) -> None:
    """Take over the weights of this stage, the learning rates and what learns in this epoch."""
    _load(method, {name: value for name, value in message.tensors.items() if stage.owns(name)})
    for optimizer, rates in zip(method.optimizers, message.facts["rates"], strict=True):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
    phase: Phase = message.facts["phase"]
    method.begin_phase(phase)
    method.begin_epoch(message.facts["epoch"])


def _load(method: BaseMethod, weights: dict[str, Tensor]) -> None:
    """Load some of ``method.weights()``."""
    own = method.net.state_dict()
    extra = {}
    for name, value in weights.items():
        if name.startswith("extra."):
            extra[name.removeprefix("extra.")] = value
        else:
            own[name].copy_(value)
    method.extra.load_state_dict(extra, strict=False)  # modules beside the net may keep what follows from them


def _means(sums: dict[str, float], total: float, layers: int) -> dict[str, float]:
    """As a step of one process names them: layers bottom up, their sum, the head."""
    own = [f"loss_layer{index}" for index in range(layers) if f"loss_layer{index}" in sums]
    means = {name: sums[name] / total for name in own}
    if own:
        means["loss"] = sum(means.values())
    means |= {name: value / total for name, value in sums.items() if not name.startswith("loss_")}
    if "loss_head" in sums:
        means["loss_head"] = sums["loss_head"] / total
        means.setdefault("loss", means["loss_head"])
    return means
