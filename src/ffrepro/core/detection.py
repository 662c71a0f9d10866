"""How well scores tell two classes apart. Numpy only: the training core must not wait for scipy to load."""

from __future__ import annotations

import numpy as np


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve: the probability that a positive scores above a negative, ties counting half.

    Args:
        scores: (S,), higher means positive. labels: (S,) in {0, 1}.

    Returns:
        NaN where one class is missing.
    """
    positive = np.asarray(labels).astype(bool)
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    if not n_pos or not n_neg:
        return float("nan")
    _, group, counts = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    midrank = (np.cumsum(counts) - (counts - 1) / 2)[group]  # ranks from 1; ties share their mean
    return float((midrank[positive].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))
