"""A stack of fully connected ReLU layers: the MLPs of Hinton (2022) and of the DLR paper (Sec. III)."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ffrepro.base.settings import choice, flag, integer, list_of, or_none
from ffrepro.nets.layers import LinearBlock, initialise

SETTINGS = {
    "layers": list_of(integer("", minimum=1), "units of each layer", [500, 500], shortest=1),
    "input_norm": choice("what normalises every block's input", "none", "batch", default="none"),
    "bias": flag("whether the linear maps have one", True),
    "groups": or_none(integer("parts of a layer's units that compete as classes; None: no parts", minimum=2), None),
    "init": choice("distribution of the initial weights", "torch_default", "lecun_normal", default="torch_default"),
}


class Mlp(nn.Module):
    """``blocks`` of one linear map and ReLU each, without a readout: methods add their own.

    Args:
        inputs: numbers in, or the (C, H, W) of images, which are flattened.
        layers: units of each layer.
        input_norm: ``batch`` (BatchNorm on every block's input) or ``none``.
        bias: whether the maps have one.
        groups: parts of a layer's units that compete as classes; None for layers without.
        init: see ``layers.initialise``.
        generator: source of the initial weights.

    Attributes:
        shapes: output shape of each block, without the batch.
    """

    def __init__(
        self,
        inputs: int | tuple[int, ...],
        layers: list[int],
        *,
        input_norm: str,
        bias: bool,
        groups: int | None,
        init: str,
        generator: torch.Generator,
    ):
        super().__init__()
        sizes = [inputs if isinstance(inputs, int) else math.prod(inputs), *layers]
        self.blocks = nn.ModuleList(
            LinearBlock(i, o, batch_norm=input_norm == "batch", bias=bias, groups=groups) for i, o in pairwise(sizes)
        )
        self.shapes = [(size,) for size in layers]
        initialise(self, init, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Activations of the last block."""
        for block in self.blocks:
            x = block(x)
        return x


def build(settings: dict, inputs: int | tuple[int, ...], classes: int | None, generator: torch.Generator) -> Mlp:
    """Build the net of a plan file's ``net`` section; of it only ``groups`` depends on the classes."""
    return Mlp(
        inputs,
        settings["layers"],
        input_norm=settings["input_norm"],
        bias=settings["bias"],
        groups=settings["groups"],
        init=settings["init"],
        generator=generator,
    )
