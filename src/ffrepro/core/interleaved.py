"""Interleaved layer training (ILT of CwC): the range of epochs in which each layer learns, given or found.

To find them (the SFF paper, Sec. 2.3.4), a first stage goes bottom up, with a phase for each layer: it begins anew with
the initial weights and trains that layer and those below, each of these up to its own stopping epoch, until the layer's
loss has not improved for so many epochs; its best epoch is its stopping epoch. The second stage begins anew and trains
all layers together, each up to its stopping epoch.
"""

from __future__ import annotations

from collections.abc import Sequence

from ffrepro.base.errors import FfreproError
from ffrepro.core.schedules import EarlyStop

_FIND = "find_layer"  # a phase that finds a layer's stopping epoch


class Interleaved:
    """When the layers of a stack learn.

    Args:
        layers: how many there are.
        epochs: the first and the last epoch of each, bottom up; none: all learn in all.
        patience: epochs without a lower loss after which the first stage is done with a layer; None: there is none.

    Raises:
        FfreproError: epochs are given for another number of layers, or are given and to be found.
    """

    def __init__(self, layers: int, epochs: Sequence[Sequence[int]], patience: int | None):
        if epochs and len(epochs) != layers:
            raise FfreproError(
                f"the net has {layers} layers, and epochs to learn in are given for {len(epochs)}",
                where="method.layer_epochs",
                fix="give a range for each layer, bottom up, or [] for all epochs",
            )
        if epochs and patience is not None:
            raise FfreproError(
                "epochs to learn in are given and are to be found as well",
                where="method.layer_epochs",
                fix="give [] with `ilt_patience`, or set that to null",
            )
        self.layers, self.epochs, self.patience = layers, epochs, patience
        self.stops: list[int] = []  # stopping epochs that the first stage has found
        self._flat = EarlyStop(patience or 1)

    def phases(self) -> list[str]:
        """Names of the first stage's phases: none where no epochs are to be found."""
        return [f"{_FIND}{layer}" for layer in range(self.layers) if self.patience is not None]

    @staticmethod
    def finds(phase: str | None) -> int | None:
        """The layer whose stopping epoch a phase finds; None in other phases."""
        if phase is None or not phase.startswith(_FIND):
            return None
        return int(phase.removeprefix(_FIND))

    def begin(self, phase: str | None) -> None:
        """Count from a phase's first epoch."""
        self._flat = EarlyStop(self.patience or 1)
        finds = self.finds(phase)
        if finds is not None:
            self.stops = [*self.stops[:finds], 0]

    def end_epoch(self, phase: str | None, epochs: int, losses: dict[str, float]) -> None:
        """Count the epochs since the layer's loss was lowest.

        Args:
            epochs: that the phase has run. losses: ``loss_layer<l>`` of each layer.
        """
        finds = self.finds(phase)
        if finds is not None:
            self._flat.update(losses[f"loss_layer{finds}"], epochs)
            self.stops[finds] = self._flat.best_epoch

    def done(self, phase: str | None) -> bool:
        """Whether a phase of the first stage is done with its layer."""
        return self.finds(phase) is not None and self._flat.stop

    def learning(self, layers: list[int], phase: str | None, epoch: int) -> list[int]:
        """Which of the ``layers`` that a phase trains learn in its ``epoch``, from 0."""
        if self.stops and layers:
            finds = self.finds(phase)
            below = [layer for layer in range(self.layers) if layer != finds and epoch < self._stop(layer, finds)]
            return sorted([*below, *([] if finds is None else [finds])])
        return [layer for layer in layers if not self.epochs or self.epochs[layer][0] <= epoch < self.epochs[layer][1]]

    def _stop(self, layer: int, finds: int | None) -> int:
        """A layer's stopping epoch; of one above that whose epoch is being found: 0."""
        return self.stops[layer] if finds is None or layer < finds else 0

    def state_dict(self) -> dict:
        """State that changes from epoch to epoch."""
        return {"stops": self.stops, "flat": self._flat.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        self.stops = list(state["stops"])
        self._flat.load_state_dict(state["flat"])
