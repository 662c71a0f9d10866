"""Vocabulary of a run: the most frequent word types of its training texts, as numbers of a net's embedding."""

from __future__ import annotations

import numpy as np

from ffrepro.base.errors import FfreproError

PAD, UNKNOWN, SPECIAL = 0, 1, 2
"""Numbers of padding, of every word that is not in the vocabulary, and how many such numbers there are."""


class Vocabulary:
    """The most frequent types of training texts, at most ``size`` with the special ones.

    Args:
        tokens: of the training texts, places in the list of types.
        types: how many types there are.
        size: of the embedding, at most.
        where: the data set, for messages.

    Attributes:
        of_type: int64 (types + 1,), a type's number; of the place behind the last type, ``PAD``.
        type_of: int64 (len,), the type of a number, -1 of special ones.
        share: float64 (len,), each number's share of the training texts' tokens.

    Raises:
        FfreproError: fewer than two words.
    """

    def __init__(self, tokens: np.ndarray, types: int, size: int, where: str):
        count = np.bincount(tokens, minlength=types)
        frequent = np.argsort(-count, kind="stable")[: size - SPECIAL]
        frequent = frequent[count[frequent] > 0]
        if len(frequent) < 2:
            raise FfreproError(
                f"the vocabulary of the training texts has {len(frequent)} word",
                where=where,
                fix="raise `vocabulary` or `train_samples`, or use texts with different words",
            )
        self.of_type = np.full(types + 1, UNKNOWN, np.int64)
        self.of_type[frequent] = SPECIAL + np.arange(len(frequent))
        self.of_type[types] = PAD
        self.type_of = np.concatenate([np.full(SPECIAL, -1), frequent])
        numbers = np.bincount(self.of_type[:types], weights=count, minlength=len(self.type_of))
        self.share = numbers / numbers.sum()

    def __len__(self) -> int:
        return len(self.type_of)
