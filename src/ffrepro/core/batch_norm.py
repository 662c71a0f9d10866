"""BatchNorm on a layer's input for the closed forms: an affine map by the batch's moments, folded into the weights.

The moments hold no weights, so that a layer's local gradient needs nothing but their values.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn


class Norm(NamedTuple):
    """``nn.BatchNorm1d`` or ``nn.BatchNorm2d``: all tensors (I,)."""

    gamma: Tensor
    beta: Tensor
    running_mean: Tensor
    running_var: Tensor
    epsilon: float
    momentum: float


class Moments(NamedTuple):
    """Mean and biased variance of each channel of a map (C,), and the number of values behind each."""

    mean: Tensor
    var: Tensor
    count: int


def norm_of(bn: nn.BatchNorm1d | nn.BatchNorm2d | None) -> Norm | None:
    """A module's tensors, not copied."""
    if bn is None:
        return None
    return Norm(bn.weight.detach(), bn.bias.detach(), bn.running_mean, bn.running_var, bn.eps, bn.momentum)


def affine(norm: Norm, moments: Moments) -> tuple[Tensor, Tensor]:
    """(scale, shift), both (I,): BatchNorm as ``x * scale + shift``."""
    scale_I = norm.gamma * (moments.var + norm.epsilon).rsqrt()
    return scale_I, norm.beta - moments.mean * scale_I


def update_running(norm: Norm, moments: Moments) -> None:
    """Update the running statistics as PyTorch's modules do: the running variance is the unbiased one."""
    unbiased = moments.var * (moments.count / (moments.count - 1))
    norm.running_mean.lerp_(moments.mean, norm.momentum)
    norm.running_var.lerp_(unbiased, norm.momentum)


def std(norm: Norm, moments: Moments) -> Tensor:
    """Standard deviation that BatchNorm divides by, (I,)."""
    return (moments.var + norm.epsilon).sqrt()
