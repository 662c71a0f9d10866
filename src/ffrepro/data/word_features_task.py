"""Bags of words of labelled texts, for classifiers without a net: the same splits and vocabulary as the nets' runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ffrepro.base.settings import choice
from ffrepro.data import review_batches
from ffrepro.data.review_batches import Reviews
from ffrepro.data.reviews import ReviewSet
from ffrepro.data.vocabulary import SPECIAL

SETTINGS = review_batches.SETTINGS | {
    "features": choice("of a text: how often each word occurs, or TF-IDF", "counts", "tfidf", default="tfidf"),
}


class Table:
    """Features of each text by split.

    Attributes:
        features: split -> sparse (S, words). label: split -> uint8 (S,). index: split -> places in the prepared set.
    """

    def __init__(self, data: ReviewSet, settings: dict[str, Any], seed: int):
        from sklearn.feature_extraction.text import TfidfTransformer

        reviews = Reviews(data, settings, seed, "cpu")
        self.index = {name: part.numpy() for name, part in reviews.index.items() if len(part)}
        self.label = {name: data.label[part] for name, part in self.index.items()}
        self.features = {name: _counts(reviews, torch.from_numpy(part)) for name, part in self.index.items()}
        if settings["features"] == "tfidf":
            transformer = TfidfTransformer().fit(self.features["train"])
            self.features = {name: transformer.transform(found) for name, found in self.features.items()}

    def counts(self) -> dict[str, int]:
        """Texts in each split."""
        return {name: len(part) for name, part in self.index.items()}


def _counts(reviews: Reviews, index_S: torch.Tensor):
    """Sparse float64 (S, words): occurrences of each word of the vocabulary in a text."""
    from scipy.sparse import csr_matrix

    token_ST = reviews.token_NT[index_S].numpy()
    known = token_ST >= SPECIAL
    row = np.nonzero(known)[0]
    shape = (len(token_ST), len(reviews.vocabulary) - SPECIAL)
    return csr_matrix((np.ones(len(row)), (row, token_ST[known] - SPECIAL)), shape=shape)
