"""Backpropagation on a transformer: the baseline of the local methods for tokens.

``checkpoint`` and ``micro_batches`` save memory without leaving backpropagation. ``trained: readout`` leaves the net as
it was initialised: the control of frozen random features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.settings import choice, flag, integer, number
from ffrepro.methods.base import Batch, classes_of
from ffrepro.methods.tokens import TokenMethod
from ffrepro.nets.layers import initialise

VERSION = 1  # of its numbers: tests/golden/backprop_tokens.json
SETTINGS = {
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
    "checkpoint": flag("recompute activations in the backward pass instead of keeping them", False),
    "micro_batches": integer("parts of a batch whose gradients are accumulated", 1, minimum=1),
    "trained": choice("the whole net, or the readout on a frozen one", "all", "readout", default="all"),
}


class Method(TokenMethod):
    """End-to-end training by the cross-entropy of a softmax readout on the last block's mean activations."""

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator)
        readout = nn.Linear(net.width, classes_of(net))
        initialise(readout, "torch_default", generator)
        self.extra = nn.ModuleDict({"readout": readout.to(net.tokens.weight)})
        learnt = [] if hyperparameters["trained"] == "readout" else net.parameters()
        self.add_optimizer([*learnt, *self.extra.parameters()], lr, hyperparameters["weight_decay"])

    def step(self, batch: Batch) -> Batch:
        """One update; ``loss`` is the batch's mean cross-entropy."""
        optimizer = self.optimizers[0]
        optimizer.zero_grad()
        x, label_B = batch["x"].long(), batch["label"]
        total = torch.zeros((), device=x.device)
        size = -(-len(x) // self.hp["micro_batches"])
        for some_x, some_label in zip(x.split(size), label_B.split(size), strict=True):
            logits_BC = self._logits(some_x, training=True)
            loss = F.cross_entropy(logits_BC, some_label, reduction="sum") / len(x)
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return {"loss": total}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``scores_one_pass`` (B, classes): logits. ``loss`` (B, 1)."""
        logits_BC = self._logits(batch["x"].long(), training=False)
        loss_B = F.cross_entropy(logits_BC, batch["label"], reduction="none")
        return {"scores_one_pass": logits_BC, "loss": loss_B.unsqueeze(1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) logits, whatever the inference scheme."""
        return self._logits(inputs["x"].long(), training=False)

    def _logits(self, x_BT: Tensor, *, training: bool) -> Tensor:
        with torch.set_grad_enabled(training and self.hp["trained"] == "all"):
            z_ND, layout = self.net.embed(x_BT)
            for block in self.net.blocks:
                drops = block.draw(z_ND, self.generator) if training else None
                z_ND = self.run(block, z_ND, layout, drops)
            pooled_BD = layout.mean(self.net.norm(z_ND))
        return self.extra["readout"](pooled_BD)
