"""Forward-Forward learning of a recurrent stack (the RNN paper, Sec. 3.6.2).

A batch holds real (label 1) and synthetic (label 0) sequences. Each layer raises the goodness of the real ones
above ``theta`` at every time step and lowers that of the others below it, sees the layer below only through
activations whose length was removed (or standardised), and sends no gradient down. Inside a layer the gradient
goes through the layer's own time steps, so this is backpropagation through time, layer by layer: the paper's
"no BPTT" holds between layers only.

Choices where the paper is silent, and the released code's quirks, are hyperparameters; params.yaml says where each
value comes from. Deviation from the released code: its extra BCE term is left out (it carries no gradient).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ffrepro.base.settings import choice, number
from ffrepro.core import goodness as good
from ffrepro.core import losses, normalisation, recurrent
from ffrepro.core.buffers import Buffers
from ffrepro.methods.base import BaseMethod, Batch, require_two_classes
from ffrepro.nets import rnn

VERSION = 1  # of its numbers: tests/golden/ff_rnn.json
SETTINGS = {
    "norm": choice("of activations between layers", "rms", "standardize", default="standardize"),
    "norm_statistics": choice("over each sample's time, or over the batch", "sample", "batch", default="sample"),
    "norm_epsilon": number("added to a variance", 1e-5, above=0),
    "rms_epsilon": choice("where epsilon stands", "inside_root", "outside_root", default="inside_root"),
    "input_norm": choice("of the inputs", "none", "rms", default="none"),
    "goodness": choice("sum or mean of squared activations", "sum", "mean", default="sum"),
    "theta": number("threshold of the goodness", 7.0, above=0),
    "loss_reduction": choice("means by class, added, or one mean", "per_class", "joint", default="per_class"),
    "log_epsilon": number("added to a probability before its logarithm", 0.0, minimum=0),
    "gradient": choice(
        "written by hand, or autograd; the same numbers", "closed_form", "autograd", default="closed_form"
    ),
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
}


class Method(BaseMethod):
    """FF on an ``nets.rnn.Rnn``.

    Batches: ``x`` (T, B, I) time-major, ``label`` (B,) in {0, 1}, ``mask`` (T, B) 1 where a step counts or absent.
    """

    recurrent = True

    def __init__(self, net: rnn.Rnn, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        require_two_classes(net)
        rnn.require_relu(net, "ff_rnn")
        super().__init__(net, hyperparameters)
        for block in net.blocks:
            self.add_optimizer(block.parameters(), lr, hyperparameters["weight_decay"])
        self._buffers = Buffers()
        self._grads = [rnn.gradient_buffers(block) for block in net.blocks]

    def step(self, batch: Batch) -> Batch:
        """One update of every layer, bottom up.

        Returns:
            ``loss`` (the sum over layers), ``loss_layer<l>``: 0-dim tensors.
        """
        x_TBI, mask_TB, count_B, sign_B = self._unpack(batch)
        weight_B = losses.step_weights(batch["label"], count_B, self.hp["loss_reduction"])
        learn = self._learn_closed_form if self.hp["gradient"] == "closed_form" else self._learn_autograd
        total, out = torch.zeros((), device=x_TBI.device), {}
        last = len(self.net.blocks) - 1
        for index in range(last + 1):
            h_TBH, loss = learn(index, x_TBI, mask_TB, sign_B, weight_B)
            self.optimizers[index].step()
            out[f"loss_layer{index}"] = loss
            total = total + loss
            if index < last:
                x_TBI = self._normalise(h_TBH, mask_TB)
        return {"loss": total, **out}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``goodness`` (B, L): time mean. ``layer_logit`` (B, L): goodness - theta. ``logit`` (B,): their mean over
            the layers. ``loss`` (B, L): each sample's time-mean loss; its sum over layers is what early stopping
            watches (Sec. 3.6.5).
        """
        x_TBI, mask_TB, _, sign_B = self._unpack(batch)
        goods, loss = [], []
        for index, block in enumerate(self.net.blocks):
            h_TBH = recurrent.forward(x_TBI, *rnn.weights(block), self._states(index, x_TBI), _column(mask_TB))
            g_TB = good.goodness(h_TBH, self.hp["goodness"])
            goods.append(good.time_mean(g_TB, mask_TB))
            loss.append(good.time_mean(self._loss(g_TB, sign_B), mask_TB))
            if index < len(self.net.blocks) - 1:
                x_TBI = self._normalise(h_TBH, mask_TB)
        goodness_BL = torch.stack(goods, 1)
        logit_BL = goodness_BL - self.hp["theta"]
        return {
            "logit": logit_BL.mean(1), "layer_logit": logit_BL, "goodness": goodness_BL, "loss": torch.stack(loss, 1),
        }  # fmt: skip

    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B,) evidence that a sample is real: ``ensemble`` (mean over layers) or ``last`` (the last layer)."""
        logit_BL = self.evaluate_batch(inputs)["layer_logit"]
        return logit_BL[:, -1] if inference == "last" else logit_BL.mean(1)

    def _unpack(self, batch: Batch) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        x_TBI, mask_TB = batch["x"], batch.get("mask")
        count_B = x_TBI.new_full((x_TBI.shape[1],), x_TBI.shape[0]) if mask_TB is None else mask_TB.sum(0)
        if self.hp["input_norm"] == "rms":
            x_TBI = normalisation.rms(x_TBI, self.hp["norm_epsilon"], self.hp["rms_epsilon"])
        return x_TBI, mask_TB, count_B, batch["label"].to(x_TBI.dtype) * 2 - 1

    def _loss(self, g_TB: Tensor, sign_B: Tensor) -> Tensor:
        return losses.logistic(g_TB, sign_B, self.hp["theta"], self.hp["log_epsilon"])

    @torch.no_grad()
    def _learn_closed_form(self, index: int, x_TBI, mask_TB, sign_B, weight_B) -> tuple[Tensor, Tensor]:
        block = self.net.blocks[index]
        w_ih, w_hh, bias = rnn.weights(block)
        h_TBH = recurrent.forward(x_TBI, w_ih, w_hh, bias, self._states(index, x_TBI), _column(mask_TB))
        g_TB = good.goodness(h_TBH, self.hp["goodness"])
        weight_TB = weight_B if mask_TB is None else weight_B * mask_TB
        loss = (self._loss(g_TB, sign_B) * weight_TB).sum()
        scale_TB = losses.logistic_slope(g_TB, sign_B, self.hp["theta"], self.hp["log_epsilon"]) * weight_TB
        scale_TB *= good.slope(self.hp["goodness"], self.net.hidden)
        grads = self._grads[index]
        recurrent.backward(
            x_TBI,
            h_TBH,
            w_ih,
            w_hh,
            grads,
            scale_TB=scale_TB,
            scratch_2BH=self._buffers.get("scratch", (2, *h_TBH.shape[1:]), h_TBH),
        )
        rnn.set_gradients(block, *grads)
        return h_TBH, loss

    def _learn_autograd(self, index: int, x_TBI, mask_TB, sign_B, weight_B) -> tuple[Tensor, Tensor]:
        self.optimizers[index].zero_grad()
        h_TBH, _ = self.net.blocks[index](x_TBI.detach())
        if mask_TB is not None:
            h_TBH = h_TBH * _column(mask_TB)
        square_TB = h_TBH.square().sum(-1, dtype=good.wide(h_TBH))
        g_TB = square_TB if self.hp["goodness"] == "sum" else square_TB / h_TBH.shape[-1]
        loss = (self._loss(g_TB, sign_B) * (weight_B if mask_TB is None else weight_B * mask_TB)).sum()
        loss.backward()
        return h_TBH.detach(), loss.detach()

    @torch.no_grad()
    def _normalise(self, h_TBH: Tensor, mask_TB: Tensor | None) -> Tensor:
        epsilon = self.hp["norm_epsilon"]
        if self.hp["norm"] == "rms":
            return normalisation.rms(h_TBH, epsilon, self.hp["rms_epsilon"], in_place=True)
        if self.hp["norm_statistics"] == "batch":
            return normalisation.standardize_batch(h_TBH, epsilon, in_place=True)
        return normalisation.standardize_sample(h_TBH, epsilon, _column(mask_TB), in_place=True)

    def _states(self, index: int, x_TBI: Tensor) -> Tensor:
        # two buffers take turns: a layer reads its input from one and writes its states to the other
        return self._buffers.get(index % 2, (*x_TBI.shape[:2], self.net.hidden), x_TBI)


def _column(mask_TB: Tensor | None) -> Tensor | None:
    return None if mask_TB is None else mask_TB.unsqueeze(-1)
