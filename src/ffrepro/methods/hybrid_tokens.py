"""Hybrids of Forward-Forward and backpropagation on a transformer (Kim & Yoo 2025, Sec. 4.2).

``local: attention`` is FF-Attn: the attention sublayers learn from pairs by Forward-Forward, everything else
(embedding, feed-forward sublayers, readout) by backpropagation of the readout's loss; ``feedforward`` is FF-FFN, the
other way round. Backpropagated gradients pass through the sublayers that learn by FF and never update them; no gradient
of FF leaves its sublayer. The net's blocks are single sublayers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, only
from ffrepro.methods import ff_tokens
from ffrepro.methods.base import Batch, classes_of
from ffrepro.nets.layers import initialise

VERSION = 1  # of its numbers: tests/golden/hybrid_tokens.json
SETTINGS = {
    "local": choice("the sublayers that learn by FF", "attention", "feedforward", default="attention"),
    "negatives": only(ff_tokens.SETTINGS["negatives"], "label", "swap", "random", default="label"),
    "corrupted": ff_tokens.SETTINGS["corrupted"],
    "label": ff_tokens.SETTINGS["label"],
    "goodness": ff_tokens.SETTINGS["goodness"],
    "goodness_of": ff_tokens.SETTINGS["goodness_of"],
    "goodness_activation": ff_tokens.SETTINGS["goodness_activation"],
    "hinge": only(ff_tokens.SETTINGS["hinge"], "layer", "none", default="layer"),
    "delta": ff_tokens.SETTINGS["delta"],
    "weight_decay": ff_tokens.SETTINGS["weight_decay"],
}
_WITHOUT = {"noise_std": 0.0, "margin": "fixed", "pass_on": "normalised", "active_set": False, "l1": 0.0}


class Method(ff_tokens.Method):
    """Sublayers of one kind by FF, the rest by backpropagation.

    Raises:
        FfreproError: blocks of several sublayers, or none of the kind that learns by FF.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters | _WITHOUT, example, generator, lr)
        kinds = [[sublayer.kind for sublayer in block.sublayers] for block in net.blocks]
        self.local = [index for index, found in enumerate(kinds) if found == [hyperparameters["local"]]]
        if not self.local or any(len(found) > 1 for found in kinds):
            raise FfreproError(
                "a hybrid is of blocks of one sublayer each, and trains one kind of them by itself",
                where="net.blocks",
                fix="set `blocks` to sublayer, and `layers` to 1 at least",
            )
        readout = nn.Linear(net.width, classes_of(net))
        initialise(readout, "torch_default", generator)
        self.extra = nn.ModuleDict({"readout": readout.to(net.tokens.weight)})
        self.layers = len(self.local)
        own = {id(parameter) for index in self.local for parameter in net.blocks[index].parameters()}
        self.backward = [p for p in [*net.parameters(), *self.extra.parameters()] if id(p) not in own]
        self.optimizers = []
        for index in self.local:
            self.add_optimizer(net.blocks[index].parameters(), lr, hyperparameters["weight_decay"])
        self.add_optimizer(self.backward, lr, hyperparameters["weight_decay"])

    def step(self, batch: Batch) -> Batch:
        """One update of everything.

        Returns:
            ``loss`` (of all layers and the readout), ``loss_layer<l>`` and ``active_layer<l>`` of the sublayers that
            learn by FF, ``loss_readout``.
        """
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = F.cross_entropy(self._logits(batch["x"].long(), training=True), batch["label"])
        for parameter, grad in zip(
            self.backward, torch.autograd.grad(loss, self.backward, allow_unused=True), strict=True
        ):
            parameter.grad = grad
        out: Batch = {}
        with torch.no_grad():
            z_ND, layout = self._embed(*self.pairs(batch))
        for index, block in enumerate(self.net.blocks):
            drops = self.draw(block, z_ND, 2)
            with torch.set_grad_enabled(index in self.local):
                h_ND = block(z_ND, layout, drops)
            if index in self.local:
                layer = self.local.index(index)
                loss_P = self._pair_loss(layer, self.goodness(h_ND, layout))
                loss_P.mean().backward()
                self._count(layer, loss_P.detach(), out)
            z_ND = h_ND.detach()
        for optimizer in self.optimizers:
            optimizer.step()
        total = torch.stack([out[f"loss_layer{layer}"] for layer in range(self.layers)]).sum() + loss.detach()
        return {"loss": total, **out, "loss_readout": loss.detach()}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """As ``ff_tokens``, of the sublayers that learn by FF; and ``scores_one_pass``, the readout's logits.

        The last column of ``loss`` is the readout's.
        """
        out = super().evaluate_batch(batch)
        logits_BC = self._logits(batch["x"].long(), training=False)
        loss_B = F.cross_entropy(logits_BC, batch["label"], reduction="none")
        return {"scores_one_pass": logits_BC, **out} | {"loss": torch.cat([out["loss"], loss_B.unsqueeze(1)], 1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes): logits, or ``goodness``."""
        if inference == "goodness":
            return super().scores(inputs, inference)
        return self._logits(inputs["x"].long(), training=False)

    def _all_labels(self, x_BT: Tensor) -> Tensor:
        return super()._all_labels(x_BT)[:, self.local]

    def _logits(self, x_BT: Tensor, *, training: bool) -> Tensor:
        z_ND, layout = self.net.embed(x_BT)
        for block in self.net.blocks:
            z_ND = block(z_ND, layout, self.draw(block, z_ND) if training else None)
        return self.extra["readout"](layout.mean(self.net.norm(z_ND)))
