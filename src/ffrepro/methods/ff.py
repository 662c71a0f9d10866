"""The original Forward-Forward algorithm on images with labels (the DLR paper, Sec. II-A; Hinton 2022, Sec. 3.3).

An image with its own label put into it is positive, with a wrong one negative. Each layer raises the goodness of the
positive ones above a threshold and lowers that of the negative ones (Eq. 1), and sees the layer below only through
activities whose length was removed. Positive and negative samples go through a layer in one batch.

``theta`` is per unit of a layer where the goodness is a sum, so that one number fits layers of any width; the paper
does not state its value. ``negatives: hard`` draws the wrong label from the head's own mistakes (Hinton 2022, Sec.
3.3), ``uniform`` from the nine others alike. The head reads the normalised activities of the second to the last layer
under a neutral label.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.core import losses, normalisation
from ffrepro.data import label_negatives as labels
from ffrepro.methods import local
from ffrepro.methods.base import Batch
from ffrepro.methods.local import LocalClassifier
from ffrepro.nets.layers import initialise

CLASSES = 10


class Head(nn.Linear):
    """Softmax layer on the activities of all blocks but the first (of a net of one block: on that one's)."""

    def __init__(self, shapes: list[tuple[int, ...]]):
        self.first = min(1, len(shapes) - 1)
        super().__init__(sum(math.prod(shape) for shape in shapes[self.first :]), CLASSES)

    def forward(self, activities: list[Tensor]) -> Tensor:
        """(B, classes) logits."""
        return super().forward(torch.cat([h.flatten(1) for h in activities[self.first :]], dim=1))


class Method(LocalClassifier):
    """FF on a net of blocks (``nets.mlp``, the original nets of ``nets.cnn``).

    Batches: ``x`` (B, C, H, W) in [0, 1] or standardised, ``label`` (B,).
    """

    HYPERPARAMETERS = local.HYPERPARAMETERS | {
        "label", "label_scale", "negatives", "goodness", "theta", "loss", "alpha", "margin", "share", "norm",
        "norm_epsilon",
    }  # fmt: skip

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        head = Head(net.shapes)
        initialise(head, "torch_default", generator)
        super().__init__(net, hyperparameters, head.to(example["x"]), lr)
        if hyperparameters["gradient"] == "closed_form" and self.conv:
            raise FfreproError(
                "the closed form of this method is for fully connected layers, this net has convolutions",
                where="method.gradient",
                fix="set `gradient` to autograd for its variants",
            )
        self.extra = nn.ModuleDict({"head": self.head})
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
        if hyperparameters["label"] == "fourier":
            self.modes_JHW = labels.fourier_modes(CLASSES, *example["x"].shape[2:]).to(example["x"])

    def step(self, batch: Batch) -> Batch:
        """One update of what learns in this phase.

        Returns:
            ``loss`` (summed over layers; in the head's phase the head's), ``loss_layer<l>``, ``loss_head``.
        """
        x, label_B = self.images(batch), batch["label"]
        learning = self.learning()
        out: Batch = {}
        activities = None
        if self.head_learns or self.hp["negatives"] == "hard":
            activities = self._activities(self.put_neutral(x))
        if learning:
            wrong_B = self._wrong_labels(activities, label_B)
            layer_losses = self._learn(torch.cat([self.put(x, label_B), self.put(x, wrong_B)]), learning)
            out |= {f"loss_layer{layer}": loss for layer, loss in zip(learning, layer_losses, strict=True)}
            out["loss"] = torch.stack(layer_losses).sum()
        if self.head_learns:
            out["loss_head"] = self.learn_head(activities, label_B)
            out.setdefault("loss", out["loss_head"])
        return out

    def put(self, x: Tensor, label_B: Tensor) -> Tensor:
        """Images with labels in them."""
        if self.hp["label"] == "overlay":
            return labels.overlay(x, label_B, CLASSES, self.hp["label_scale"])
        return labels.put_mode(x, label_B, self.modes_JHW, self.hp["label_scale"], "add")

    def put_neutral(self, x: Tensor) -> Tensor:
        """Images with no label in favour."""
        if self.hp["label"] == "overlay":
            return labels.overlay_neutral(x, CLASSES, self.hp["label_scale"])
        return x + self.hp["label_scale"] * self.modes_JHW.mean(0)

    def _wrong_labels(self, activities: list[Tensor] | None, label_B: Tensor) -> Tensor:
        if self.hp["negatives"] == "uniform":
            return labels.wrong_labels(label_B, CLASSES, self.generator)
        with torch.no_grad():
            share_BJ = self.head(activities).softmax(1).cpu() + 1e-12  # a sure head still leaves some label to draw
        share_BJ.scatter_(1, label_B.cpu().unsqueeze(1), 0.0)
        return torch.multinomial(share_BJ, 1, generator=self.generator).squeeze(1).to(label_B.device)

    def _learn(self, x: Tensor, learning: list[int]) -> list[Tensor]:
        """Every learning layer's update on positive samples followed by their negatives; each one's mean loss."""
        layer_losses = []
        for index, block in self.modes(learning):
            if index > max(learning):
                break
            if index in learning:
                if self.hp["gradient"] == "closed_form":
                    h, loss = self._closed_form(block, x)
                else:
                    h, loss = self._autograd(index, block, x)
                self.optimizers[index].step()
                layer_losses.append(loss)
            else:
                with torch.no_grad():
                    h = block(x)
            if index < max(learning):
                x = self._normalise(h)
        return layer_losses

    def _autograd(self, index: int, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        self.optimizers[index].zero_grad()
        with torch.enable_grad():
            h = block(x)
            loss = self._loss(self._goodness(h), h[0].numel()).mean()
            loss.backward()
        return h.detach(), loss.detach()

    @torch.no_grad()
    def _closed_form(self, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """A linear map, ReLU and a goodness: where h is 0 the ReLU is off, so that d loss / d pre-activation = a h."""
        linear, x_BI = block.linear, x.flatten(1)
        h_BO = torch.addmm(linear.bias, x_BI, linear.weight.t()).relu_()
        goodness_B = self._goodness(h_BO)
        with torch.enable_grad():
            g_B = goodness_B.requires_grad_()
            loss = self._loss(g_B, h_BO.shape[1]).mean()
            (slope_B,) = torch.autograd.grad(loss, g_B)
        a_B = slope_B * (2.0 if self.hp["goodness"] == "sum" else 2.0 / h_BO.shape[1])
        d_BO = h_BO * a_B.unsqueeze(1)
        linear.weight.grad = d_BO.t() @ x_BI
        linear.bias.grad = d_BO.sum(0)
        return h_BO, loss.detach()

    def _goodness(self, h: Tensor) -> Tensor:
        """(B,): sum or mean of squares over all units."""
        square_B = h.flatten(1).square().sum(1)
        return square_B if self.hp["goodness"] == "sum" else square_B / h[0].numel()

    def _loss(self, g_B: Tensor, units: int) -> Tensor:
        """Each pair's loss (B / 2,), from the goodness of the positive samples followed by their negatives'."""
        theta = self.hp["theta"] * (units if self.hp["goodness"] == "sum" else 1)
        positive_B, negative_B = g_B.chunk(2)
        if self.hp["loss"] == "symba":
            return losses.symba(positive_B, negative_B, self.hp["alpha"])
        if self.hp["loss"] == "distance":
            return losses.distance(positive_B, negative_B, theta, self.hp["margin"], self.hp["share"])
        return F.softplus(theta - positive_B) + F.softplus(negative_B - theta)

    def _normalise(self, h: Tensor) -> Tensor:
        """Only the direction of a layer's activities goes on."""
        flat, epsilon = h.flatten(1), self.hp["norm_epsilon"]
        if self.hp["norm"] == "rms":
            return normalisation.rms(flat, epsilon, "outside_root").view(h.shape)
        return normalisation.length(flat, epsilon).view(h.shape)

    @torch.no_grad()
    def _activities(self, x: Tensor) -> list[Tensor]:
        """Normalised activities of every block, bottom up."""
        out = []
        for _, block in self.modes([]):
            x = self._normalise(block(x))
            out.append(x)
        return out

    @torch.no_grad()
    def observe(self, batch: Batch) -> Batch:
        """Per-sample results without learning.

        Returns:
            ``layer_scores`` (B, L, classes): goodness under each label. ``scores_multi_pass``: summed over all layers;
            ``scores_from_second``: over all but the first. ``scores_one_pass``: the head's logits, once it counts.
            ``loss`` (B, L) against one fixed wrong label for each sample, and the head's once it counts.
        """
        x, label_B = self.images(batch), batch["label"]
        goods = []
        for label in range(CLASSES):
            put, goods_B = self.put(x, torch.full_like(label_B, label)), []
            for index, block in self.modes([]):
                h = block(put)
                goods_B.append(self._goodness(h))
                if index + 1 < self.layers:
                    put = self._normalise(h)
            goods.append(torch.stack(goods_B, 1))
        g_BLJ = torch.stack(goods, 2)
        wrong_B = (label_B + 1 + batch["index"] % (CLASSES - 1)) % CLASSES
        pairs = torch.stack([label_B, wrong_B], 1)[:, None, :].expand(-1, self.layers, -1)
        positive_BL, negative_BL = g_BLJ.gather(2, pairs).unbind(2)
        loss = [
            self._loss(torch.cat([positive_BL[:, layer], negative_BL[:, layer]]), math.prod(self.net.shapes[layer]))
            for layer in range(self.layers)
        ]
        out = {
            "layer_scores": g_BLJ,
            "scores_multi_pass": g_BLJ.sum(1),
            "scores_from_second": g_BLJ[:, min(1, self.layers - 1) :].sum(1),
        }
        if self.head_counts:
            out["scores_one_pass"] = self.head(self._activities(self.put_neutral(x)))
            loss.append(F.cross_entropy(out["scores_one_pass"], label_B, reduction="none"))
        return out | {"loss": torch.stack(loss, 1)}

    def state_dict(self) -> dict:
        """Also the generator of wrong labels."""
        return super().state_dict() | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from ``state_dict``."""
        super().load_state_dict(state)
        self.generator.set_state(state["generator"])
