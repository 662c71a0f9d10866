"""Local learning from pairs of positive and negative texts: the common part of Forward-Forward's methods for tokens.

Positive and negative texts go through a block in one batch, the positive ones first, in the same order. See
``ff_tokens`` for the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ffrepro.core import token_goodness
from ffrepro.methods.base import Batch
from ffrepro.methods.tokens import LocalTokenMethod
from ffrepro.nets.transformer import Layout

Again = Callable[[Tensor], Tensor]
"""Embeds some samples of a batch (their indices) once more."""


class PairMethod(LocalTokenMethod):
    """Blocks that raise the goodness of positive texts above that of negative ones.

    Attributes:
        margins: of each layer's hinge. shares: of each layer's active pairs in the last step.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator, lr)
        self.margins = [float(hyperparameters["delta"])] * self.layers
        self.shares = [1.0] * self.layers

    def learn(self, x_BT: Tensor, start_ND: Tensor, layout: Layout, again: Again | None = None) -> tuple[Tensor, Batch]:
        """One update of every block.

        Args:
            x_BT: token ids of both halves, embedded as ``start_ND``, with a graph.
            again: see ``Again``; of an active set alone.

        Returns:
            The last block's activations, detached; ``loss_layer<l>`` and ``active_layer<l>``, the share of pairs with a
            gradient; of one hinge for all layers both under layer 0.
        """
        if self.hp["hinge"] == "aggregated":
            return self._learn_together(x_BT, start_ND, layout)
        out: Batch = {}
        z_ND = start_ND
        for index, block in enumerate(self.net.blocks):
            z_ND = self._entering(index, z_ND, start_ND, x_BT)
            h_ND, loss_P = self._learn_block(index, z_ND, layout, self.draw(block, z_ND, 2), again)
            self.optimizers[index].step()
            z_ND = h_ND.detach()
            self._count(index, loss_P.detach(), out)
        return z_ND, out

    def pool(self, own_BT: Tensor, x_BT: Tensor, kind: int = 0) -> Tensor:
        """Token ids that random words are drawn from: those of the training texts, as often as they occur.

        The pipeline's tasks give the net these (``pools``, one for each kind of text that a sample is made of). A net
        without them gets a batch's own tokens.

        Args:
            own_BT: the words of that kind in the batch ``x_BT``.
        """
        pools = getattr(self.net, "pools", None)
        return x_BT[own_BT] if pools is None else pools[kind]

    def goodness(self, z_ND: Tensor, layout: Layout, rows: Tensor | None = None) -> Tensor:
        """Of each sample, token or half of the batch (positive, negative), as ``goodness_of`` says.

        Args:
            rows: those that count; None: all.
        """
        of, size, sample_N = self.hp["goodness_of"], len(layout.count_B), layout.sample_N
        if rows is not None:
            z_ND, sample_N = z_ND[rows], sample_N[rows]
        group_N = {"token": None, "sample": sample_N, "batch": sample_N // (size // 2)}[of]
        return self._good(z_ND, group_N, 2 if of == "batch" else size)

    def _good(self, z_ND: Tensor, group_N: Tensor | None, groups: int) -> Tensor:
        share_N = token_goodness.of_tokens(z_ND, self.hp["goodness"], self.hp["goodness_activation"])
        return token_goodness.of_groups(share_N, group_N, groups, z_ND.shape[1], self.hp["goodness"])

    def _entering(self, index: int, z_ND: Tensor, start_ND: Tensor, x_BT: Tensor) -> Tensor:
        """What a block gets: the activations below, or the embedded text where nothing is passed on."""
        below_ND = start_ND.detach() if index and self.hp["pass_on"] == "nothing" else z_ND
        return self.net.enter(index, below_ND, x_BT)

    def _learn_block(
        self, index: int, z_ND: Tensor, layout: Layout, drops: Any, again: Again | None
    ) -> tuple[Tensor, Tensor]:
        """A block's activations and each pair's loss, whose gradients are left in the block."""
        block = self.net.blocks[index]
        h_ND = self.run(block, z_ND, layout, drops)
        loss_P = self._pair_loss(index, self.goodness(h_ND, layout, self.net.rows(index, layout)))
        (loss_P.mean() + self._penalty(block)).backward()
        return h_ND, loss_P

    def _learn_together(self, x_BT: Tensor, start_ND: Tensor, layout: Layout) -> tuple[Tensor, Batch]:
        """One hinge on the goodness summed over layers; each layer's part of its gradient stays in the layer."""
        out: Batch = {}
        z_ND, goods = start_ND, []
        for index, block in enumerate(self.net.blocks):
            z_ND = self._entering(index, z_ND, start_ND, x_BT)
            h_ND = self.run(block, z_ND, layout, self.draw(block, z_ND, 2))
            goods.append(self.goodness(h_ND, layout, self.net.rows(index, layout)))
            z_ND = h_ND.detach()
        loss_P = self._pair_loss(0, torch.stack(goods).sum(0))
        (loss_P.mean() + sum(self._penalty(block) for block in self.net.blocks)).backward()
        for optimizer in self.optimizers[: self.layers]:
            optimizer.step()
        self._count(0, loss_P.detach(), out)
        return z_ND, out

    def _pair_loss(self, index: int, g: Tensor) -> Tensor:
        positive_P, negative_P = g.chunk(2)
        if self.hp["hinge"] == "none":
            return negative_P - positive_P
        return token_goodness.hinge(positive_P, negative_P, self.margins[index])

    def _penalty(self, block: torch.nn.Module) -> Tensor | float:
        """What is added to a block's loss."""
        return 0.0

    def _count(self, index: int, loss_P: Tensor, out: Batch) -> None:
        """Put a layer's loss and share of active pairs into ``out``."""
        out[f"loss_layer{index}"] = loss_P.mean()
        if self.hp["hinge"] != "none":
            share = (loss_P > 0).to(loss_P.dtype).mean()
            out[f"active_layer{index}"] = share
            self.shares[index] = float(share)
