"""The convolutional nets of the DLR paper (Sec. III, Tables I to IV), by name.

Table III gives channels and kernels. What it leaves open is solved from its parameter counts, which these nets have
exactly: BatchNorm with scale and shift on every convolution's input, no bias, padding 1, and a head of BatchNorm and
a linear map on the activations of the last two layers. To this the published counts add 10,240 parameters, the size of
an ``Embedding(10, 32 * 32)`` for labels, which the described method never uses. Here it is a number, not a tensor:
``parameter_counts`` names it apart, and no memory is spent on it. Pools are at layers 1 and 3 (and 6 in FF_deep): two
among the first three are certain, which two is chosen by analogy.

The nets of the original algorithm (Table I) are given by channels only. Chosen: on MNIST 7 x 7 kernels without
padding, the one kernel size with which two 2 x 2 poolings leave the 256 inputs that the paper's linear layer has; on
CIFAR-10 3 x 3 kernels with padding 1, pooling after each of the first three layers. They have no groups (264, 512 and
1024 do not divide by ten), no BatchNorm and no head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.settings import choice, flag
from ffrepro.nets.layers import ConvBlock, Head, LinearBlock, initialise

SETTINGS = {
    "model": choice(
        "architecture",
        "mnist_original",
        "cifar10_original",
        "ff_tiny",
        "ff_small",
        "ff_medium",
        "ff_optimal",
        "ff_deep",
    ),
    "cfse": flag("whether every second convolution is grouped by class (CwC's CFSE)", False),
    "init": choice("distribution of the initial weights", "torch_default", default="torch_default"),
}
HEAD_LAYERS = 2  # the improved algorithm infers from the last two layers (Sec. III, item 4)
PUBLISHED_CLASSES = 10  # of the paper's sets: of the nets whose parameters it counts
UNUSED_EMBEDDING = 32 * 32  # numbers for each class


@dataclass(frozen=True)
class Model:
    """An architecture.

    Attributes:
        channels: of each convolution's output. kernels: side of each kernel. pools: layers, counted from 1, that end
            with 2 x 2 max pooling. padding: of every convolution.
        linear: units of fully connected layers after the convolutions.
        grouped: the improved algorithm's net: BatchNorm on inputs, no bias, channels in groups, a head.
    """

    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    pools: tuple[int, ...]
    padding: int = 1
    linear: tuple[int, ...] = ()
    grouped: bool = True


MODELS = {
    "mnist_original": Model((32, 64), (7, 7), (1, 2), padding=0, linear=(100,), grouped=False),
    "cifar10_original": Model((128, 264, 512, 1024), (3, 3, 3, 3), (1, 2, 3), grouped=False),
    "ff_tiny": Model((50, 50, 50, 50), (3, 3, 3, 4), (1, 3)),
    "ff_small": Model((50, 50, 70, 70), (3, 3, 3, 4), (1, 3)),
    "ff_medium": Model((50, 50, 100, 150), (3, 3, 3, 4), (1, 3)),
    "ff_optimal": Model((50, 50, 100, 160, 160), (3, 3, 3, 4, 3), (1, 3)),
    "ff_deep": Model((130, 130, 260, 260, 260, 510), (3, 3, 3, 5, 3, 3), (1, 3, 6)),
}


class Cnn(nn.Module):
    """``blocks`` of one convolution (or, last, one linear map) each and, for a grouped net, ``head``.

    Args:
        inputs: (C, H, W) of an image.
        classes: channel groups and outputs of the head, of a grouped net.
        model: a name of ``MODELS``, or another ``Model``.
        cfse: in grouped nets, make every second layer a grouped convolution (the separator) behind a standard one
            (the extractor): a class's channels then see the same class's channels of the layer before only. After the
            CFSE block of CwC (Papachristodoulou et al. 2024); how it pairs the layers of these nets is our reading.
        init: see ``layers.initialise``.
        generator: source of the initial weights.

    Attributes:
        shapes: output shape of each block, without the batch. head: None where the net has none.

    Raises:
        FfreproError: no such model, an image too small for it, CFSE without groups, channels that do not divide into
            as many groups as there are classes.
    """

    def __init__(
        self,
        inputs: tuple[int, int, int],
        model: str | Model,
        *,
        classes: int,
        cfse: bool,
        init: str,
        generator: torch.Generator,
    ):
        super().__init__()
        if isinstance(model, str) and model not in MODELS:
            raise unknown("model", model, MODELS, where="net cnn")
        form = MODELS[model] if isinstance(model, str) else model
        if cfse and not form.grouped:
            raise FfreproError(
                f"{model} has no channel groups to separate", where="net.cfse", fix="set `cfse` to false"
            )
        self.classes = classes
        groups = classes if form.grouped else None
        self.blocks, self.shapes = nn.ModuleList(), []
        shape = tuple(inputs)
        for layer, (channels, kernel) in enumerate(zip(form.channels, form.kernels, strict=True), start=1):
            block = ConvBlock(
                shape[0],
                channels,
                kernel,
                padding=form.padding,
                pool=layer in form.pools,
                batch_norm=form.grouped,
                bias=not form.grouped,
                groups=groups,
                conv_groups=classes if cfse and layer % 2 == 0 else 1,
            )
            shape = block.out_shape(shape)
            if min(shape) < 1:
                raise FfreproError(f"images of {tuple(inputs)} are too small for {model}", where=f"layer {layer}")
            self.blocks.append(block)
            self.shapes.append(shape)
        for units in form.linear:
            size = math.prod(self.shapes[-1])
            self.blocks.append(LinearBlock(size, units, batch_norm=False, bias=True, groups=None))
            self.shapes.append((units,))
        features = sum(map(math.prod, self.shapes[-HEAD_LAYERS:]))
        self.head = Head(features, classes, HEAD_LAYERS) if form.grouped else None
        initialise(self, init, generator)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits of the head (B, classes), as backpropagation trains it; without a head the last activations."""
        activations = []
        for block in self.blocks:
            x_BCHW = block(x_BCHW)
            activations.append(x_BCHW)
        return x_BCHW if self.head is None else self.head(activations)


def build(settings: dict, inputs: tuple[int, int, int], classes: int, generator: torch.Generator) -> Cnn:
    """Build the net of a plan file's ``net`` section."""
    own = {name: settings[name] for name in ("model", "cfse", "init")}
    return Cnn(inputs, classes=classes, generator=generator, **own)


def parameter_counts(net: Cnn) -> dict[str, int]:
    """Number of parameters of the ``blocks``, of the ``head``, of both (``trained``), and as Table III counts.

    ``published`` = ``trained`` + ``unused_embedding`` for a grouped net; the other nets' counts are not published and
    hold no embedding.
    """
    blocks = sum(parameter.numel() for parameter in net.blocks.parameters())
    head = 0 if net.head is None else sum(parameter.numel() for parameter in net.head.parameters())
    embedding = 0 if net.head is None else net.classes * UNUSED_EMBEDDING
    return {
        "blocks": blocks,
        "head": head,
        "trained": blocks + head,
        "unused_embedding": embedding,
        "published": blocks + head + embedding,
    }
