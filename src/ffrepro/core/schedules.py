"""Learning-rate schedules as plain state machines: their state is a dict, so that a resume is exact."""

from __future__ import annotations

import math


class Plateau:
    """Multiply the learning rate by ``factor`` after ``epochs`` epochs in a row without improvement.

    An improvement is a value below ``best * (1 - threshold)``. PyTorch's ``ReduceLROnPlateau(patience=p)`` is
    ``epochs = p + 1``.
    """

    def __init__(self, lr: float, epochs: int, factor: float, threshold: float):
        self.lr, self.epochs, self.factor, self.threshold = lr, epochs, factor, threshold
        self.best, self.flat = math.inf, 0

    def update(self, value: float) -> float:
        """Count an epoch that ended with ``value``; the learning rate of the next one."""
        if value < self.best * (1 - self.threshold):
            self.best, self.flat = value, 0
        else:
            self.flat += 1
            if self.flat >= self.epochs:
                self.lr, self.flat = self.lr * self.factor, 0
        return self.lr

    def state_dict(self) -> dict:
        """What changes from epoch to epoch."""
        return {"lr": self.lr, "best": self.best, "flat": self.flat}

    def load_state_dict(self, state: dict) -> None:
        """Go on from ``state_dict``."""
        self.lr, self.best, self.flat = state["lr"], state["best"], state["flat"]


class EarlyStop:
    """Stop after ``epochs`` epochs in a row that did not beat the best value."""

    def __init__(self, epochs: int):
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
        """What changes from epoch to epoch."""
        return {"best": self.best, "flat": self.flat, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict) -> None:
        """Go on from ``state_dict``."""
        self.best, self.flat, self.best_epoch = state["best"], state["flat"], state["best_epoch"]
