"""Trainer of a method on a task: phases, epochs, validation, early stopping and best weights.

It needs no plan and no record: ``training.loop`` gives it those of a run, and a caller of the library none.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from ffrepro.core import schedules, seeds
from ffrepro.data.task import Arrays, Task
from ffrepro.methods.base import BaseMethod
from ffrepro.training import evaluate


class Trainer:
    """Trains a method to the end of its phases; its state is a dict, so that a resume is exact.

    Args:
        settings: ``max_epochs`` of a phase that names none, ``schedule``, ``lr`` and the settings of that schedule;
            maybe ``early_stop_epochs`` and ``final_weights``: ``best`` (the default) or ``last``.
        order: the generator that draws the order of the samples; its seed is that of each epoch's dropout too.
        autocast: makes the context of each training step.
        name: of the run, for messages.

    Attributes:
        epoch: finished epochs of all phases together. phase_epoch: of the current one.
        ended: the finished phases, as ``train`` returns them.
        best_weights: of the best validation epoch of the phase or, ``final_weights: last``, of the last one.
    """

    def __init__(
        self,
        method: BaseMethod,
        task: Task,
        settings: dict,
        *,
        order: torch.Generator,
        autocast: Callable[[], AbstractContextManager] = nullcontext,
        name: str = "training",
    ):
        self.method, self.task, self.settings, self.order = method, task, settings, order
        self.autocast, self.name = autocast, name
        self.phases = method.phases()
        self.validates = "val" in task.counts()
        self.epoch, self.ended = 0, []
        self.best_weights = copy.deepcopy(method.weights())
        self._device = next(method.net.parameters()).device
        self._begin_phase()

    def _begin_phase(self) -> None:
        self.max_epochs = self.epochs_of(len(self.ended))
        self.method.begin_schedule(self.settings, self.max_epochs)
        self.early = schedules.EarlyStop(self.settings.get("early_stop_epochs", math.inf))
        self.phase_epoch = 0

    def epochs_of(self, phase: int) -> int:
        """The most epochs of a phase."""
        return self.phases[phase].epochs or self.settings["max_epochs"]

    @property
    def total(self) -> int:
        """The most epochs of all phases together."""
        return sum(map(self.epochs_of, range(len(self.phases))))

    def train(self, on_epoch: Callable[[dict], None] = lambda line: None) -> dict:
        """Run all phases to their ends; ``best_weights`` then holds the selected weights.

        Args:
            on_epoch: called after each epoch with its line of metrics (docs/ARCHITECTURE.md, metrics.jsonl).

        Returns:
            ``epochs``, ``best_epoch``, ``max_epochs``, ``stopped_by`` (of the last phase), ``layers`` and ``phases``:
            of each ``name``, ``epochs``, ``max_epochs``, ``stopped_by``.

        Raises:
            FfreproError: a loss, or the watched metric, is not finite.
        """
        while True:
            phase = self.phases[len(self.ended)]
            self.method.begin_phase(phase)
            while self.phase_epoch < self.max_epochs and not self._stops():
                on_epoch(self.run_epoch(phase.name))
            stopped_by = "early_stopping" if self._stops() else "max_epochs"
            self.ended.append({
                "name": phase.name, "epochs": self.phase_epoch, "max_epochs": self.max_epochs, "stopped_by": stopped_by,
            })  # fmt: skip
            if len(self.ended) == len(self.phases):
                return {
                    "epochs": self.epoch,
                    "best_epoch": self.epoch - self.phase_epoch + self.early.best_epoch,
                    "max_epochs": self.total,
                    "stopped_by": stopped_by,
                    "layers": self.method.layers,
                    "phases": self.ended,
                }
            self.method.load_weights(self.best_weights)
            self._begin_phase()

    def _stops(self) -> bool:
        """Whether the phase ends, by early stopping or by its method."""
        return self.early.stop or (self.phase_epoch > 0 and self.method.phase_done())

    def run_epoch(self, phase: str) -> dict:
        """Run one epoch with validation, schedules and early stopping; return its line of metrics."""
        rates = self.method.rates()
        self.method.begin_epoch(self.phase_epoch)
        begin = time.perf_counter()
        with seeds.drawing(self._device, *self.draws()):
            train = self.learn()
            seconds = time.perf_counter() - begin
            val = self.task.metrics(self.evaluate_split("val")) if self.validates else {}
        self.epoch += 1
        self.phase_epoch += 1
        self.refuse_nan({f"train/{name}": value for name, value in train.items()} | self.judged("val", val))
        value = evaluate.watched(self.task, val) if self.validates else -self.phase_epoch  # without: the last is best
        best = self.early.update(value, self.phase_epoch)
        if best or self.settings.get("final_weights") == "last":
            self.best_weights = copy.deepcopy(self.method.weights())
        self.method.end_epoch(train, val)
        return {
            "epoch": self.epoch, "phase": phase, **rates, "seconds": seconds,
            **{f"train/{name}": value for name, value in train.items()},
            **{f"val/{name}": value for name, value in val.items()},
        }  # fmt: skip

    def draws(self) -> tuple[str, int, int]:
        """What the current epoch's seed of PyTorch's global generators is derived from, so that a resume is exact."""
        return "draws", self.order.initial_seed(), self.epoch

    def learn(self) -> dict[str, float]:
        """A step on every batch of an epoch; means of what the steps returned, by name."""
        sums: dict[str, torch.Tensor] = {}
        total = 0
        for batch in self.task.epoch(self.order):
            weight = self.task.weight(batch)
            with self.autocast():
                step = self.method.step(batch)
            for name, value in step.items():
                sums[name] = sums.get(name, 0.0) + value * weight
            total += weight
        return {name: float(value) / total for name, value in sums.items()}

    def evaluate_split(self, split: str) -> Arrays:
        """Per-sample results of a split."""
        return evaluate.evaluate_split(self.method, self.task, split)

    def judged(self, split: str, metrics: dict[str, float]) -> dict[str, float]:
        """The loss and the watched metric of a split, which have to be finite."""
        return {f"{split}/{name}": metrics[name] for name in ("loss", self.task.watch[0]) if name in metrics}

    def refuse_nan(self, values: dict[str, float]) -> None:
        """Stop with a message that names the values that are not finite."""
        evaluate.refuse_nan(values, where=self.name, epoch=self.epoch, lr=self.method.rates()["lr"])

    def state_dict(self) -> dict:
        """State that a resume needs."""
        return {
            "method": self.method.state_dict(),
            "best_weights": self.best_weights,
            "order": self.order.get_state(),
            "schedules": [schedule.state_dict() for schedule in self.method.schedules],
            "early": self.early.state_dict(),
            "epoch": self.epoch,
            "phase_epoch": self.phase_epoch,
            "ended": self.ended,
        }

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        self.epoch, self.ended = state["epoch"], list(state["ended"])
        self._begin_phase()
        self.method.load_state_dict(state["method"])  # the optimizers' learning rates among it
        for schedule, saved in zip(self.method.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        self.best_weights = state["best_weights"]
        self.order.set_state(state["order"])
        self.early.load_state_dict(state["early"])
        self.phase_epoch = state["phase_epoch"]
