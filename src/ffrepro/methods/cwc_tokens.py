"""Single-pass Forward-Forward on a transformer: no pairs; classes compete by the goodness of their units.

Each block's units are divided among the classes; the softmax over the classes' goodness (mean square of the rectified
activations of their units, over tokens) learns the label by the cross-entropy, within the block (CwC,
Papachristodoulou et al. 2024, carried over to tokens). Texts bear the neutral label.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import number
from ffrepro.methods.base import Batch, classes_of
from ffrepro.methods.tokens import LocalTokenMethod
from ffrepro.nets.transformer import Layout

VERSION = 1  # of its numbers: tests/golden/cwc_tokens.json
SETTINGS = {
    "steepness": number("factor of the goodness in the softmax", 1.0, above=0),
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
}


class Method(LocalTokenMethod):
    """Class-goodness FF on a net of token blocks.

    Raises:
        FfreproError: the net's width does not divide into the classes.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator, lr)
        self.classes = classes_of(net)
        if net.width % self.classes:
            raise FfreproError(
                f"a width of {net.width} does not divide into {self.classes} classes",
                where="net.width",
                fix="change the width to a multiple of the classes",
            )

    def step(self, batch: Batch) -> Batch:
        """One update of every block; ``loss`` (summed over layers), ``loss_layer<l>``."""
        out: Batch = {}
        z_ND, layout = self.net.embed(batch["x"].long())
        for index in range(self.layers):
            self.optimizers[index].zero_grad()
            z_ND, out[f"loss_layer{index}"] = self.learn_block(index, z_ND, layout, batch["label"])
        return {"loss": torch.stack(list(out.values())).sum(), **out}

    def learn_block(self, index: int, z_ND: Tensor, layout: Layout, label_B: Tensor) -> tuple[Tensor, Tensor]:
        """One update of a block, whose gradients were empty; its activations and mean loss, detached."""
        block = self.net.blocks[index]
        h_ND = block(z_ND, layout, self.draw(block, z_ND))
        loss = F.cross_entropy(self._class_goodness(h_ND, layout), label_B)
        loss.backward()
        self.optimizers[index].step()
        return h_ND.detach(), loss.detach()

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``layer_scores`` (B, L, classes), ``scores_goodness``: summed over layers, ``loss`` (B, L)."""
        g_BLC = self._layers(batch["x"].long())
        label_BL = batch["label"].unsqueeze(1).expand(-1, self.layers)
        loss_BL = F.cross_entropy(g_BLC.transpose(1, 2), label_BL, reduction="none")
        return {"layer_scores": g_BLC, "scores_goodness": g_BLC.sum(1), "loss": loss_BL}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes): goodness summed over layers, whatever the inference scheme."""
        return self._layers(inputs["x"].long()).sum(1)

    def _layers(self, x_BT: Tensor) -> Tensor:
        z_ND, layout = self.net.embed(x_BT)
        goods = []
        for block in self.net.blocks:
            z_ND = block(z_ND, layout)
            goods.append(self._class_goodness(z_ND, layout))
        return torch.stack(goods, 1)

    def _class_goodness(self, z_ND: Tensor, layout: Layout) -> Tensor:
        """(B, classes)."""
        square_NC = F.relu(z_ND).square().unflatten(1, (self.classes, -1)).mean(2)
        return self.hp["steepness"] * layout.mean(square_NC)
