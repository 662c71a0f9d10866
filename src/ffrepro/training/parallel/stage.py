"""What every stage is: some consecutive layers, and what it takes and gives."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.methods.base import Batch

READ = "read"  # the name, with a layer's number behind it, of activations that the head reads


class Stage:
    """Some consecutive layers of a method's net.

    Args:
        method: on the whole net; only the stage's layers change.
        layers: of this stage.
        example: a batch.

    Attributes:
        first, last: whether there is no stage below, above.
    """

    def __init__(self, method: Any, layers: range, example: Batch):
        self.method, self.layers = method, layers
        self.first, self.last = layers.start == 0, layers.stop == method.layers

    def begin(self, batch: Batch) -> Batch:
        """What the first layer takes, of a batch; called in the first stage alone."""
        raise NotImplementedError

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """One update of every layer of the stage that learns in this phase.

        Returns:
            the losses by name, without their sum; what the next stage takes, empty in the last one.
        """
        raise NotImplementedError

    def owns(self, name: str) -> bool:
        """Whether a tensor of ``method.weights()`` changes in this stage."""
        place = name.removeprefix("extra.")
        for prefix in ("blocks.", "auxiliary"):
            if place.startswith(prefix):
                return int(place.removeprefix(prefix).split(".")[0]) in self.layers
        return self.last


def read_activations(taken: Batch) -> list[Tensor]:
    """The activations for the head, bottom up."""
    found = {int(name.removeprefix(READ)): value for name, value in taken.items() if name.startswith(READ)}
    return [found[index] for index in sorted(found)]


def refused(what: str, fix: str) -> FfreproError:
    """The error that says what cannot be shared."""
    return FfreproError(f"{what} cannot learn in several processes", where="processes", fix=fix)
