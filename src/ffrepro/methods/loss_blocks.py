"""Blocks of a cut net that learn by a loss of one's own, a function; classes are read off the head."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import only
from ffrepro.methods import local_cuts
from ffrepro.methods.base import Batch
from ffrepro.methods.local_cuts import LocalCuts

Loss = Callable[[Tensor, Tensor], Tensor]
"""(a block's activations, labels (B,)) -> the loss of each sample (B,), or their mean."""
SETTINGS: dict[str, Any] = {
    name: value for name, value in local_cuts.SETTINGS.items() if name not in ("ensemble", "coarse_blocks")
} | {"head": only(local_cuts.SETTINGS["head"], "own", "all", default="own")}


class LossBlocks(LocalCuts):
    """A cut net whose blocks minimise ``function``. Batches: ``x`` (B, ...), ``label`` (B,).

    Raises:
        FfreproError: see ``LocalCuts``.
    """

    function: Loss

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters | {"ensemble": [], "coarse_blocks": 0}, example, generator, lr)

    def loss(self, block: int, h: Tensor, label_B: Tensor) -> Tensor:
        """The mean of the function's losses."""
        return self._losses(h, label_B).mean()

    def _losses(self, h: Tensor, label_B: Tensor) -> Tensor:
        """What the function returns, (B,) or ().

        Raises:
            FfreproError: something else.
        """
        found = self.function(h, label_B)
        size = len(label_B)
        if not isinstance(found, Tensor) or found.shape not in ((), (size,)) or not found.is_floating_point():
            kind = f"{found.dtype} of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise FfreproError(
                f"the loss returns a {kind} for activations of shape {tuple(h.shape)}",
                where="method",
                fix=f"return the loss of each sample, shape ({size},), or their mean, shape ()",
            )
        return found

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``scores_head`` (B, classes): the head's logits. ``layer_loss`` (B, L); ``loss`` (B, L + 1): also its."""
        label_B = batch["label"]
        losses, logits = self.forward(batch, lambda _, h: self._losses(h, label_B).expand(len(label_B)), head=True)
        assert logits is not None
        every = [*losses, F.cross_entropy(logits, label_B, reduction="none")]
        return {"scores_head": logits, "layer_loss": torch.stack(losses, 1), "loss": torch.stack(every, 1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes): the head's logits."""
        logits = self.forward(inputs, lambda _, h: h.new_empty(0), head=True)[1]
        assert logits is not None
        return logits


def method_of(function: Loss) -> SimpleNamespace:
    """A method, as a file of this folder defines one, that minimises a function of activations and labels.

    Raises:
        FfreproError: the function has weights: they would belong to every block.
    """
    if isinstance(function, nn.Module) and next(function.parameters(), None) is not None:
        raise FfreproError(
            f"the loss {type(function).__name__} has weights of its own, and there is one loss for all blocks",
            where="method",
            fix="give a function of (activations, labels) without weights",
        )
    return SimpleNamespace(
        SETTINGS=SETTINGS, Method=type("Method", (LossBlocks,), {"function": staticmethod(function)})
    )
