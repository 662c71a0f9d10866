"""The FF logistic loss with a threshold, per time step, and its slope in closed form."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def logistic(g: Tensor, sign: Tensor, theta: float, epsilon: float = 0.0) -> Tensor:
    """-log(sigmoid(sign * (g - theta)) + epsilon), elementwise (the RNN paper, Sec. 3.6.2).

    Args:
        g: goodness. sign: +1 for positive samples, -1 for negative ones, broadcast against ``g``.
        theta: threshold. epsilon: 0 in the paper; the released code adds 1e-10 inside the logarithm.
    """
    z = sign * (g - theta)
    if epsilon == 0:
        return -F.logsigmoid(z)
    return -torch.log(torch.sigmoid(z) + epsilon)


def logistic_slope(g: Tensor, sign: Tensor, theta: float, epsilon: float = 0.0) -> Tensor:
    """d logistic / d g, elementwise."""
    z = sign * (g - theta)
    if epsilon == 0:
        return -sign * torch.sigmoid(-z)
    p = torch.sigmoid(z)
    return -sign * p * (1 - p) / (p + epsilon)


def step_weights(label_B: Tensor, count_B: Tensor, reduction: str) -> Tensor:
    """Weight of each counted time step in a batch's loss, (B,).

    ``per_class``: E_pos[mean over time] + E_neg[mean over time] (the RNN paper's formula);
    ``joint``: mean over all samples, classes together (the released code). A class without samples adds nothing.
    """
    if reduction == "joint":
        per_sample = torch.full_like(count_B, 1.0 / len(label_B))
    else:
        positive = label_B > 0.5
        n_pos = positive.sum().clamp_min(1).to(count_B.dtype)
        n_neg = (~positive).sum().clamp_min(1).to(count_B.dtype)
        per_sample = torch.where(positive, 1 / n_pos, 1 / n_neg)
    return per_sample / count_B.clamp_min(1)
