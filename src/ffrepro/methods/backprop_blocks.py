"""Backpropagation through a whole cut net: the twin of the methods that learn block by block.

``checkpoint`` (block by block) and ``micro_batches`` are what one would use to save memory without leaving
backpropagation. The former changes no number; the latter has BatchNorm see the statistics of each micro-batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ffrepro.base.settings import flag, integer, only
from ffrepro.methods import cuts
from ffrepro.methods.base import Batch
from ffrepro.methods.cuts import HEAD, CutMethod
from ffrepro.nets.cut import feed, first_tensor
from ffrepro.nets.layers import seen_once

VERSION = 1  # of its numbers: tests/golden/backprop_blocks.json
SETTINGS = cuts.SETTINGS | {
    "norm": only(cuts.SETTINGS["norm"], "layer", "none", default="none"),
    "checkpoint": flag("recompute each block's activations in the backward pass instead of keeping them", False),
    "micro_batches": integer("parts of a batch whose gradients are accumulated", 1, minimum=1),
}


class Method(CutMethod):
    """End-to-end training by cross-entropy at the net's output. Batches: ``x`` (B, ...), ``label`` (B,).

    Settings: ``norm``, ``layer`` puts the layer norm of the local methods between the blocks, ``none`` is the plain
    net.

    Raises:
        FfreproError: see ``CutMethod``; the net has no output for each class.
    """

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example)
        self.require_outputs()
        blocks = [parameter for part in self.anatomy.parameters[:-1] for parameter in part]
        self.add_parts({"blocks": blocks, HEAD: self.anatomy.parameters[-1]}, lr, together=True)

    def step(self, batch: Batch) -> Batch:
        """One update; ``loss`` is the batch's mean cross-entropy."""
        self.train()
        x, label_B = self.take(batch), batch["label"]
        total = torch.zeros((), device=label_B.device)
        size = -(-len(label_B) // self.hp["micro_batches"])
        with self._checkpointed():
            for some_x, some_label in zip(_split(x, size), label_B.split(size), strict=True):
                loss = F.cross_entropy(self._logits(some_x), some_label, reduction="sum") / len(label_B)
                loss.backward()
                total = total + loss.detach()
        for part in self.parts:
            self.clip(part)
        self.optimizers[0].step()
        self.optimizers[0].zero_grad()
        return {"loss": total}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``scores_head`` (B, classes): the net's outputs. ``loss`` (B, 1)."""
        logits_BJ = self.scores(batch, "head")
        return {"scores_head": logits_BJ, "loss": F.cross_entropy(logits_BJ, batch["label"], reduction="none")[:, None]}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes): the net's outputs, whatever the inference scheme."""
        self.cut.eval()
        return self._logits(self.take(inputs))[:, : self.classes]

    def _logits(self, x: Any) -> Tensor:
        if self.hp["norm"] == "none":
            return first_tensor(feed(self.cut.model, x))
        out = self.cut.run(x, lambda _, h: self.normalise(h))
        assert out is not None
        return out

    @contextmanager
    def _checkpointed(self) -> Iterator[None]:
        """Inside, every block keeps its input alone, if ``checkpoint`` says so."""
        blocks = self.cut.blocks if self.hp["checkpoint"] else []
        own = [vars(block).get("forward") for block in blocks]
        for block, changed in zip(blocks, [False, *self.anatomy.in_place], strict=False):
            form = {"use_reentrant": False, "context_fn": partial(seen_once, block)}
            forward = partial(_on_copies, block.forward) if changed else block.forward
            block.forward = partial(checkpoint, forward, **form)
        try:
            yield
        finally:
            for block, forward in zip(blocks, own, strict=True):
                del block.forward
                if forward is not None:
                    block.forward = forward


def _on_copies(forward: Callable[..., Any], *inputs: Any) -> Any:
    """A block's forward pass that leaves its inputs as they are: it would change them in place, and runs twice."""
    return forward(*(value.clone() if isinstance(value, Tensor) else value for value in inputs))


def _split(x: Any, size: int) -> Iterator[Any]:
    """Micro-batches of a tensor, or of tuples and dictionaries of tensors."""
    if isinstance(x, dict):
        parts = zip(*(value.split(size) for value in x.values()), strict=True)
        return (dict(zip(x, some, strict=True)) for some in parts)
    if isinstance(x, tuple):
        return zip(*(value.split(size) for value in x), strict=True)
    return iter(x.split(size))
