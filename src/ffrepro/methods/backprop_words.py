"""Backpropagation on a transformer that foretells words: the baseline of ``ff_words``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.settings import choice, flag, integer, number
from ffrepro.methods import words
from ffrepro.methods.base import Batch
from ffrepro.methods.tokens import TokenMethod
from ffrepro.nets.transformer import Layout

VERSION = 1  # of its numbers: tests/golden/backprop_words.json
SETTINGS = {
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
    "checkpoint": flag("recompute activations in the backward pass instead of keeping them", False),
    "micro_batches": integer("parts of a batch whose gradients are accumulated", 1, minimum=1),
    "trained": choice("the whole net, or the readout on a frozen one", "all", "readout", default="all"),
}


class Method(TokenMethod):
    """Cross-entropy of the asked words, end to end.

    Batches: ``x`` (B, T), token ids; ``target`` (B, T + 1), the asked words, 0 where none is.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator)
        self.extra = words.readout(net, generator)
        learnt = [] if hyperparameters["trained"] == "readout" else net.parameters()
        self.add_optimizer([*learnt, *self.extra.parameters()], lr, hyperparameters["weight_decay"])

    def step(self, batch: Batch) -> Batch:
        """One update; ``loss`` is the mean cross-entropy of the asked words.

        Where no word is asked nothing is updated, by Adam's moments neither, and ``loss`` is 0.
        """
        self.optimizers[0].zero_grad()
        x_BT, target_BS = batch["x"], batch["target"]
        total = torch.zeros((), device=x_BT.device)
        count = int((target_BS > 0).sum())
        if not count:
            return {"loss": total}
        size = -(-len(x_BT) // self.hp["micro_batches"])
        for some_x, some_target in zip(x_BT.split(size), target_BS.split(size), strict=True):
            z_ND, layout = self._activations(some_x, training=True)
            rows, true_R = words.asked(some_target, layout)
            loss = F.cross_entropy(self.extra(z_ND[rows]), true_R, reduction="sum") / count
            loss.backward()
            total = total + loss.detach()
        self.optimizers[0].step()
        return {"loss": total}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """As ``words.measured``, and ``loss`` (B, 1), the mean of each sample's asked words."""
        z_ND, layout = self._activations(batch["x"], training=False)
        rows, true_R = words.asked(batch["target"], layout)
        out = words.measured(self.extra, z_ND, rows, true_R, layout, self.net.length)
        return out | {"loss": (out["loss_sum"] / out["count"].clamp(min=1)).unsqueeze(1)}

    @torch.no_grad()
    def next_word(self, x_BT: Tensor) -> Tensor:
        """Logits (B, words) of the word behind every sequence."""
        return words.next_word(self.extra, *self._activations(x_BT, training=False))

    def _activations(self, x_BT: Tensor, *, training: bool) -> tuple[Tensor, Layout]:
        with torch.set_grad_enabled(training and self.hp["trained"] == "all"):
            z_ND, layout = self.net.embed(x_BT)
            for block in self.net.blocks:
                z_ND = self.run(block, z_ND, layout, block.draw(z_ND, self.generator) if training else None)
        return z_ND, layout
