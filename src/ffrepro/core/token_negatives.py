"""Corrupted token sequences: swapped positions, random tokens (Kim & Yoo 2025, Sec. 3.3, step 1).

Sequences are padded token ids (B, T), 0 where there is none; what is drawn comes from CPU generators, so that it is the
same on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor


def chosen_positions(x_BT: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """bool (B, T): real tokens, each chosen with probability ``share``, at least one of every sequence."""
    real = (x_BT != 0).cpu()
    score = torch.rand(real.shape, generator=generator).masked_fill(~real, 2.0)
    lowest = score.min(1, keepdim=True).values
    return ((score < share) | ((score == lowest) & real)).to(x_BT.device)


def random_tokens(x_BT: Tensor, where_BT: Tensor, pool_P: Tensor, generator: torch.Generator, tries: int = 8) -> Tensor:
    """The sequences with other tokens at the chosen positions, drawn from a pool's unigram distribution.

    No token is replaced by itself: what is drawn alike is drawn again and, after so many tries, becomes the next id of
    the pool that differs from it, if the pool has one.

    Args:
        where_BT: positions to replace. pool_P: token ids of texts.
    """
    old_M = x_BT[where_BT]

    def drawn(count: int) -> Tensor:
        return pool_P[torch.randint(len(pool_P), (count,), generator=generator).to(pool_P.device)].to(old_M)

    new_M = drawn(len(old_M))
    for _ in range(tries):
        same = (new_M == old_M).nonzero().squeeze(1)
        if not len(same):
            break
        new_M[same] = drawn(len(same))
    same = (new_M == old_M).nonzero().squeeze(1)
    if len(same):
        known = pool_P.unique()
        other = known[(torch.searchsorted(known, old_M[same]) + 1) % len(known)]
        new_M[same] = other.to(new_M)
    out = x_BT.clone()
    out[where_BT] = new_M
    return out


def swap_positions(x_BT: Tensor, where_BT: Tensor, generator: torch.Generator) -> Tensor:
    """The sequences with the tokens at each sequence's chosen positions in another order, a random rotation of them."""
    out = x_BT.clone()
    for row, where in enumerate(where_BT.cpu()):
        places = where.nonzero().squeeze(1)
        if len(places) > 1:
            places = places[torch.randperm(len(places), generator=generator)].to(x_BT.device)
            out[row, places] = x_BT[row, places.roll(1)]
    return out
