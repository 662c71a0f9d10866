"""Means over the positions of a map or of tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ffrepro.core.goodness import wide


def mean(h: Tensor) -> Tensor:
    """Mean over the positions of (B, D, H, W) or (B, positions, D), summed in float32 at least: (B, D), as which (B, D)
    stays."""
    return h if h.ndim == 2 else h.mean(_dimensions(h.shape), dtype=wide(h)).to(h.dtype)


def mean_laid_out(h: Tensor) -> Tensor:
    """``mean``, with a gradient that is laid out as ``h`` is: for the activations of a block.

    PyTorch's own has a stride of 0 over the positions, with which the backward pass of a BatchNorm on channels-last
    maps takes several times as long.
    """
    return h if h.ndim == 2 else _Mean.apply(h)


def mean_square(h: Tensor) -> Tensor:
    """Mean over the positions of the squares of (B, D, H, W) or (B, positions, D): (B, D), in float32 at least.

    Its gradient, too, is laid out as ``h`` is, and made in one pass over it.
    """
    return _MeanSquare.apply(h)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        last = h.ndim == 4 and h.is_contiguous(memory_format=torch.channels_last)
        ctx.shape, ctx.layout = h.shape, torch.channels_last if last else torch.contiguous_format
        return mean(h)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BD: Tensor) -> Tensor:
        spread = _spread(grad_BD, ctx.shape) / _count(ctx.shape)
        return spread.expand(ctx.shape).contiguous(memory_format=ctx.layout)


class _MeanSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        ctx.save_for_backward(h)
        return h.to(wide(h)).square().mean(_dimensions(h.shape))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BD: Tensor) -> Tensor:
        (h,) = ctx.saved_tensors
        return h * (_spread(grad_BD, h.shape) * (2 / _count(h.shape))).to(h.dtype)


def _spread(values_BD: Tensor, shape: torch.Size) -> Tensor:
    """With a dimension of 1 for each of the positions'."""
    for dimension in _dimensions(shape):
        values_BD = values_BD.unsqueeze(dimension)
    return values_BD


def _count(shape: torch.Size) -> int:
    return math.prod(shape[dimension] for dimension in _dimensions(shape))


def _dimensions(shape: torch.Size) -> tuple[int, ...]:
    return (2, 3) if len(shape) == 4 else (1,)
