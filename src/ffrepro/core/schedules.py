"""Learning-rate schedules as plain state machines: their state is a dict, so that a resume is exact."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, list_of, number

_FINAL = choice("whether the best validation epoch's weights are tested, or the last's", "best", "last", default="last")
SETTINGS = {  # by schedule
    "plateau": {
        "plateau_on": choice("whose loss must stop improving", "train", "validation", default="validation"),
        "plateau_epochs": integer("flat epochs before the learning rate falls", 5, minimum=1),
        "plateau_factor": number("what the learning rate is multiplied with", 0.5, above=0, below=1),
        "plateau_threshold": number("relative improvement that counts as one", 1e-4, minimum=0),
        "early_stop_epochs": integer("epochs without a better validation before training stops", 10, minimum=1),
    },
    "multistep": {
        "milestones": list_of(integer("", minimum=1), "epochs after which the learning rate falls", []),
        "gamma": number("what the learning rate is multiplied with at a milestone", 0.2, above=0, below=1),
        "final_weights": _FINAL,
    },
    "cosine": {
        "warmup_epochs": integer("epochs of linear warm-up before the half cosine", 0, minimum=0),
        "final_weights": _FINAL,
    },
}


class Plateau:
    """Multiply the learning rate by ``factor`` after ``epochs`` epochs in a row without improvement.

    An improvement is a value below ``best * (1 - threshold)``. PyTorch's ``ReduceLROnPlateau(patience=p)`` is
    ``epochs = p + 1``. ``on``: whose loss ``end_epoch`` takes, ``train`` or ``validation``.
    """

    def __init__(self, lr: float, epochs: int, factor: float, threshold: float, on: str = "validation"):
        self.lr, self.epochs, self.factor, self.threshold, self.on = lr, epochs, factor, threshold, on
        self.best, self.flat = math.inf, 0

    def update(self, value: float) -> float:
        """Count an epoch that ended with ``value``; return the learning rate of the next one."""
        if value < self.best * (1 - self.threshold):
            self.best, self.flat = value, 0
        else:
            self.flat += 1
            if self.flat >= self.epochs:
                self.lr, self.flat = self.lr * self.factor, 0
        return self.lr

    def end_epoch(self, train: dict[str, float], val: dict[str, float]) -> float:
        """Count an epoch by the ``loss`` among its means over the steps, or among its validation metrics.

        Raises:
            FfreproError: there is no such loss.
        """
        values = train if self.on == "train" else val
        if "loss" not in values:
            raise FfreproError(
                f"the plateau schedule needs a loss, and {self.on} has {', '.join(values) or 'no metrics'}",
                where="training.plateau_on",
                fix="set `plateau_on` to train, have the task measure `loss`, or choose another schedule",
            )
        return self.update(values["loss"])

    def state_dict(self) -> dict:
        """State that changes from epoch to epoch."""
        return {"lr": self.lr, "best": self.best, "flat": self.flat}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        self.lr, self.best, self.flat = state["lr"], state["best"], state["flat"]


class ByEpoch:
    """A learning rate that depends on the number of finished epochs alone.

    ``multistep``: times ``gamma`` after each milestone. ``cosine``: linear from 0 over the warm-up, then half a cosine
    down to 0 after the last epoch.
    """

    def __init__(self, settings: dict[str, Any], epochs: int):
        self.settings, self.epochs, self.finished = settings, epochs, 0

    @property
    def lr(self) -> float:
        """Learning rate of the next epoch."""
        s = self.settings
        if s["schedule"] == "multistep":
            return s["lr"] * s["gamma"] ** bisect_right(s["milestones"], self.finished)
        warm = s["warmup_epochs"]
        if self.finished < warm:
            return s["lr"] * (self.finished + 1) / (warm + 1)
        return s["lr"] * 0.5 * (1 + math.cos(math.pi * (self.finished - warm) / max(self.epochs - warm, 1)))

    def update(self, value: float) -> float:
        """Count an epoch; return the learning rate of the next one."""
        self.finished += 1
        return self.lr

    def end_epoch(self, train: dict[str, float], val: dict[str, float]) -> float:
        """Count an epoch; its metrics do not matter."""
        return self.update(math.nan)

    def state_dict(self) -> dict:
        """State that changes from epoch to epoch."""
        return {"finished": self.finished}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        self.finished = state["finished"]


def build(settings: dict[str, Any], epochs: int) -> Plateau | ByEpoch:
    """The schedule of a plan's ``training`` section for a phase of at most ``epochs`` epochs."""
    if settings["schedule"] != "plateau":
        return ByEpoch(settings, epochs)
    s = settings
    return Plateau(s["lr"], s["plateau_epochs"], s["plateau_factor"], s["plateau_threshold"], s["plateau_on"])


class EarlyStop:
    """Stop after ``epochs`` epochs in a row that did not beat the best value; infinity: never."""

    def __init__(self, epochs: float):
        self.epochs, self.best, self.flat, self.best_epoch = epochs, math.inf, 0, 0

    def update(self, value: float, epoch: int) -> bool:
        """Count an epoch that ended with ``value``; True if it is the best so far."""
        if value < self.best:
            self.best, self.flat, self.best_epoch = value, 0, epoch
            return True
        self.flat += 1
        return False

    @property
    def stop(self) -> bool:
        """Whether patience has run out."""
        return self.flat >= self.epochs

    def state_dict(self) -> dict:
        """State that changes from epoch to epoch."""
        return {"best": self.best, "flat": self.flat, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        self.best, self.flat, self.best_epoch = state["best"], state["flat"], state["best_epoch"]
