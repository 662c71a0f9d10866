"""Attention to near tokens alone; attention weights, and two numbers that say how sharp they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


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


def local(q: Tensor, k: Tensor, v: Tensor, keep_BS: Tensor, window: int, causal: bool) -> Tensor:
    """Attention to tokens at most ``window`` away, in chunks of that length: time and memory linear in the length.

    Args:
        q, k, v: (B, heads, S, d). keep_BS: real tokens. causal: see no later ones.
    """
    batch, length = q.shape[0], q.shape[2]
    chunks = -(-length // window)
    spare = chunks * window - length
    reach = window if causal else 2 * window  # of keys before and behind a chunk
    q = F.pad(q, (0, 0, 0, spare)).unflatten(2, (chunks, window)).transpose(1, 2).flatten(0, 1)

    def around(x: Tensor) -> Tensor:
        behind = spare + (reach - window)
        windows = F.pad(x, (0, 0, window, behind)).unfold(2, window + reach, window)
        return windows.movedim(-1, -2).transpose(1, 2).flatten(0, 1)

    keep = F.pad(keep_BS, (window, spare + reach - window)).unfold(1, window + reach, window).flatten(0, 1)
    distance = torch.arange(window + reach, device=q.device) - window - torch.arange(window, device=q.device)[:, None]
    near = (distance.abs() <= window) if not causal else (distance <= 0) & (distance >= -window)
    # A padded query sees itself, so that no row is without a key.
    mask = (keep[:, None, None, :] & near) | (distance == 0)
    mixed = F.scaled_dot_product_attention(q, around(k), around(v), attn_mask=mask)
    return mixed.unflatten(0, (batch, chunks)).transpose(1, 2).flatten(2, 3)[:, :, :length]
