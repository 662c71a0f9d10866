"""Building blocks of nets, and the initialisation of their weights.

A block is one layer in the order of the DLR paper: BatchNorm on the input (or none), a linear map or convolution,
ReLU, max pooling (or none). ``forward`` is the plain autograd path; local methods may run the parts themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown

POOL = 2  # every pooling is over POOL x POOL


class LinearBlock(nn.Module):
    """A fully connected layer: x (B, ...) is flattened, out (B, outputs).

    Attributes:
        bn: BatchNorm1d of the input, or None.
        linear: the map.
        groups: into how many equal parts of its units, one a class, a method may divide the layer; None: none.
    """

    def __init__(self, inputs: int, outputs: int, *, batch_norm: bool, bias: bool, groups: int | None):
        super().__init__()
        check_groups(outputs, groups)
        self.bn = nn.BatchNorm1d(inputs) if batch_norm else None
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Activations (B, outputs)."""
        x_BI = x.flatten(1)
        return F.relu_(self.linear(x_BI if self.bn is None else self.bn(x_BI)))


class ConvBlock(nn.Module):
    """A convolutional layer: x (B, inputs, H, W) -> (B, outputs, H', W').

    Attributes:
        bn: BatchNorm2d of the input, or None.
        conv: the convolution; its ``groups`` are above 1 only in a CFSE block.
        pool: whether 2 x 2 max pooling follows.
        groups: into how many equal parts of its channels, one a class, a method may divide the layer; None: none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        padding: int,
        pool: bool,
        batch_norm: bool,
        bias: bool,
        groups: int | None,
        conv_groups: int = 1,
    ):
        super().__init__()
        check_groups(outputs, groups)
        self.bn = nn.BatchNorm2d(inputs) if batch_norm else None
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bias, groups=conv_groups)
        self.pool = pool
        self.groups = groups

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Activations (B, outputs, H', W').

        The maximum of rectified values is the rectified maximum: ReLU comes behind the pool, in place, where there are
        four times fewer values. Bit for bit the same, gradients included, in less time.
        """
        y_BCHW = self.conv(x_BCHW if self.bn is None else self.bn(x_BCHW))
        return F.relu_(F.max_pool2d(y_BCHW, POOL) if self.pool else y_BCHW)

    def out_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """(C, H, W) of the output for an input of ``shape``."""
        kernel, padding = self.conv.kernel_size[0], self.conv.padding[0]
        sides = [side + 2 * padding - kernel + 1 for side in shape[1:]]
        return (self.conv.out_channels, *(side // POOL if self.pool else side for side in sides))


class Head(nn.Module):
    """The softmax layer of one-pass inference: BatchNorm and a linear map of the last blocks' flattened activations.

    Args:
        features: flattened activations of the ``layers`` last blocks together.
        classes: outputs.
        layers: how many blocks it reads.
    """

    def __init__(self, features: int, classes: int, layers: int):
        super().__init__()
        self.layers = layers
        self.bn = nn.BatchNorm1d(features)
        self.linear = nn.Linear(features, classes)

    def forward(self, activations: list[Tensor]) -> Tensor:
        """(B, classes) logits from the activations of all blocks, or of the last ones."""
        return self.linear(self.bn(torch.cat([a.flatten(1) for a in activations[-self.layers :]], dim=1)))


def check_groups(units: int, groups: int | None) -> None:
    """Refuse a layer whose units do not divide into equal groups.

    Raises:
        FfreproError: they do not.
    """
    if groups is not None and units % groups:
        raise FfreproError(
            f"{units} units or channels do not divide into {groups} groups, one a class",
            where="net",
            fix=f"choose a net whose layers are multiples of {groups} wide, or a method that needs no groups",
        )


INITS = ["torch_default", "lecun_normal"]


def initialise(net: nn.Module, init: str, generator: torch.Generator) -> None:
    """Draw every weight from the generator, in the order of ``net.modules()``.

    ``torch_default``: weights and biases of linear maps and convolutions uniform within 1/sqrt(fan in), which is what
    PyTorch's Kaiming-uniform with a = sqrt(5) comes to. ``lecun_normal``: weights normal with a standard deviation of
    1/sqrt(fan in), biases zero, so that units start with the scale of their input. BatchNorm starts as the identity.
    """
    if init not in INITS:
        raise unknown("init", init, INITS)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                scale = module.weight[0].numel() ** -0.5
                if init == "lecun_normal":
                    module.weight.normal_(std=scale, generator=generator)
                    if module.bias is not None:
                        module.bias.zero_()
                    continue
                for parameter in module.parameters(recurse=False):
                    parameter.uniform_(-scale, scale, generator=generator)


@contextmanager
def seen_again(block: nn.Module) -> Iterator[None]:
    """Context in which a repeated batch is not counted again in BatchNorm's running statistics."""
    norms = [m for m in block.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # of what is new
        norm.num_batches_tracked -= 1
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
