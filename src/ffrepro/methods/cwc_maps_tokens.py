"""Single-pass Forward-Forward on a transformer in which every linear map learns by itself.

As ``cwc_tokens``, but the unit that learns is a linear map: queries, keys and values together, the output of attention,
either half of the feed-forward sublayer, and the embedding, which is one, too. What a map gets is detached, so that a
gradient takes one matrix product (``core.token_map``), attention runs forwards alone, and no activation is kept but
those of a few texts. A layer norm learns with the map behind it. The embedding belongs to the first block's scores.

``gradient: closed_form`` and ``autograd`` give the same numbers but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice
from ffrepro.core import token_map
from ffrepro.core.token_map import Map
from ffrepro.methods import cwc_tokens
from ffrepro.methods.base import Batch, classes_of
from ffrepro.methods.tokens import TokenMethod
from ffrepro.nets.transformer import Attention, FeedForward, Layout, normalised

VERSION = 1  # of its numbers: tests/golden/cwc_maps_tokens.json
SETTINGS = {
    "gradient": choice("of a map: by its formula, or by autograd", "closed_form", "autograd", default="closed_form"),
    "steepness": cwc_tokens.SETTINGS["steepness"],
    "weight_decay": cwc_tokens.SETTINGS["weight_decay"],
}
ROWS = 2048
"""Tokens that are worked on at a time, in whole texts: enough for a fast product, little beside a batch."""

Seen = Callable[[str, Tensor, Tensor, Layout], None]  # a map's name, input, output, and the layout of both


class Method(TokenMethod):
    """Class-goodness FF, map by map.

    Raises:
        FfreproError: the units of a map do not divide into the classes, or a net without blocks.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator)
        self.classes = classes_of(net)
        self.maps: dict[str, tuple[nn.Linear, nn.Module | None]] = {}  # and the layer norm in front of each
        self.block_of = {"embedding": 0}
        for index, block in enumerate(net.blocks):
            for place, sublayer in enumerate(block.sublayers):
                first, second = _maps(sublayer)
                for name, norm in ((first, sublayer.norm_in), (second, None)):
                    full = f"blocks.{index}.sublayers.{place}.{name}"
                    own = getattr(sublayer, name)
                    self.maps[full] = own, norm if isinstance(norm, nn.LayerNorm) else None
                    self.block_of[full] = index
        sizes = {name: own.out_features // _parts(name) for name, (own, _) in self.maps.items()}
        unfit = [f"{size} units of {name}" for name, size in sizes.items() if size % self.classes]
        if unfit or not sizes:
            raise FfreproError(
                f"{unfit[0]} do not divide into {self.classes} classes" if unfit else "the net has no linear maps",
                where="net",
                fix="change `width` and `feedforward` to multiples of the classes, and `layers` to 1 at least",
            )
        learnt = [
            parameter
            for own in self.maps.values()
            for part in own
            if part is not None
            for parameter in part.parameters()
        ]
        self.add_optimizer([*net.embedding(), *learnt], lr, hyperparameters["weight_decay"])

    def step(self, batch: Batch) -> Batch:
        """One update of every map; ``loss`` (summed over maps), ``loss_layer<l>`` (summed over a block's maps)."""
        x_BT, label_B = batch["x"].long(), batch["label"]
        optimizer = self.optimizers[0]
        optimizer.zero_grad()
        size = max(1, ROWS // (x_BT.shape[1] + 1))
        total_L = torch.zeros(self.layers, device=x_BT.device, dtype=self.net.tokens.weight.dtype)
        learn = self._by_formula if self.hp["gradient"] == "closed_form" else self._by_autograd
        learn([*zip(x_BT.split(size), label_B.split(size), strict=True)], len(x_BT), total_L)
        optimizer.step()
        losses = total_L / len(x_BT)
        return {"loss": losses.sum(), **{f"loss_layer{index}": loss for index, loss in enumerate(losses)}}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``layer_scores`` (B, L, classes), ``scores_goodness``: summed over layers, ``loss`` (B, L): over maps."""
        g_MBC, block_M = self._goodness(batch["x"].long())
        label_MB = batch["label"].expand(len(g_MBC), -1)
        loss_MB = F.cross_entropy(self.hp["steepness"] * g_MBC.transpose(1, 2), label_MB, reduction="none")
        loss_LB = loss_MB.new_zeros(self.layers, loss_MB.shape[1]).index_add(0, block_M, loss_MB)
        g_BLC = self._layers(g_MBC, block_M)
        return {"layer_scores": g_BLC, "scores_goodness": g_BLC.sum(1), "loss": loss_LB.T}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes): goodness summed over maps, whatever the inference scheme."""
        return self._layers(*self._goodness(inputs["x"].long())).sum(1)

    def _layers(self, g_MBC: Tensor, block_M: Tensor) -> Tensor:
        return g_MBC.new_zeros(self.layers, *g_MBC.shape[1:]).index_add(0, block_M, g_MBC).transpose(0, 1)

    def _goodness(self, x_BT: Tensor) -> tuple[Tensor, Tensor]:
        """Goodness (M, B, classes) of every map, and the block of each."""
        found: list[Tensor] = []
        blocks: list[int] = []

        def seen(name: str, x_NI: Tensor, y_NO: Tensor, layout: Layout) -> None:
            h_NO = y_NO.relu()
            found.append(token_map.goodness(h_NO, layout.sample_N, layout.count_B, self.classes, _parts(name)))
            blocks.append(self.block_of[name])

        applied = {name: (own.weight, own.bias) for name, (own, _) in self.maps.items()}
        self._run(x_BT, applied, seen, training=False)
        return torch.stack(found), torch.tensor(blocks, device=x_BT.device)

    @torch.no_grad()
    def _by_formula(self, pieces: list[tuple[Tensor, Tensor]], batch: int, total_L: Tensor) -> None:
        folded: dict[str, Map] = {}
        for name, (own, norm) in self.maps.items():
            gamma, beta = (norm.weight, norm.bias) if isinstance(norm, nn.LayerNorm) else (None, None)
            folded[name] = token_map.fold(own.weight, own.bias, gamma, beta, _parts(name))
        applied = {name: (own.weight, own.bias) for name, own in folded.items()}
        for parameter in self.net.embedding():
            parameter.grad = torch.zeros_like(parameter)
        for x_BT, label_B in pieces:

            def seen(name: str, x_NI: Tensor, y_NO: Tensor, layout: Layout) -> None:
                h_NO = y_NO.relu()
                own = folded.get(name)
                parts = 1 if own is None else own.parts
                g_BC = token_map.goodness(h_NO, layout.sample_N, layout.count_B, self.classes, parts)
                loss_B, slope_BC = token_map.slope(g_BC, label_B, self.hp["steepness"], batch)  # noqa: B023
                total_L[self.block_of[name]] += loss_B.sum()
                factor_NC = token_map.factor(slope_BC, layout.sample_N, layout.count_B, h_NO.shape[1])
                if own is not None:
                    token_map.learn(own, x_NI, h_NO, factor_NC)
                else:
                    h_NO.unflatten(1, (self.classes, -1)).mul_(factor_NC.unsqueeze(2))
                    self._embedding_gradient(x_BT, h_NO, layout)  # noqa: B023

            self._run(x_BT, applied, seen, training=True)
        for name, (own, norm) in self.maps.items():
            own.weight.grad, own.bias.grad = folded[name].d_weight, folded[name].d_bias
            if isinstance(norm, nn.LayerNorm):
                found = token_map.unfold(folded[name], own.weight, norm.weight, norm.bias)
                own.weight.grad, norm.weight.grad, norm.bias.grad = found

    def _embedding_gradient(self, x_BT: Tensor, d_ND: Tensor, layout: Layout) -> None:
        """Add the gradient of embedded tokens to those of the three tables."""
        first_N = layout.position_N == 0
        id_N = F.pad(x_BT, (1, 0)).flatten()[layout.place_N]
        self.net.tokens.weight.grad.index_add_(0, id_N, d_ND.masked_fill(first_N.unsqueeze(1), 0))
        self.net.labels.weight.grad[self.net.neutral] += d_ND[first_N].sum(0)
        if hasattr(self.net, "positions"):
            self.net.positions.weight.grad.index_add_(0, layout.position_N, d_ND)

    def _by_autograd(self, pieces: list[tuple[Tensor, Tensor]], batch: int, total_L: Tensor) -> None:
        applied = {name: (own.weight, own.bias) for name, (own, _) in self.maps.items()}
        for x_BT, label_B in pieces:

            def seen(name: str, x_NI: Tensor, y_NO: Tensor, layout: Layout) -> None:
                h_NO = y_NO.relu()
                units = h_NO.unflatten(1, (_parts(name), self.classes, -1))
                g_BC = layout.mean(units.square().mean((1, 3)))
                loss_B = F.cross_entropy(self.hp["steepness"] * g_BC, label_B, reduction="none")  # noqa: B023
                total_L[self.block_of[name]] += loss_B.detach().sum()
                (loss_B.sum() / batch).backward()

            self._run(x_BT, applied, seen, training=True)

    def _run(self, x_BT: Tensor, applied: dict[str, tuple[Tensor, Tensor]], seen: Seen, *, training: bool) -> None:
        """The net's forward pass; ``seen`` is told of every map, and what it is told of is passed on detached.

        Args:
            applied: weight and bias of every map. In training under ``closed_form`` a layer norm's own are in those of
                the map behind it.
        """
        folded = training and self.hp["gradient"] == "closed_form"
        z_ND, layout = self.net.embed(x_BT)
        seen("embedding", z_ND, z_ND, layout)
        z_ND = z_ND.detach()
        for index, block in enumerate(self.net.blocks):
            drops = block.draw(z_ND, self.generator) if training else [None] * len(block.sublayers)
            for place, (sublayer, drop) in enumerate(zip(block.sublayers, drops, strict=True)):
                prefix = f"blocks.{index}.sublayers.{place}"
                first, second = (f"{prefix}.{name}" for name in _maps(sublayer))
                if folded and isinstance(sublayer.norm_in, nn.LayerNorm):
                    n_ND, x_ND = normalised(sublayer.norm_in, z_ND)
                else:
                    n_ND = x_ND = sublayer.norm_in(z_ND)
                y_NO = F.linear(n_ND, *applied[first])
                seen(first, n_ND, y_NO, layout)
                m_NI = sublayer.between(y_NO.detach(), layout)
                y_ND = F.linear(m_NI, *applied[second])
                seen(second, m_NI, y_ND, layout)
                x_ND, y_ND = x_ND.detach(), y_ND.detach()
                z_ND = x_ND + y_ND if drop is None else torch.addcmul(x_ND, y_ND, drop)


def _maps(sublayer: nn.Module) -> tuple[str, str]:
    """Names of a sublayer's two maps, in the order in which they run."""
    return {Attention: ("qkv", "out"), FeedForward: ("up", "down")}[type(sublayer)]


def _parts(name: str) -> int:
    """Into how many parts a map's outputs fall before they are divided among the classes."""
    return 3 if name.endswith(".qkv") else 1
