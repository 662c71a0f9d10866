"""Forward-Forward learning of recurrent layers of any cell, with what the RNN paper leaves for later (Sec. 5).

As ``ff_rnn``: each layer raises the goodness of real sequences (label 1) and lowers that of synthetic ones (label 0),
learns through its own time steps alone, and sees the layer below through detached, normalised states. Gradients are
autograd's, layer by layer, so that a layer may be a GRU or an LSTM. With ReLU cells and the default settings the
numbers are those of ``ff_rnn`` up to rounding (``tests/methods/test_ff_recurrent.py``). The paper names what is to be
tried and gives no formulas; what was chosen here:

- thresholds by layer and by sign ("separate thresholds for positive and negative data, or layer-specific
  thresholds"): the loss of a positive sample has ``theta_positive`` of its layer, that of a negative one
  ``theta_negative``; decisions are taken halfway between both.
- ``goodness_weights: learnt`` ("weighted goodness functions"): each layer's squares are weighted by H times the
  softmax of H learnt numbers, all 0 at first, so that the weights stay positive with mean 1.
- ``loss: kl`` ("Kullback-Leibler divergence could be employed to refine score distributions"): a sample's goodness
  over its time steps, as a normal distribution, shall be that of mean theta + ``kl_margin`` (positive) or theta -
  ``kl_margin`` (negative) and of standard deviation ``kl_std``; the loss is the divergence from it.
- ``readout: linear`` (Sec. 4.1, "a downstream linear classifier"): logistic regression on the time means of all
  layers' states, detached, learnt beside the layers. Its logits stand beside the goodness and decide nothing of it.
- ``calibrate`` (Sec. 4.1, "fine-tuning the thresholds") and ``early_exit`` ("dynamically terminating processing at
  intermediate layers"): decisions of a trained net, by thresholds that validation samples choose (``core.detection``).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, flag, list_of, number
from ffrepro.core import detection, early_exit, gaussian, losses, normalisation
from ffrepro.core import goodness as good
from ffrepro.methods import ff_rnn
from ffrepro.methods.base import BaseMethod, Batch, require_two_classes
from ffrepro.nets import rnn

VERSION = 1  # of its numbers: tests/golden/ff_recurrent.json
_THETA = number("a threshold of the goodness", above=0)
SETTINGS = {
    "norm": ff_rnn.SETTINGS["norm"],
    "norm_epsilon": ff_rnn.SETTINGS["norm_epsilon"],
    "goodness": ff_rnn.SETTINGS["goodness"],
    "goodness_weights": choice("of the units, in the goodness", "equal", "learnt", default="equal"),
    "loss": choice("of a sample's goodness over time", "logistic", "kl", default="logistic"),
    "theta_positive": list_of(_THETA, "for positive samples: one, or one a layer", [7.0], shortest=1),
    "theta_negative": list_of(_THETA, "for negative samples: one, or one a layer", [7.0], shortest=1),
    "kl_margin": number("of `kl`: from the threshold to the wanted mean", 5.0, above=0),
    "kl_std": number("of `kl`: the wanted standard deviation", 2.5, above=0),
    "loss_reduction": ff_rnn.SETTINGS["loss_reduction"],
    "readout": choice("beside the goodness, on detached states", "none", "linear", default="none"),
    "calibrate": flag("measure decisions at the threshold that is best on validation samples", False),
    "early_exit": flag("measure leaving at the first layer that is sure", False),
    "weight_decay": ff_rnn.SETTINGS["weight_decay"],
}


class Method(BaseMethod):
    """FF on an ``nets.rnn.Rnn`` of any cell.

    Batches: ``x`` (T, B, I) time-major, ``label`` (B,) in {0, 1}, ``mask`` (T, B) 1 where a step counts or absent
    (padding at the end of a sequence only).

    Raises:
        FfreproError: thresholds for another number of layers.
    """

    recurrent = True

    def __init__(self, net: rnn.Rnn, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        require_two_classes(net)
        super().__init__(net, hyperparameters)
        self.calibrates, self.exits_early = hyperparameters["calibrate"], hyperparameters["early_exit"]
        self._positive, self._negative = (_by_layer(name, hyperparameters[name], self.layers) for name in _THETAS)
        like, decay = example["x"], hyperparameters["weight_decay"]
        for index, block in enumerate(net.blocks):
            own = list(block.parameters())
            if hyperparameters["goodness_weights"] == "learnt":
                self.extra[f"goodness{index}"] = nn.Parameter(like.new_zeros(net.hidden))
                own.append(self.extra[f"goodness{index}"])
            self.add_optimizer(own, lr, decay)
        if hyperparameters["readout"] == "linear":
            self.extra["readout"] = nn.Parameter(like.new_zeros(self.layers * net.hidden))
            self.extra["bias"] = nn.Parameter(like.new_zeros(()))
            self.add_optimizer([self.extra["readout"], self.extra["bias"]], lr, decay)

    def step(self, batch: Batch) -> Batch:
        """One update of every layer, bottom up, then of the readout.

        Returns:
            ``loss`` (the sum over layers), ``loss_layer<l>`` and, with a readout, ``loss_readout``, its mean
            cross-entropy, which is no part of ``loss``: 0-dim tensors.
        """
        x_TBI, mask_TB, sign_B = _unpack(batch)
        weight_B = losses.step_weights(batch["label"], torch.ones_like(sign_B), self.hp["loss_reduction"])
        total, out, means = x_TBI.new_zeros(()), {}, []
        for index in range(self.layers):
            self.optimizers[index].zero_grad()
            h_TBH, g_TB = self._layer(index, x_TBI, mask_TB)
            loss = (self._loss(index, g_TB, sign_B, mask_TB) * weight_B).sum()
            loss.backward()
            self.optimizers[index].step()
            h_TBH = h_TBH.detach()
            out[f"loss_layer{index}"] = loss.detach()
            total = total + loss.detach()
            means.append(good.time_mean(h_TBH, _for_units(mask_TB)))
            x_TBI = self._passed_on(index, h_TBH, mask_TB)
        if self.hp["readout"] == "linear":
            self.optimizers[-1].zero_grad()
            logit_B = self._read(means)
            loss = F.binary_cross_entropy_with_logits(logit_B, batch["label"].to(logit_B.dtype))
            loss.backward()
            self.optimizers[-1].step()
            out["loss_readout"] = loss.detach()
        return {"loss": total, **out}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``goodness`` (B, L): time mean. ``layer_logit`` (B, L): goodness minus the threshold halfway between the
            signs' own. ``logit`` (B,): their mean over the layers. ``loss`` (B, L). ``readout_logit`` (B,): with a
            readout.
        """
        x_TBI, mask_TB, sign_B = _unpack(batch)
        goods, loss, means = [], [], []
        for index in range(self.layers):
            h_TBH, g_TB = self._layer(index, x_TBI, mask_TB)
            goods.append(good.time_mean(g_TB, mask_TB))
            loss.append(self._loss(index, g_TB, sign_B, mask_TB))
            means.append(good.time_mean(h_TBH, _for_units(mask_TB)))
            x_TBI = self._passed_on(index, h_TBH, mask_TB)
        goodness_BL = torch.stack(goods, 1)
        logit_BL = goodness_BL - goodness_BL.new_tensor([self._between(index) for index in range(self.layers)])
        out = {
            "logit": logit_BL.mean(1), "layer_logit": logit_BL, "goodness": goodness_BL, "loss": torch.stack(loss, 1),
        }  # fmt: skip
        return out | ({"readout_logit": self._read(means)} if self.hp["readout"] == "linear" else {})

    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B,) evidence that a sample is real: ``ensemble`` (mean over layers), ``last`` layer or ``readout``."""
        out = self.evaluate_batch(inputs)
        if inference == "readout":
            return out["readout_logit"]
        return out["layer_logit"][:, -1] if inference == "last" else out["logit"]

    @torch.no_grad()
    def leave_early(self, inputs: Batch, confidence: float) -> tuple[Tensor, Tensor]:
        """Decide sample by sample at the first layer where the sum of the layers' logits is ``confidence`` from 0.

        Layers above that one are not computed for a sample.

        Returns:
            int64 (B,) classes, int64 (B,) layers used, from 1 to L.
        """
        x_TBI, mask_TB = inputs["x"], inputs.get("mask")
        mask_TB = torch.ones_like(x_TBI[..., 0]) if mask_TB is None else mask_TB
        layers = [partial(self._exit_layer, index) for index in range(self.layers)]
        return early_exit.run(_with_mask(x_TBI, mask_TB), layers, confidence)

    def _exit_layer(self, index: int, x_BTI: Tensor) -> tuple[Tensor, Tensor]:
        """The next layer's input and a layer's scores of both classes; samples first, the mask as last channel."""
        x_TBI, mask_TB = x_BTI[..., :-1].transpose(0, 1), x_BTI[..., -1].t()
        h_TBH, g_TB = self._layer(index, x_TBI, mask_TB)
        logit_B1 = good.time_mean(g_TB, mask_TB).unsqueeze(1) - self._between(index)
        passed_TBH = self._passed_on(index, h_TBH, mask_TB)
        return _with_mask(passed_TBH, mask_TB), detection.scores_of_classes(logit_B1).squeeze(1)

    def _layer(self, index: int, x_TBI: Tensor, mask_TB: Tensor | None) -> tuple[Tensor, Tensor]:
        """States (T, B, H), 0 where padded, and their goodness (T, B)."""
        h_TBH, _ = self.net.blocks[index](x_TBI)
        if mask_TB is not None:
            h_TBH = h_TBH * mask_TB.unsqueeze(-1)
        if self.hp["goodness_weights"] == "learnt":
            weight_H = torch.softmax(self.extra[f"goodness{index}"], 0) * self.net.hidden
            return h_TBH, good.weighted(h_TBH, weight_H, self.hp["goodness"])
        g_TB = h_TBH.square().sum(-1, dtype=good.wide(h_TBH))
        return h_TBH, g_TB / h_TBH.shape[-1] if self.hp["goodness"] == "mean" else g_TB

    def _loss(self, index: int, g_TB: Tensor, sign_B: Tensor, mask_TB: Tensor | None) -> Tensor:
        """Each sample's loss in a layer, (B,)."""
        theta_B = torch.where(
            sign_B > 0, sign_B.new_tensor(self._positive[index]), sign_B.new_tensor(self._negative[index])
        )
        if self.hp["loss"] == "logistic":
            return good.time_mean(-F.logsigmoid(sign_B * (g_TB - theta_B)), mask_TB)
        mean_B = good.time_mean(g_TB, mask_TB)
        variance_B = gaussian.time_variance(g_TB, mean_B, mask_TB)
        wanted_B = theta_B + sign_B * self.hp["kl_margin"]
        return gaussian.kl(mean_B, variance_B, wanted_B, self.hp["kl_std"], self.hp["norm_epsilon"])

    def _between(self, index: int) -> float:
        return (self._positive[index] + self._negative[index]) / 2

    @torch.no_grad()
    def _passed_on(self, index: int, h_TBH: Tensor, mask_TB: Tensor | None) -> Tensor:
        """What the layer above gets; nothing above the last one needs it."""
        if index == self.layers - 1:
            return h_TBH
        if self.hp["norm"] == "rms":
            return normalisation.rms(h_TBH, self.hp["norm_epsilon"], "inside_root")
        return normalisation.standardize_sample(h_TBH, self.hp["norm_epsilon"], _for_units(mask_TB))

    def _read(self, means: list[Tensor]) -> Tensor:
        return torch.cat(means, 1) @ self.extra["readout"] + self.extra["bias"]


_THETAS = ("theta_positive", "theta_negative")


def _by_layer(name: str, given: list[float], layers: int) -> list[float]:
    """One threshold a layer."""
    if len(given) not in (1, layers):
        raise FfreproError(
            f"{len(given)} thresholds for {layers} layers",
            where=f"method.{name}",
            fix="give one, or one for each layer",
        )
    return list(given) * (layers if len(given) == 1 else 1)


def _unpack(batch: Batch) -> tuple[Tensor, Tensor | None, Tensor]:
    """Inputs, mask, and +1 (label 1) or -1 for each sample."""
    return batch["x"], batch.get("mask"), batch["label"].to(batch["x"].dtype) * 2 - 1


def _for_units(mask_TB: Tensor | None) -> Tensor | None:
    """The mask (T, B, 1), to go with states (T, B, H)."""
    return None if mask_TB is None else mask_TB.unsqueeze(-1)


def _with_mask(x_TBI: Tensor, mask_TB: Tensor) -> Tensor:
    """(B, T, I + 1): samples first, the mask as the last channel."""
    return torch.cat([x_TBI, mask_TB.unsqueeze(-1).to(x_TBI.dtype)], -1).transpose(0, 1)
