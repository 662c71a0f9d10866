"""The losses of Forward-Forward learning and its relatives on goodness, some with their slopes in closed form."""

from __future__ import annotations

from collections.abc import Mapping

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


def cwc(g_NJ: Tensor, label_N: Tensor) -> Tensor:
    """-log softmax of the goodness of the true class, per sample (N,) (the DLR paper, Eq. 3)."""
    return F.cross_entropy(g_NJ, label_N, reduction="none")


def cwc_slope(g_NJ: Tensor, label_N: Tensor) -> Tensor:
    """d cwc / d g, (N, J): softmax minus one-hot."""
    slope_NJ = torch.softmax(g_NJ, dim=-1)
    label_N1 = label_N.unsqueeze(1)
    return slope_NJ.scatter_(1, label_N1, slope_NJ.gather(1, label_N1) - 1)


def pair(g_positive: Tensor, g_negative: Tensor, theta: float, settings: Mapping) -> Tensor:
    """The loss of pairs that ``settings["loss"]`` names, elementwise: ``symba``, ``distance`` or ``logistic``.

    Args:
        theta: threshold, in the units of the goodness.
        settings: beside ``loss`` the numbers of each: ``alpha`` (symba), ``margin`` and ``mixing_weight`` (distance).
    """
    if settings["loss"] == "symba":
        return symba(g_positive, g_negative, settings["alpha"])
    if settings["loss"] == "distance":
        return distance(g_positive, g_negative, theta, settings["margin"], settings["mixing_weight"])
    return pair_logistic(g_positive, g_negative, theta)


def pair_logistic(g_positive: Tensor, g_negative: Tensor, theta: float) -> Tensor:
    """softplus(theta - g+) + softplus(g- - theta), elementwise over pairs (the DLR paper, Eq. 1)."""
    return F.softplus(theta - g_positive) + F.softplus(g_negative - theta)


def symba(g_positive: Tensor, g_negative: Tensor, alpha: float) -> Tensor:
    """log(1 + exp(-alpha * (g+ - g-))), elementwise over pairs (SymBa; alpha 4 in The Trifecta's code)."""
    return F.softplus(-alpha * (g_positive - g_negative))


def distance(g_positive: Tensor, g_negative: Tensor, theta: float, margin: float, mixing_weight: float) -> Tensor:
    """Absolute and relative goodness distance mixed, elementwise over pairs.

    ``w * (softplus(theta - g+) + softplus(g- - theta)) + (1 - w) * softplus(margin - (g+ - g-))``, w the weight: our
    reading of "a mixture between absolute and relative distances" (the DLR paper, Sec. II-B b, on Distance-Forward),
    which states no formula: the absolute part is the FF loss, the relative part a soft margin between the two.
    """
    absolute = pair_logistic(g_positive, g_negative, theta)
    return mixing_weight * absolute + (1 - mixing_weight) * F.softplus(margin - (g_positive - g_negative))
