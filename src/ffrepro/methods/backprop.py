"""Backpropagation on the same blocks and head: the baseline of every local image classifier.

``checkpoint`` and ``micro_batches`` are what one would use to save memory without leaving backpropagation. The former
changes no number; the latter has BatchNorm see the statistics of each micro-batch.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ffrepro.base.settings import flag, integer, number
from ffrepro.methods import images
from ffrepro.methods.base import BaseMethod, Batch, classes_of
from ffrepro.nets.layers import initialise, seen_again

VERSION = 1  # of its numbers: tests/golden/backprop.json
SETTINGS = {
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
    "checkpoint": flag("recompute activations in the backward pass instead of keeping them", False),
    "micro_batches": integer("parts of a batch whose gradients are accumulated", 1, minimum=1),
}


class Method(BaseMethod):
    """End-to-end training by cross-entropy at the output.

    A net without a head (``nets.mlp``, the original nets of ``nets.cnn``) gets a linear map on its last activations.
    Batches: ``x`` (B, C, H, W), ``label`` (B,).
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters)
        if getattr(net, "head", None) is None:
            readout = nn.Linear(math.prod(net.shapes[-1]), classes_of(net))
            initialise(readout, "torch_default", generator)
            self.extra = nn.ModuleDict({"readout": readout.to(example["x"])})
        self.conv = images.lay_out(net)
        self.parameters = [*net.parameters(), *self.extra.parameters()]
        self.add_optimizer(self.parameters, lr, hyperparameters["weight_decay"])

    def step(self, batch: Batch) -> Batch:
        """One update; ``loss`` is the batch's mean cross-entropy."""
        self.net.train()
        optimizer = self.optimizers[0]
        optimizer.zero_grad()
        x, label_B = images.take(batch, self.conv), batch["label"]
        total = torch.zeros((), device=x.device)
        size = -(-len(x) // self.hp["micro_batches"])
        for some_x, some_label in zip(x.split(size), label_B.split(size), strict=True):
            loss = F.cross_entropy(self._logits(some_x), some_label, reduction="sum") / len(x)
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return {"loss": total}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``scores_one_pass`` (B, classes): logits. ``loss`` (B, 1)."""
        self.net.eval()
        logits_BJ = self._logits(images.take(batch, self.conv))
        loss_B = F.cross_entropy(logits_BJ, batch["label"], reduction="none")
        return {"scores_one_pass": logits_BJ, "loss": loss_B.unsqueeze(1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) logits, whatever the inference scheme."""
        self.net.eval()
        return self._logits(images.take(inputs, self.conv))

    def _logits(self, x: Tensor) -> Tensor:
        activations = []
        for block in self.net.blocks:
            if self.hp["checkpoint"] and torch.is_grad_enabled():
                x = checkpoint(block, x, use_reentrant=False, context_fn=partial(_contexts, block))
            else:
                x = block(x)
            activations.append(x)
        if "readout" in self.extra:
            return self.extra["readout"](x.flatten(1))
        return self.net.head(activations)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager, AbstractContextManager]:
    """Contexts of a checkpointed block's forward pass and of its recomputation."""
    return nullcontext(), seen_again(block)
