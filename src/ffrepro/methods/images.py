"""Memory format of image batches and nets: channels last, in which convolutions are fastest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ffrepro.methods.base import Batch


def has_convolutions(net: nn.Module) -> bool:
    """Whether any weight is a kernel over positions."""
    return any(parameter.ndim == 4 for parameter in net.parameters())


def lay_out(net: nn.Module) -> bool:
    """Convert the weights of a net with convolutions to channels-last memory.

    Returns:
        whether it has any, as ``take`` wants to know.
    """
    conv = has_convolutions(net)
    if conv:
        net.to(memory_format=torch.channels_last)
    return conv


def take(batch: Batch, conv: bool) -> Tensor:
    """A batch's ``x``, images (B, C, H, W) in the memory format of ``lay_out``'s net."""
    x = batch["x"]
    return x.contiguous(memory_format=torch.channels_last) if conv and x.ndim == 4 else x
