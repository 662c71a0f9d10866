"""Attention weights, and two numbers that say how sharp they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Sharpness(NamedTuple):
    """Of each text's attention rows, (B,) each, means over heads and real tokens: largest weight, entropy in nats."""

    maximum: Tensor
    entropy: Tensor


def weights(q: Tensor, k: Tensor, keep_BS: Tensor) -> Tensor:
    """Attention weights (B, heads, S, S) of queries and keys (B, heads, S, d); none to padding."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return scores.masked_fill(~keep_BS[:, None, None, :], -torch.inf).softmax(-1)


def sharpness(weights_BHSS: Tensor, keep_BS: Tensor) -> Sharpness:
    """Largest weight and entropy, which all inputs may have differently; the mean of a row is 1 / tokens of any."""
    share = keep_BS.to(weights_BHSS.dtype)
    share_BS = share / share.sum(1, keepdim=True)
    largest_BS = weights_BHSS.amax(-1).mean(1)
    entropy_BS = torch.special.entr(weights_BHSS).sum(-1).mean(1)
    return Sharpness((largest_BS * share_BS).sum(1), (entropy_BS * share_BS).sum(1))
