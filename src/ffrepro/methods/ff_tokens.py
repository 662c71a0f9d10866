"""Forward-Forward on a transformer by pairs of positive and negative texts (Kim & Yoo 2025, Sec. 3.3 and 3.4).

A positive text bears its own label and a negative one a wrong label (``negatives: label``); or both bear the neutral
label and the negative one is corrupted: its words in another order, random words, noise on its embeddings. Each block
raises the goodness of the former above that of the latter by a margin, and sees the block below only through its layer
norm, without a gradient.

Where a pair's margin is met the hinge has no gradient. ``active_set`` leaves such pairs out of the backward pass: a
block's forward pass runs without a graph, and the pairs that are active run again with one, under the same dropout.
That pays below two thirds of active pairs; above (by the last step's share) all pairs run with a graph at once.

``hinge``: of each layer; ``aggregated``, of the goodness summed over layers (Eq. 2); ``none``, the difference itself
(Eq. 4). ``pass_on: nothing`` is Table 5 to the letter: every layer sees the embedded text.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, flag, number
from ffrepro.core import token_negatives
from ffrepro.data import label_negatives
from ffrepro.methods.base import Batch, classes_of
from ffrepro.methods.token_pairs import Again, PairMethod
from ffrepro.nets.transformer import Layout

VERSION = 1  # of its numbers: tests/golden/ff_tokens.json
WORTH_IT = 2 / 3
"""Share of active pairs below which running them again costs less than a graph of all."""
SETTINGS = {
    "negatives": choice("how a negative text differs", "label", "swap", "random", "noise", default="label"),
    "corrupted": number("share of a negative's words that are swapped or replaced", 0.15, above=0, maximum=1),
    "noise_std": number("standard deviation of the noise on embeddings", 0.1, above=0),
    "label": choice("which tokens bear the label: the first, or all", "token", "everywhere", default="everywhere"),
    "goodness": choice(
        "mean or sum of squared activations, the root of the sum, or mean activation",
        "mean",
        "sum",
        "norm",
        "linear",
        default="mean",
    ),
    "goodness_of": choice("what a goodness is of", "sample", "token", "batch", default="sample"),
    "goodness_activation": choice("non-linearity before the goodness", "relu", "sigmoid", "none", default="relu"),
    "hinge": choice("of each layer, of their sum, or none", "layer", "aggregated", "none", default="layer"),
    "delta": number("margin of the hinge", 1.0, minimum=0),
    "margin": choice("fixed, or moved towards half of the pairs active", "fixed", "adaptive", default="fixed"),
    "pass_on": choice("what a layer gets from the one below", "normalised", "nothing", default="normalised"),
    "active_set": flag("leave pairs whose margin is met out of the backward pass", False),
    "checkpoint": flag("recompute a block's activations in its backward pass instead of keeping them", False),
    "l1": number("penalty on absolute weights", 0.0, minimum=0),
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
}
_MARGIN_STEP = 0.05  # of an adaptive margin, relative, at no or all pairs active


class Method(PairMethod):
    """FF on a net of token blocks.

    Raises:
        FfreproError: an active set of what has no pairs of samples.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator, lr)
        self.classes = classes_of(net)
        alone = hyperparameters["hinge"] == "layer" and hyperparameters["goodness_of"] == "sample"
        if hyperparameters["active_set"] and not (alone and hyperparameters["negatives"] != "noise"):
            raise FfreproError(
                "an active set is of pairs of samples with a hinge of their own in each layer, and of token ids",
                where="method.active_set",
                fix="set `goodness_of` to sample, `hinge` to layer and `negatives` to label, swap or random",
            )

    def step(self, batch: Batch) -> Batch:
        """One update of every block.

        Returns:
            ``loss`` (summed over layers), ``loss_layer<l>``, and ``active_layer<l>``, the share of active pairs.
        """
        x_BT, label_B = self.pairs(batch)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        start_ND, layout = self._embed(x_BT, label_B)
        _, out = self.learn(x_BT, start_ND, layout, lambda which: self._embed(x_BT[which], label_B[which])[0])
        losses = [value for name, value in out.items() if name.startswith("loss_layer")]
        return out | {"loss": torch.stack(losses).sum()}

    def pairs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Token ids (2B, T) and labels (2B,): positive samples and, in their order, a negative one of each."""
        x_BT = batch["x"].long()
        kind = self.hp["negatives"]
        if kind == "label":
            wrong_B = label_negatives.wrong_labels(batch["label"], self.classes, self.generator)
            return torch.cat([x_BT, x_BT]), torch.cat([batch["label"], wrong_B])
        negative_BT = x_BT
        if kind != "noise":
            where_BT = token_negatives.chosen_positions(x_BT, self.hp["corrupted"], self.generator)
            if kind == "swap":
                negative_BT = token_negatives.swap_positions(x_BT, where_BT, self.generator)
            else:
                negative_BT = token_negatives.random_tokens(x_BT, where_BT, self.pool(x_BT != 0, x_BT), self.generator)
        neutral_B = torch.full((2 * len(x_BT),), self.net.neutral, device=x_BT.device)
        return torch.cat([x_BT, negative_BT]), neutral_B

    def _embed(self, x_BT: Tensor, label_B: Tensor) -> tuple[Tensor, Layout]:
        z_ND, layout = self.net.embed(x_BT, label_B, everywhere=self.hp["label"] == "everywhere")
        if self.hp["negatives"] == "noise" and torch.is_grad_enabled():
            half = len(z_ND) // 2
            noise = torch.randn(half, z_ND.shape[1], generator=self.generator).to(z_ND)
            z_ND = torch.cat([z_ND[:half], z_ND[half:] + self.hp["noise_std"] * noise])
        return z_ND, layout

    def _penalty(self, block: nn.Module) -> Tensor | float:
        if not self.hp["l1"]:
            return 0.0
        return self.hp["l1"] * torch.stack([p.abs().sum() for p in block.parameters() if p.ndim > 1]).sum()

    def _learn_block(
        self, index: int, z_ND: Tensor, layout: Layout, drops: Any, again: Again | None
    ) -> tuple[Tensor, Tensor]:
        if not (self.hp["active_set"] and self.shares[index] < WORTH_IT):
            return super()._learn_block(index, z_ND, layout, drops, again)
        block = self.net.blocks[index]
        with torch.no_grad():
            h_ND = block(z_ND, layout, drops)
            loss_P = self._pair_loss(index, self.goodness(h_ND, layout))
        active = (loss_P > 0).nonzero().squeeze(1)
        penalty = self._penalty(block)
        if len(active):
            which = torch.cat([active, active + len(loss_P)])
            some, rows = layout.some(which)
            z_nD = again(which) if index == 0 and again is not None else z_ND[rows]
            h_nD = self.run(block, z_nD, some, [drop if drop is None else drop[rows] for drop in drops])
            penalty = penalty + self._pair_loss(index, self.goodness(h_nD, some)).sum() / len(loss_P)
        else:
            # Their gradient is zero, not absent: Adam moves on by its moments, as with all pairs.
            for parameter in self.optimizers[index].param_groups[0]["params"]:
                parameter.grad = torch.zeros_like(parameter)
        if isinstance(penalty, Tensor):
            penalty.backward()
        return h_ND, loss_P

    def _count(self, index: int, loss_P: Tensor, out: Batch) -> None:
        super()._count(index, loss_P, out)
        if self.hp["hinge"] != "none" and self.hp["margin"] == "adaptive":
            self.margins[index] *= 1 + _MARGIN_STEP * (1 - 2 * self.shares[index])

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``layer_scores`` (B, L, classes): a sample's goodness under each label. ``scores_goodness``: summed over
            layers. ``loss`` (B, L): the hinge against one fixed wrong label; (B, 1) where it is of all layers together.
        """
        label_B = batch["label"]
        g_BLC = self._all_labels(batch["x"].long())
        wrong_B = (label_B + 1 + batch["index"] % (self.classes - 1)) % self.classes
        both = torch.stack([label_B, wrong_B], 1)[:, None, :].expand(-1, self.layers, -1)
        positive_BL, negative_BL = g_BLC.gather(2, both).unbind(2)
        if self.hp["hinge"] == "aggregated":
            positive_BL, negative_BL = (g_BL.sum(1, keepdim=True) for g_BL in (positive_BL, negative_BL))
        loss_BL = [
            self._pair_loss(index, torch.cat([positive_BL[:, index], negative_BL[:, index]]))
            for index in range(positive_BL.shape[1])
        ]
        return {"layer_scores": g_BLC, "scores_goodness": g_BLC.sum(1), "loss": torch.stack(loss_BL, 1)}

    def _all_labels(self, x_BT: Tensor) -> Tensor:
        """Goodness (B, L, classes) of samples under every label."""
        size = len(x_BT)
        label = torch.arange(self.classes, device=x_BT.device).repeat_interleave(size)
        z_ND, layout = self._embed(x_BT.repeat(self.classes, 1), label)
        start, goods = z_ND, []
        for index, block in enumerate(self.net.blocks):
            z_ND = block(start if index and self.hp["pass_on"] == "nothing" else z_ND, layout)
            goods.append(self._good(z_ND, layout.sample_N, len(layout.count_B)).view(self.classes, size).T)
        return torch.stack(goods, 1)

    def pair_goodness(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Goodness of each positive text and of a negative one of it, (B,) each, summed over layers; nothing learns."""
        x_BT, label_B = self.pairs(batch)
        with torch.enable_grad():  # else noise, which is no part of evaluation, would be left out
            start_ND, layout = self._embed(x_BT, label_B)
        with torch.no_grad():
            z_ND, total_B = start_ND, torch.zeros(len(x_BT), dtype=start_ND.dtype, device=x_BT.device)
            for index, block in enumerate(self.net.blocks):
                z_ND = block(start_ND if index and self.hp["pass_on"] == "nothing" else z_ND, layout)
                total_B = total_B + self._good(z_ND, layout.sample_N, len(x_BT))
        positive_B, negative_B = total_B.chunk(2)
        return positive_B, negative_B

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes): goodness summed over layers, whatever the inference scheme."""
        return self._all_labels(inputs["x"].long()).sum(1)

    def state_dict(self) -> dict:
        """State of the base class, the margins and the shares of active pairs."""
        return super().state_dict() | {"margins": self.margins, "shares": self.shares}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        super().load_state_dict(state)
        self.margins, self.shares = list(state["margins"]), list(state["shares"])
