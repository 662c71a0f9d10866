"""The original Forward-Forward algorithm on images with labels (the DLR paper, Sec. II-A; Hinton 2022, Sec. 3.3).

An image with its own label put into it is positive, with a wrong one negative; layers learn from the pairs as in
``methods.pairs`` (Eq. 1). The label is put in as the paper says (``overlay``), as a wave over the whole image
(``fourier``), or as an image that is learnt (``embedding``): a table of one image a label, which starts as noise of
standard deviation ``label_scale`` and learns from the first block's loss only.

``normalise_samples`` takes the length off an image with its label as off every layer's activations, so that all
samples drive the first layer alike. The blocks learn by Adam or, ``optimizer: sgd``, by SGD with ``momentum`` (as in
Hinton's own experiments).

``negatives: hard`` draws the wrong label from the head's own mistakes (Hinton 2022, Sec. 3.3), ``uniform`` from all
others alike; the head then has to learn beside the blocks. The head reads the normalised activations of the second
to the last layer under a neutral label.

``first_layer: shared`` computes the first layer's product with an image once for all labels that the image bears in a
step or in multi-pass inference (``core.overlaid``): the same function, summed in another order. It is for overlaid
labels before a fully connected block of ``ffrepro.nets`` (with BatchNorm on its input: in closed form alone). Waves and
learnt labels change every pixel, and a convolution's window sees label and image together; there, nothing is shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, flag, list_of, number
from ffrepro.core import linear_block, overlaid
from ffrepro.core.goodness import wide
from ffrepro.core.overlaid import Samples
from ffrepro.data import label_negatives as labels
from ffrepro.methods import images, pairs
from ffrepro.methods.base import Batch, classes_of
from ffrepro.methods.pairs import PairLearner
from ffrepro.nets.layers import LinearBlock

STACKED = 128
"""Samples up to which multi-pass inference takes all labels of a batch in one pass."""

LABELLED = 1024
"""Samples of a pass where labels share the first layer's product: as fast as any number above it."""

VERSION = 1  # of its numbers: tests/golden/ff.json
SETTINGS = {
    "update": pairs.SETTINGS["update"],
    "gradient": pairs.SETTINGS["gradient"],
    "label": choice(
        "how an image bears its label: in its first pixels, as a wave, as a learnt image",
        "overlay",
        "fourier",
        "embedding",
        default="overlay",
    ),
    "label_scale": number(
        "value of a labelled pixel, amplitude of a wave, initial deviation of a learnt label", 1.0, above=0
    ),
    "negatives": choice("wrong labels: any, or those that the head confuses", "uniform", "hard", default="uniform"),
    "first_layer": choice(
        "its product with an image: for each sample, or, where it can be, once for all labels of the image",
        "separate",
        "shared",
        default="shared",
    ),
    "normalise_samples": flag("whether all samples are brought to one length", False),
    "optimizer": choice("of the blocks", "adam", "sgd", default="adam"),
    "momentum": number("of sgd", 0.9, minimum=0, below=1),
    **{
        name: pairs.SETTINGS[name]
        for name in ("goodness", "top_share", "loss", "theta", "alpha", "margin", "mixing_weight")
    },
    "norm": pairs.SETTINGS["norm"],
    "norm_epsilon": pairs.SETTINGS["norm_epsilon"],
    "head": pairs.SETTINGS["head"],
    "readouts": list_of(
        choice("", "from_second", "all", "last_1", "last_2", "last_3"),
        "layers that inference reads; the first entry counts, the others are measured beside it",
        ["from_second"],
        shortest=1,
        distinct=True,
    ),
    "head_epochs": pairs.SETTINGS["head_epochs"],
    "weight_decay": pairs.SETTINGS["weight_decay"],
}

OVERWRITTEN = 0.25
"""Part of a sample's numbers that a label may overwrite before a user of the library hears of it."""


def defaults(net: nn.Module) -> dict[str, str]:
    """Of the library, those that depend on the net.

    A convolution needs a label that is everywhere in the image, and learns little from it by the logistic loss.
    """
    return {"label": "fourier", "loss": "symba", "goodness": "mean"} if images.has_convolutions(net) else {}


