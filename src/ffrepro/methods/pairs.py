"""Local learning from positive samples and their negatives: the common part of supervised FF, unsupervised FF and SCFF.

Positive and negative samples go through a layer in one batch, the positive ones first, pair by pair. A layer raises
the goodness of the former above that of the latter, and sees the layer below only through activations whose length was
removed (the DLR paper, Sec. II-A). ``theta`` is per unit that the goodness sums over, so that one number fits layers of
any width; the paper does not state its value.

Beside the sum and mean of squares a goodness may follow the peaks or the shape of a layer's activity
(``core.goodness_forms``): ``topk`` and ``cubes``, sums with a threshold per unit counted, and ``kurtosis``, which is at
least 1, about 5.4 for the activations of a new layer (a rectified normal distribution), and compared with ``theta``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, number, or_none
from ffrepro.core import conv_block, conv_layer, goodness_forms, linear_block, losses, overlaid
from ffrepro.core.buffers import Buffers
from ffrepro.core.goodness import wide
from ffrepro.core.overlaid import Samples
from ffrepro.methods import local
from ffrepro.methods.base import Batch
from ffrepro.methods.local import NormalisedClassifier
from ffrepro.nets.layers import ConvBlock, LinearBlock

SETTINGS = {
    "update": local.SETTINGS["update"],
    "gradient": local.SETTINGS["gradient"],
    "goodness": choice(
        "of a layer's activations: sum or mean of squares, sum of the largest squares, sum of cubes, or kurtosis",
        "sum",
        "mean",
        "topk",
        "cubes",
        "kurtosis",
        default="sum",
    ),
    "top_share": number("part of a layer's units that the goodness topk counts", 0.05, above=0, maximum=1),
    "loss": choice("of a pair's two goodnesses", "logistic", "symba", "distance", default="logistic"),
    "theta": or_none(
        number("threshold of the goodness; of a sum, per unit that it counts; null: that of THETA for its form"), None
    ),
    "alpha": number("steepness of the SymBa loss", 4.0, above=0),
    "margin": number("of the distance loss", 1.0),
    "mixing_weight": number("mixing weight of the distance loss", 0.5, minimum=0, maximum=1),
    "norm": local.SETTINGS["norm"],
    "norm_epsilon": local.SETTINGS["norm_epsilon"],
    "head": local.SETTINGS["head"],
    "head_epochs": local.SETTINGS["head_epochs"],
    "weight_decay": local.SETTINGS["weight_decay"],
}

THETA = {"sum": 0.1, "mean": 0.1, "topk": 1.0, "cubes": 0.1, "kurtosis": 5.0}
"""Thresholds near the goodness of a new layer with inputs of unit scale (chosen): what ``theta: null`` stands for."""


class PairLearner(NormalisedClassifier):
    """Blocks that learn from pairs."""

    def __init__(self, net, hyperparameters, example: Batch, generator, lr: float, **more):
        super().__init__(net, hyperparameters, example, generator, lr, **more)
        self._buffers = Buffers()  # of the closed form
        if hyperparameters["gradient"] == "closed_form" and not all(map(self._has_closed_form, net.blocks)):
            raise FfreproError(
                "the closed form of this method is for blocks of ffrepro.nets: linear maps, and convolutions without "
                "groups that learn from the logistic loss on the sum or mean of squares; with a learnt label, linear "
                "maps without BatchNorm",
                where="method.gradient",
                fix="set `gradient` to autograd",
            )

    def _has_closed_form(self, block: nn.Module) -> bool:
        if isinstance(block, ConvBlock):
            plain = self.hp["loss"] == "logistic" and not self._by_form
            return block.conv.groups == 1 and plain and "auxiliary0" not in self.extra
        return isinstance(block, LinearBlock) and (block.bn is None or "auxiliary0" not in self.extra)

    def learn_pairs(self, x: Tensor, learning: list[int]) -> Batch:
        """``learn_blocks`` on positive samples followed by their negatives."""
        return self.learn_blocks(x, learning, self.update)

    def update(self, index: int, block: nn.Module, x: Tensor | Samples) -> tuple[Tensor, Tensor]:
        """See ``local.Update``."""
        return (self._closed_form if self.hp["gradient"] == "closed_form" else self._autograd)(index, block, x)

    def _autograd(self, index: int, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            h = self.forward(block, x)
            loss = self.pair_loss(self.goodness(h), h[0].numel()).mean()
            loss.backward()
        return h.detach(), loss.detach()

    @torch.no_grad()
    def _closed_form(self, index: int, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        if isinstance(block, ConvBlock):
            return self._convolution(index, block, x)
        if isinstance(x, Samples):
            return self._overlaid(index, block, x)
        linear, x_BI = block.linear, x.flatten(1)
        units = linear.out_features
        h_BO = self._buffers.get("h", (len(x), units), x)  # one for all: the next block gets a normalised copy
        layer = linear_block.fold(linear, block.bn, x_BI)
        mean_B1 = linear_block.forward(x_BI, layer.weight, layer.bias, 1, h_BO)
        loss, slope_B1, along_BO = self._slope(mean_B1, h_BO)
        grads = self._gradients(index, layer)
        work = self._buffers.get("work", linear_block.workspace_shape(*h_BO.shape, 1), x)
        linear_block.gradient(x_BI, along_BO, slope_B1, grads, work)
        self._hand_over(block, layer, grads)
        if x.requires_grad:  # a learnt label in the input
            x.backward(((along_BO * slope_B1 * (2.0 / units)) @ linear.weight).view(x.shape))
        return h_BO, loss

    def _overlaid(self, index: int, block: LinearBlock, samples: Samples) -> tuple[Tensor, Tensor]:
        """The same for samples of images that bear labels in their first numbers."""
        rows_BI, units = samples.images.rows_BI, block.linear.out_features
        if block.bn is not None:
            samples.images.forget()  # the weights with these moments in them are others
        layer = linear_block.learning_map(block.linear, block.bn, samples.moments)
        h_NO = self._buffers.get("h", (len(samples), units), rows_BI)
        work_BO = self._buffers.get("work", (len(rows_BI), units), rows_BI)
        mean_N1 = overlaid.forward(samples, layer.weight, layer.bias, h_NO, work_BO)
        loss, slope_N1, along_NO = self._slope(mean_N1, h_NO)
        grads = self._gradients(index, layer)
        overlaid.gradient(samples, along_NO, slope_N1, grads, work_BO)
        self._hand_over(block, layer, grads)
        return h_NO, loss

    def _slope(self, mean_N1: Tensor, h_NO: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean loss of the pairs, its slope in each sample's goodness (N, 1), and what that follows in place of h.

        Args:
            mean_N1: mean of squares of ``h_NO``.
        """
        good_N1, along_NO = (self.goodness(h_NO).unsqueeze(1), self._along(h_NO)) if self._by_form else (mean_N1, h_NO)
        units = h_NO.shape[1]
        with torch.enable_grad():
            good_N1.requires_grad_()
            loss = self.pair_loss(good_N1.squeeze(1) * self._scale(units), units).mean()
            (slope_N1,) = torch.autograd.grad(loss, good_N1)
        return loss.detach(), slope_N1, along_NO

    def _gradients(self, index: int, layer: linear_block.Map) -> tuple[Tensor, Tensor]:
        """Memory for those of a map's weight and bias."""
        weight, bias = (getattr(layer, name) for name in ("weight", "bias"))
        get = self._buffers.get
        return get(("weight", index), weight.shape, weight), get(("bias", index), bias.shape, bias)

    @staticmethod
    def _hand_over(block: LinearBlock, layer: linear_block.Map, grads: tuple[Tensor, Tensor]) -> None:
        """Give the block's parameters their gradients."""
        if block.bn is not None:
            block.bn.weight.grad, block.bn.bias.grad = linear_block.unfold(layer, block.linear, grads)
        for parameter, grad in zip(block.linear.parameters(), grads, strict=False):  # no bias, no gradient of it
            parameter.grad = grad

    def _along(self, h_BO: Tensor) -> Tensor:
        """What takes the place of h in ``linear_block.gradient``, which multiplies it by 2 / units, (B, O).

        Nothing reaches a unit whose ReLU is off, although a kurtosis has a slope there.
        """
        gradient_BO = goodness_forms.gradient(h_BO, self.hp["goodness"], self.hp["top_share"])
        return gradient_BO.mul_(h_BO > 0).mul_(h_BO.shape[1] / 2)

    def _convolution(self, index: int, block: ConvBlock, x: Tensor) -> tuple[Tensor, Tensor]:
        """The logistic loss is a sum over samples: each chunk's slope needs no other chunk."""
        x_BHWI, moments = conv_block.load(x)
        layer = conv_layer.layer_of(block.conv, block.bn, block.pool)
        grads = conv_layer.gradients_of(block.conv, block.bn)
        units, pairs = math.prod(self.net.shapes[index]), len(x) // 2
        scale, theta = self._scale(units), self._theta(units)
        sign_B1 = (torch.arange(len(x), device=x.device) < pairs).to(x.dtype).mul_(2).sub_(1).unsqueeze(1)

        def slope(mean_n1: Tensor, some: slice) -> Tensor:
            return losses.logistic_slope(mean_n1 * scale, sign_B1[some], theta).mul_(scale / pairs)

        chunk = conv_block.chunk_of(layer, x_BHWI.shape, x.element_size())
        h_BHWO, mean_B1, _ = conv_block.learn(layer, x_BHWI, moments, 1, slope, grads, chunk)
        if block.bn is not None:
            block.bn.num_batches_tracked += 1
        return h_BHWO[..., :-1].permute(0, 3, 1, 2), self.pair_loss(mean_B1.squeeze(1) * scale, units).mean()

    def goodness(self, h: Tensor) -> Tensor:
        """(B,): sum or mean of squares over all units, or one of ``core.goodness_forms``."""
        if self._by_form:
            return goodness_forms.goodness(h.flatten(1), self.hp["goodness"], self.hp["top_share"])
        return self._of_squares(h.flatten(1).square().sum(1, dtype=wide(h)), h[0].numel())

    def _of_squares(self, square_B: Tensor, units: int) -> Tensor:
        return square_B if self.hp["goodness"] == "sum" else square_B / units

    def pair_loss(self, g_B: Tensor, units: int) -> Tensor:
        """Each pair's loss (B / 2,), from the goodness of the positive samples followed by their negatives'."""
        positive_B, negative_B = g_B.chunk(2)
        return losses.pair(positive_B, negative_B, self._theta(units), self.hp)

    def _scale(self, units: int) -> int:
        """Factor from what the closed form computes, a mean of squares or another form itself, to the goodness."""
        return units if self.hp["goodness"] == "sum" else 1

    @property
    def _by_form(self) -> bool:
        """Whether the goodness is none of the sum and the mean of squares."""
        return self.hp["goodness"] in goodness_forms.FORMS

    def _theta(self, units: int) -> float:
        """The threshold in the units of the goodness."""
        form, theta = self.hp["goodness"], self.hp["theta"]
        theta = THETA[form] if theta is None else theta
        return theta * goodness_forms.threshold_scale(form, units, self.hp["top_share"])
