"""Goodness of packed token activations, and the hinge on pairs (Kim & Yoo 2025, Eqs. 1 to 4 and Table 5)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS = {"relu": F.relu, "sigmoid": torch.sigmoid, "none": lambda x: x}


def of_tokens(z_ND: Tensor, form: str, activation: str) -> Tensor:
    """What each token adds to a goodness, (N,): squares or, ``linear``, activations, summed over units.

    Args:
        z_ND: activations before the non-linearity. form: see ``of_groups``. activation: ``relu, sigmoid, none``.
    """
    h_ND = ACTIVATIONS[activation](z_ND)
    return h_ND.sum(1) if form == "linear" else h_ND.square().sum(1)


def of_groups(share_N: Tensor, group_N: Tensor | None, groups: int, width: int, form: str) -> Tensor:
    """Goodness (groups,) of tokens put together.

    Args:
        share_N: what ``of_tokens`` gives. group_N: the group of each token; None: every token is its own.
        width: units of a token.
        form: ``sum`` of squares (Table 5), their ``mean``, ``norm``, the root of their sum (Eq. 2), or ``linear``, the
            mean of the activations themselves (Eq. 1).
    """
    if group_N is None:
        total_G, count_G = share_N, torch.ones_like(share_N)
    else:
        zero_G = share_N.new_zeros(groups)
        total_G = zero_G.index_add(0, group_N, share_N)
        count_G = zero_G.index_add(0, group_N, torch.ones_like(share_N))
    if form == "sum":
        return total_G
    if form == "norm":
        return (total_G + 1e-12).sqrt()
    return total_G / (count_G * width)


def hinge(positive_P: Tensor, negative_P: Tensor, delta: float | Tensor) -> Tensor:
    """max(0, negative - positive + delta), (P,): Eq. 3."""
    return F.relu(negative_P - positive_P + delta)
