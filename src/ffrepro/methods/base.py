"""Base class of the methods: phases, optimizers and checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.core import schedules

Batch = dict[str, Tensor]  # tensors by name, as the data family delivers them


@dataclass(frozen=True)
class Phase:
    """A stage of training, run to its end before the next one: all layers at once, one greedy layer, or a head on
    frozen features.

    Attributes:
        epochs: at most; None: as many as the run's settings say.
    """

    name: str = "train"
    epochs: int | None = None


class BaseMethod:
    """A net with one optimizer for each separately updated part, and the checkpoint of both."""

    recurrent = False  # whether it trains a ``nets.rnn.Rnn`` on sequences; else a net of blocks on samples
    calibrates = False  # whether a task also decides by a threshold that is best on validation samples
    exits_early = False  # whether a two-class task also measures leaving at the first layer that is sure
    class_groups: int | None = None  # into how many groups of units, one a class, it divides each layer; None: none

    def __init__(self, net: nn.Module, hyperparameters: dict):
        self.net = net
        self.hp = hyperparameters
        self.layers = len(net.blocks)
        self.schedules: list[schedules.Plateau | schedules.ByEpoch] = []
        self.optimizers: list[torch.optim.Optimizer] = []
        self.extra: nn.Module = nn.ParameterDict()  # what is learnt beside the net (a readout, say)

    def add_optimizer(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float | None = None
    ) -> torch.optim.Optimizer:
        """Adam, or SGD with a momentum, in PyTorch's fused form, the fastest of its three on CPU and CUDA alike."""
        if momentum is None:
            optimizer = torch.optim.Adam(list(parameters), lr=lr, weight_decay=weight_decay, fused=True)
        else:
            settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
            optimizer = torch.optim.SGD(list(parameters), **settings, fused=True)
        self.optimizers.append(optimizer)
        return optimizer

    def use_adam(self, **form: bool) -> None:
        """Another form of Adam (``foreach=True``, say) for every optimizer that has not made a step yet."""
        for index, optimizer in enumerate(self.optimizers):
            group = optimizer.param_groups[0]
            decay, lr = group["weight_decay"], group["lr"]
            self.optimizers[index] = torch.optim.Adam(group["params"], lr=lr, weight_decay=decay, **form)

    def phases(self) -> list[Phase]:
        """A single phase that trains the whole net."""
        return [Phase()]

    def begin_phase(self, phase: Phase) -> None:
        """Called by the loop before a phase's first epoch, and again where a run goes on within it."""

    def begin_epoch(self, epoch: int) -> None:
        """Called by the loop before each epoch of a phase, counted from 0."""

    def phase_done(self) -> bool:
        """Whether a phase ends before its last epoch, asked by the loop after each epoch; beside early stopping."""
        return False

    def begin_schedule(self, settings: dict, epochs: int) -> None:
        """Called by the trainer when a phase begins: one schedule for every optimizer.

        A method that overrides this one puts what schedules it likes into ``schedules``; a checkpoint holds them all.

        Args:
            settings: the run's ``training`` settings. epochs: the phase's, at most.
        """
        self.schedules = [schedules.build(settings, epochs)]
        self.set_lr(self.schedules[0].lr)

    def end_epoch(self, train: dict[str, float], val: dict[str, float]) -> None:
        """Called by the trainer after each epoch: the schedule decides on the learning rate of the next one.

        Args:
            train: the epoch's means of what ``step`` returned. val: the task's metrics of the validation part, empty
                where there is none.
        """
        self.set_lr(self.schedules[0].end_epoch(train, val))

    def rates(self) -> dict[str, float]:
        """Learning rates for an epoch's line of metrics: ``lr``, and ``lr_<part>`` with several schedules."""
        return {"lr": self.schedules[0].lr}

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of every optimizer."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr

    def weights(self) -> dict[str, Tensor]:
        """All learnt tensors, by name."""
        return {**self.net.state_dict(), **{f"extra.{k}": v for k, v in self.extra.state_dict().items()}}

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Load what ``weights`` returned."""
        self.net.load_state_dict({k: v for k, v in weights.items() if not k.startswith("extra.")})
        self.extra.load_state_dict({k[6:]: v for k, v in weights.items() if k.startswith("extra.")})

    def state_dict(self) -> dict:
        """State of weights and optimizers; with the trainer's own state, all that a resume needs."""
        return {"weights": self.weights(), "optimizers": [o.state_dict() for o in self.optimizers]}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        self.load_weights(state["weights"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def classes_of(net: nn.Module) -> int:
    """Number of classes that a net was built for.

    Raises:
        FfreproError: for none.
    """
    classes = getattr(net, "classes", None)
    if classes is None:
        raise FfreproError(
            "this method tells classes apart, and the net was built for none",
            where="net",
            fix="choose a task with classes, or set the net's attribute `classes`",
        )
    return classes


def require_two_classes(net: nn.Module) -> None:
    """Refuse a net that was built for another number of classes than two.

    Raises:
        FfreproError: it was.
    """
    if getattr(net, "classes", None) not in (None, 2):
        raise FfreproError(
            f"this method tells two classes apart, the task has {net.classes}",
            where="method",
            fix="choose a method for any number of classes: backprop, ff, cwc",
        )
