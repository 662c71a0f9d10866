"""Normalisation of a layer's activations before the next layer: by their length, or standardised.

Each function has an ``out``-of-place form (autograd-friendly, plain) and the closed-form learners call the same
code with ``in_place=True``, which overwrites its argument.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def rms(h: Tensor, epsilon: float, where: str, *, in_place: bool = False) -> Tensor:
    """Divide by the root mean square over the last dimension (the RNN paper, Sec. 3.6.2, "layer normalization").

    Args:
        h: (..., H).
        where: ``inside_root`` (the paper: sqrt(mean + eps)) or ``outside_root`` (the released code: sqrt(mean) + eps).
    """
    scale = rms_scale(torch.linalg.vector_norm(h, dim=-1, keepdim=True), h.shape[-1], epsilon, where)
    return h.mul_(scale) if in_place else h * scale


def rms_scale(length: Tensor, units: int, epsilon: float, where: str) -> Tensor:
    """What ``rms`` multiplies vectors of ``units`` numbers by, from their lengths."""
    root = length / units**0.5
    return (root.square() + epsilon).rsqrt() if where == "inside_root" else (root + epsilon).reciprocal()


def standardize_batch(h_TBH: Tensor, epsilon: float, *, in_place: bool = False) -> Tensor:
    """(h - mean) / (std + eps) over the batch, for each step and unit; std with n - 1.

    The released code's standardisation: a sample's activations depend on the batch that it is in. A batch of one
    sample has no std; the result is NaN, as it is there.
    """
    out = h_TBH if in_place else h_TBH.clone()
    batch = h_TBH.shape[1]
    for h_BH in out:  # step by step: a step stays in the cache
        h_BH.sub_(h_BH.mean(0))
        std_H = torch.linalg.vector_norm(h_BH, dim=0) / (batch - 1) ** 0.5 if batch > 1 else torch.nan
        h_BH.div_(std_H + epsilon)
    return out


def standardize_sample(h_TBH: Tensor, epsilon: float, mask_TB1: Tensor | None, *, in_place: bool = False) -> Tensor:
    """(h - mean) / (std + eps) over each sample's own time axis, for each unit; std with n; padded steps become 0.

    Args:
        h_TBH: activations, 0 where padded.
        mask_TB1: 1 where a step counts, None where all do.
    """
    out = h_TBH if in_place else h_TBH.clone()
    count = float(len(out)) if mask_TB1 is None else mask_TB1.sum(0).clamp_min(1)
    mean_BH = out.sum(0) / count
    square_BH = torch.zeros_like(mean_BH)
    for t, h_BH in enumerate(out):
        h_BH.sub_(mean_BH)
        if mask_TB1 is not None:
            h_BH.mul_(mask_TB1[t])
        square_BH.addcmul_(h_BH, h_BH)
    return out.mul_(square_BH.div_(count).sqrt_().add_(epsilon).reciprocal_())


def length(h: Tensor, epsilon: float, *, in_place: bool = False) -> Tensor:
    """Divide by the length over the last dimension plus epsilon (Hinton 2022, Sec. 2: only the direction goes on)."""
    scale = length_scale(torch.linalg.vector_norm(h, dim=-1, keepdim=True), epsilon)
    return h.mul_(scale) if in_place else h * scale


def length_scale(found: Tensor, epsilon: float) -> Tensor:
    """What ``length`` multiplies vectors by, from their lengths."""
    return (found + epsilon).reciprocal()


def layer(h: Tensor, epsilon: float) -> Tensor:
    """Layer norm without scale and shift over all values of a sample, in the memory format of ``h`` (B, ...)."""
    if h.ndim == 4 and h.is_contiguous(memory_format=torch.channels_last):
        h_BHWC = h.permute(0, 2, 3, 1)  # the same values in another order, and no copy
        return F.layer_norm(h_BHWC, h_BHWC.shape[1:], eps=epsilon).permute(0, 3, 1, 2)
    return F.layer_norm(h, h.shape[1:], eps=epsilon)
