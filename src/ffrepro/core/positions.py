"""Means over the positions of a map or of tokens."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ffrepro.core.goodness import wide


def mean(h: Tensor) -> Tensor:
    """Mean over the positions of (B, D, H, W) or (B, positions, D): (B, D), summed in float32 at least.

    Its gradient is laid out as ``h`` is. PyTorch's own has a stride of 0 over the positions, with which the backward
    pass of a BatchNorm on channels-last maps takes several times as long.
    """
    return _Mean.apply(h)


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h: Tensor) -> Tensor:
        last = h.ndim == 4 and h.is_contiguous(memory_format=torch.channels_last)
        ctx.shape, ctx.layout = h.shape, torch.channels_last if last else torch.contiguous_format
        return h.mean(_dimensions(h.shape), dtype=wide(h)).to(h.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BD: Tensor) -> Tensor:
        dimensions = _dimensions(ctx.shape)
        for dimension in dimensions:
            grad_BD = grad_BD.unsqueeze(dimension)
        positions = math.prod(ctx.shape[dimension] for dimension in dimensions)
        return (grad_BD / positions).expand(ctx.shape).contiguous(memory_format=ctx.layout)


def _dimensions(shape: torch.Size) -> tuple[int, ...]:
    return (2, 3) if len(shape) == 4 else (1,)