def advice(x_N: Tensor, classes: int, hyperparameters: dict) -> str | None:
    """What a user of the library should know before samples (N, ...) are learnt from."""
    numbers = x_N.flatten(1)
    told = numbers[:, :classes]
    if hyperparameters["label"] != "overlay" or classes <= OVERWRITTEN * numbers.shape[1] or (told == told[0]).all():
        return None
    return (
        f"the label overwrites the first {classes} of the {numbers.shape[1]} numbers of every sample: "
        f"put {classes} zeros before them"
    )


class Method(PairLearner):
    """FF on a net of blocks (``nets.mlp``, ``nets.cnn``).

    Batches: ``x`` (B, C, H, W) in [0, 1] or standardised, ``label`` (B,).

    Raises:
        FfreproError: hard negatives from a head that has learnt nothing while the blocks learn; more classes than a
            sample has numbers, or plane waves, to put a label into; samples that are no images for a label that is.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        if hyperparameters["negatives"] == "hard" and hyperparameters["head"] == "after":
            raise FfreproError(
                "hard negatives are drawn from the head's mistakes, and this head learns after the blocks",
                where="method.negatives",
                fix="set `head` to concurrent, or `negatives` to uniform",
            )
        x, classes = example["x"], classes_of(net)
        if hyperparameters["label"] == "overlay" and x[0].numel() < classes:
            raise FfreproError(
                f"an overlay needs {classes} numbers, one a class, and a sample has {x[0].numel()}",
                where="method.label",
                fix="set `label` to embedding, or use larger samples",
            )
        if hyperparameters["label"] != "overlay" and x.ndim != 4:
            raise FfreproError(
                f"label {hyperparameters['label']} is an image, and samples have shape {tuple(x.shape[1:])}",
                where="method.label",
                fix="give images (samples, channels, height, width), or set `label` to overlay",
            )
        self.table = None
        if hyperparameters["label"] == "embedding":
            self.table = nn.Embedding(classes, math.prod(x.shape[2:]))
            with torch.no_grad():
                self.table.weight.normal_(std=hyperparameters["label_scale"], generator=generator)
            self.table.to(x)
        auxiliary = None if self.table is None else {0: self.table}
        momentum = hyperparameters["momentum"] if hyperparameters["optimizer"] == "sgd" else None
        super().__init__(
            net, hyperparameters, example, generator, lr,
            readouts=hyperparameters["readouts"], auxiliary=auxiliary, momentum=momentum,
        )  # fmt: skip
        self.shares = self._can_share(net.blocks[0])
        if hyperparameters["label"] == "fourier":
            self.modes_JHW = labels.fourier_modes(classes, *x.shape[2:]).to(x)

    def step(self, batch: Batch) -> Batch:
        """One update of what learns in this phase.

        Returns:
            ``loss`` (summed over layers; in the head's phase the head's), ``loss_layer<l>``, ``loss_head``.
        """
        x, label_B = self.images(batch), batch["label"]
        learning = self.learning()
        activations = wrong_B = loss_head = None
        images = self._overlaid_images(x) if self.shares else None
        if self.head_learns or self.hp["negatives"] == "hard":
            with torch.no_grad():
                activations = self.activations(images.neutral() if images else self.put_neutral(x))
        if learning:
            wrong_B = self._wrong_labels(activations, label_B)
        if self.head_learns:
            loss_head = self.learn_head(activations, label_B)
        del activations  # of all layers: gone before the blocks learn
        out: Batch = {}
        if learning:
            if images:
                samples = images.under(label_B, wrong_B)
            else:
                with torch.set_grad_enabled(0 in learning):  # of the labels, where they are learnt
                    samples = torch.cat([self.put(x, label_B), self.put(x, wrong_B)])
            out = self.learn_pairs(samples, learning)
        return self.with_head(out, loss_head)

    def _can_share(self, block: nn.Module) -> bool:
        """Whether samples of an image share the first layer's product with it."""
        if self.hp["first_layer"] != "shared" or self.hp["label"] != "overlay" or not isinstance(block, LinearBlock):
            return False
        return block.bn is None or self.hp["gradient"] == "closed_form"

    def _overlaid_images(self, x: Tensor) -> overlaid.Images:
        scale = partial(self.length_scale, units=x[0].numel()) if self.hp["normalise_samples"] else None
        return overlaid.Images(x, self.classes, self.hp["label_scale"], scale, self._buffers)

    def forward(self, block: nn.Module, x: Tensor | Samples) -> Tensor:
        """A block's activations; of the first one also for samples that share their images."""
        if not isinstance(x, Samples):
            return block(x)
        if torch.is_grad_enabled():
            return overlaid.activations(x, block.linear.weight, block.linear.bias)
        if block.bn is not None:
            x.images.forget()
        layer = linear_block.resting_map(block.linear, block.bn)
        out_NO = layer.weight.new_empty(len(x), len(layer.weight))
        work_BO = self._buffers.get("work", (len(x.images.rows_BI), len(layer.weight)), layer.weight)
        overlaid.forward(x, layer.weight, layer.bias, out_NO, work_BO)
        return out_NO

    def put(self, x: Tensor, label_B: Tensor) -> Tensor:
        """Embed labels into images."""
        if self.hp["label"] == "overlay":
            put = labels.overlay(x, label_B, self.classes, self.hp["label_scale"])
        elif self.table is not None:
            put = labels.put_embedding(x, label_B, self.table.weight)
        else:
            put = labels.put_mode(x, label_B, self.modes_JHW, self.hp["label_scale"])
        return self._sample(put)

    def put_neutral(self, x: Tensor) -> Tensor:
        """Images with a neutral label, in favour of no class."""
        if self.hp["label"] == "overlay":
            put = labels.overlay_neutral(x, self.classes, self.hp["label_scale"])
        elif self.table is not None:
            put = x + self.table.weight.mean(0).view(x.shape[2:])
        else:
            put = x + self.hp["label_scale"] * self.modes_JHW.mean(0)
        return self._sample(put)

    def _sample(self, x: Tensor) -> Tensor:
        return self.normalise(x) if self.hp["normalise_samples"] else x

    def _wrong_labels(self, activations: list[Tensor] | None, label_B: Tensor) -> Tensor:
        if self.hp["negatives"] == "uniform":
            return labels.wrong_labels(label_B, self.classes, self.generator)
        with torch.no_grad():
            share_BJ = self.head(activations).softmax(1).cpu() + 1e-12  # a sure head still leaves some label to draw
        share_BJ.scatter_(1, label_B.cpu().unsqueeze(1), 0.0)
        return torch.multinomial(share_BJ, 1, generator=self.generator).squeeze(1).to(label_B.device)

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``layer_scores`` (B, L, classes): goodness under each label. ``scores_multi_pass``: summed over all layers;
            ``scores_from_second``: over all but the first. Once the head counts, ``scores_one_pass``: its logits, and
            ``scores_one_pass_<readout>`` those of its other readouts.
            ``loss`` (B, L) against one fixed wrong label for each sample, and the head's once it counts.
        """
        label_B = batch["label"]
        g_BLJ = self._all_labels(batch)
        wrong_B = (label_B + 1 + batch["index"] % (self.classes - 1)) % self.classes
        both = torch.stack([label_B, wrong_B], 1)[:, None, :].expand(-1, self.layers, -1)
        positive_BL, negative_BL = g_BLJ.gather(2, both).unbind(2)
        loss = [
            self.pair_loss(torch.cat([positive_BL[:, layer], negative_BL[:, layer]]), math.prod(self.net.shapes[layer]))
            for layer in range(self.layers)
        ]
        out = {
            "layer_scores": g_BLJ,
            "scores_multi_pass": g_BLJ.sum(1),
            "scores_from_second": g_BLJ[:, min(1, self.layers - 1) :].sum(1),
        }
        if self.head_counts:
            activations = self._neutral_activations(batch)
            out["scores_one_pass"] = self.head(activations)
            for name in self.hp["readouts"][1:]:
                out[f"scores_one_pass_{name}"] = self.head(activations, name)
            loss.append(F.cross_entropy(out["scores_one_pass"], label_B, reduction="none"))
        return out | {"loss": torch.stack(loss, 1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) under one inference scheme, computing what that scheme needs."""
        if inference == "one_pass":
            return self.head(self._neutral_activations(inputs))
        if inference.startswith("one_pass_"):
            return self.head(self._neutral_activations(inputs), inference.removeprefix("one_pass_"))
        g_BLJ = self._all_labels(inputs)
        return (g_BLJ if inference == "multi_pass" else g_BLJ[:, min(1, self.layers - 1) :]).sum(1)

    def _neutral_activations(self, inputs: Batch) -> list[Tensor]:
        return self.activations(self.put_neutral(self.images(inputs)))

    def _all_labels(self, inputs: Batch) -> Tensor:
        """Goodness (B, L, classes): a forward pass for each label, or one for all labels of a few images."""
        x = self.images(inputs)
        if self.shares:
            return self._all_labels_shared(x)
        if len(x) * self.classes <= STACKED:
            return self._goodness_of_layers(self._put_all(x).flatten(0, 1)).unflatten(0, (len(x), self.classes)).mT
        labels_JB = torch.arange(self.classes, device=x.device).unsqueeze(1).expand(-1, len(x))
        return torch.stack([self._goodness_of_layers(self.put(x, label_B)) for label_B in labels_JB], 2)

    def _all_labels_shared(self, x: Tensor) -> Tensor:
        """The same with one product of the first layer for all labels, as many in a pass as ``LABELLED`` allows."""
        first, goods_LKB = self._labelled(x, max(1, LABELLED // len(x))), []
        for h in first:
            goods = []
            for index, block in self.modes([]):
                h = h if index == 0 else block(h)
                length_N1 = torch.linalg.vector_norm(h.flatten(1), dim=1, keepdim=True, dtype=wide(h))
                square_N = length_N1.squeeze(1).square()
                good_N = self.goodness(h) if self._by_form else self._of_squares(square_N, h[0].numel())
                goods.append(good_N.unflatten(0, (-1, len(x))))
                if index < self.layers - 1:
                    h = h.mul_(self.length_scale(length_N1, h[0].numel()).to(h).view(-1, *[1] * (h.ndim - 1)))
            goods_LKB.append(torch.stack(goods))
        return torch.cat(goods_LKB, 1).permute(2, 0, 1)

    def _labelled(self, x: Tensor, at_once: int) -> Iterator[Tensor]:
        """The first block's activations of images under each label (``overlaid.Images.each_label``)."""
        block = self.net.blocks[0]
        layer = linear_block.resting_map(block.linear, block.bn)
        return self._overlaid_images(x).each_label(layer.weight, layer.bias, at_once)

    def _goodness_of_layers(self, h: Tensor) -> Tensor:
        """(B, L) of samples, by a forward pass."""
        goods = []
        for index, block in self.modes([]):
            h = block(h if index == 0 else self.normalise(h))
            goods.append(self.goodness(h))
        return torch.stack(goods, 1)

    def _put_all(self, x: Tensor) -> Tensor:
        """Samples (B, classes, C, H, W): every image with every label."""
        return torch.stack([self.put(x, torch.full((len(x),), j, device=x.device)) for j in range(self.classes)], 1)

    def exits(self, inputs: Batch) -> tuple[Tensor, list[Callable[[Tensor], tuple[Tensor, Tensor]]]]:
        """Input and layers of ``core.early_exit.run``: every layer sees a sample with all its labels at once."""

        def both(h: Tensor, images: int) -> tuple[Tensor, Tensor]:
            split = (images, self.classes)
            return self.normalise(h).unflatten(0, split), self.goodness(h).unflatten(0, split)

        def layer(block: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
            return lambda x_BJ: both(block(x_BJ.flatten(0, 1)), len(x_BJ))

        def shared(x: Tensor) -> tuple[Tensor, Tensor]:
            h_NO = next(self._labelled(x, self.classes))
            return both(h_NO.unflatten(0, (self.classes, len(x))).transpose(0, 1).flatten(0, 1), len(x))

        layers = [layer(block) for _, block in self.modes([])]
        if self.shares:
            return self.images(inputs), [shared, *layers[1:]]
        return self._put_all(self.images(inputs)), layers
