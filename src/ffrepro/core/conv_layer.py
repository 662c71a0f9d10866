"""Tensors of a convolutional block for the closed form, and the places of its gradients."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ffrepro.core.batch_norm import Norm, norm_of


class Layer(NamedTuple):
    """A block's tensors. ``weight`` (O, I, K, K), best in channels_last memory; ``bias`` (O,) or None; ``norm``
    of the input or None. The kernel is larger than twice the padding."""

    weight: Tensor
    norm: Norm | None
    bias: Tensor | None
    padding: int
    pool: bool


class Gradients(NamedTuple):
    """Gradient buffers of a layer; None for parameters that it does not have."""

    weight: Tensor
    gamma: Tensor | None = None
    beta: Tensor | None = None
    bias: Tensor | None = None


def layer_of(conv: nn.Conv2d, bn: nn.BatchNorm2d | None, pool: bool) -> Layer:
    """The tensors of modules, not copied; a square kernel."""
    bias = None if conv.bias is None else conv.bias.detach()
    return Layer(conv.weight.detach(), norm_of(bn), bias, conv.padding[0], pool)


def gradients_of(conv: nn.Conv2d, bn: nn.BatchNorm2d | None) -> Gradients:
    """The modules' gradient buffers, allocated where there are none yet."""
    modules = [conv] if bn is None else [conv, bn]
    for parameter in (p for module in modules for p in module.parameters()):
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    norm = (None, None) if bn is None else (bn.weight.grad, bn.bias.grad)
    return Gradients(conv.weight.grad, *norm, None if conv.bias is None else conv.bias.grad)


def output_shape(layer: Layer, x_shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Shape of the block's output map (N, H, W, O + 1) for an input map (N, H, W, I + 1)."""
    outputs, _, kernel, _ = layer.weight.shape
    sizes = (size + 2 * layer.padding - kernel + 1 for size in x_shape[1:3])
    height, width = (size // 2 if layer.pool else size for size in sizes)
    return x_shape[0], height, width, outputs + 1
