"""Shared by the tasks in which a net foretells words: metrics of asked words, trivial guesses, greedy texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.data.task import Arrays

_LARGEST_LOSS = 700.0  # nats: beyond it exp overflows


def of_words(arrays: Arrays) -> dict[str, float]:
    """``loss`` (nats), ``perplexity`` and ``accuracy_token`` of a split's asked words, sums over all of them.

    Args:
        arrays: ``loss_sum``, ``count`` and ``right`` (S,), as ``methods.words.measured`` gives them.
    """
    count = arrays["count"].sum()
    loss = float(arrays["loss_sum"].sum(dtype=np.float64) / count)
    return {
        "loss": loss,
        "perplexity": float(np.exp(min(loss, _LARGEST_LOSS))),
        "accuracy_token": float(arrays["right"].sum() / count),
    }


def of_unigram(share: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """The same of a guesser that knows nothing but how frequent each word is.

    Args:
        share: float64 (V,), of the training texts' words. wanted: int (N,), ids of the asked words.
    """
    return {
        "perplexity_unigram": float(np.exp(-np.log(share[wanted]).mean())),
        "accuracy_token_unigram": float((wanted == int(share.argmax())).mean()),
    }


def shares(pool_P: Tensor, size: int) -> np.ndarray:
    """Share of each id (size,) in a pool of ids."""
    return np.bincount(pool_P.cpu().numpy(), minlength=size) / len(pool_P)


@torch.no_grad()
def greedy(method: Any, x_BT: Tensor, steps: int, banned: Sequence[int], stop: int | None = None) -> Tensor:
    """The texts that follow if at every step the likeliest word is taken: int64 (B, steps).

    One pass of the net and one of its readout a word, whatever the size of the vocabulary.

    Args:
        method: has ``next_word(x)``, logits (B, V) of the word behind each row's last token.
        x_BT: token ids that the texts begin with, without padding at the end.
        banned: ids that are no words. stop: the id that ends a text; behind it are zeros.
    """
    given, over_B = x_BT.shape[1], torch.zeros(len(x_BT), dtype=torch.bool, device=x_BT.device)
    for _ in range(steps):
        logits_BV = method.next_word(x_BT)
        logits_BV[:, list(banned)] = -torch.inf
        word_B = logits_BV.argmax(1).masked_fill(over_B, stop or 0)
        x_BT = torch.cat([x_BT, word_B.unsqueeze(1)], 1)
        if stop is not None:
            over_B = over_B | (word_B == stop)
            if over_B.all():
                break
    found_BS = x_BT[:, given:]
    if stop is not None:
        found_BS = found_BS.masked_fill((found_BS == stop).cumsum(1) > 0, 0)
    return torch.nn.functional.pad(found_BS, (0, steps - found_BS.shape[1]))
