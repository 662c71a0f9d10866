"""Goodness of a layer's activations (Hinton 2022, Sec. 2; the RNN paper, Sec. 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor

KINDS = ("sum", "mean")


def goodness(h: Tensor, kind: str) -> Tensor:
    """Sum or mean of squares over the last dimension: (..., H) -> (...)."""
    g = torch.linalg.vector_norm(h, dim=-1, dtype=wide(h)).square()  # one pass over h, no copy of it
    return g / h.shape[-1] if kind == "mean" else g


def weighted(h: Tensor, weight_H: Tensor, kind: str) -> Tensor:
    """Sum or mean over the last dimension of weighted squares: (..., H) -> (...); weights of 1 give ``goodness``."""
    g = h.to(wide(h)).square() @ weight_H.to(wide(h))
    return g / h.shape[-1] if kind == "mean" else g


def wide(h: Tensor) -> torch.dtype:
    """Data type for sums of squares of ``h``: float32 for bfloat16, whose three digits are too few for a loss."""
    return torch.promote_types(h.dtype, torch.float32)


def exact(h: Tensor) -> torch.dtype:
    """Data type for sums that must be exact: float64 where ``h``'s device has it (mps does not)."""
    return torch.float32 if h.device.type == "mps" else torch.float64


def slope(kind: str, units: int) -> float:
    """``a`` in d goodness / d h = a * h: 2 for the sum of squares, 2 / units for their mean."""
    return 2.0 / units if kind == "mean" else 2.0


def time_mean(g_TB: Tensor, mask_TB: Tensor | None) -> Tensor:
    """Mean over the unmasked steps (T, B) -> (B,) (the RNN paper, Sec. 3.6.2, G_i); 0 for a sample without any.

    With a mask (T, B, 1), or none, also the mean of each unit, (T, B, H) -> (B, H).
    """
    if mask_TB is None:
        return g_TB.mean(0)
    return (g_TB * mask_TB).sum(0) / mask_TB.sum(0).clamp_min(1)


def grouped(square_NC: Tensor, groups: int, positions: int) -> Tensor:
    """Goodness of each class: mean of squares over a group's channels and positions (the DLR paper, Eq. 2).

    Args:
        square_NC: squares of each channel, summed over its positions; ``groups`` must divide the channels, and group
            j holds the channels from j * C / groups on.
        positions: height times width of the map, 1 for a linear layer.

    Returns:
        (N, groups).
    """
    per_group = square_NC.shape[-1] // groups
    return square_NC.unflatten(-1, (groups, per_group)).sum(-1) / (per_group * positions)


def grouped_scale(slope_NG: Tensor, channels: int, positions: int) -> Tensor:
    """``a`` in d loss / d h = a * h for each channel (N, C): the loss's slope in its group's goodness, times 2 / n."""
    per_group = channels // slope_NG.shape[-1]
    return (slope_NG * (2.0 / (per_group * positions))).unsqueeze(-1).expand(-1, -1, per_group).flatten(1)
