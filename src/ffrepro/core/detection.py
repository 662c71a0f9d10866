"""Metrics of two-class detectors. Without scipy, which loads slowly: the training core imports this module."""

from __future__ import annotations

import numpy as np
import torch


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


def metrics(
    arrays: dict[str, np.ndarray], batch_S: np.ndarray, *, average: str, reduction: str, auc_scores: str
) -> dict[str, float]:
    """Metrics of a two-class detector.

    Args:
        arrays: ``logit`` (S,), ``label`` (S,), ``loss`` (S, L), maybe ``layer_logit`` (S, L).
        average: ``sample``, or ``batch``: the unweighted mean of the batches' means (an uneven last batch then
            counts as much as a full one).
        reduction: ``per_class`` (mean over positives plus mean over negatives) or ``joint``, of the loss.
        auc_scores: ``logit``, or ``sigmoid``: float32 probabilities, which tie where they saturate.

    Returns:
        ``loss`` (summed over layers), ``accuracy``, ``auc``; ``loss_layer<l>`` and ``accuracy_layer<l>`` where the
        method has layer-wise ones.
    """
    label_S = arrays["label"] > 0.5

    def mean(values_S: np.ndarray) -> float:
        if average == "sample":
            return float(values_S.mean(dtype=np.float64))
        counts = np.bincount(batch_S)
        return float((np.bincount(batch_S, weights=values_S) / counts).mean())

    def loss(values_S: np.ndarray) -> float:
        if reduction == "joint":
            return mean(values_S)
        return float(sum(values_S[m].mean(dtype=np.float64) for m in (label_S, ~label_S) if m.any()))

    logit_S = arrays["logit"]
    by_layer = [loss(arrays["loss"][:, layer]) for layer in range(arrays["loss"].shape[1])]
    scores_S = torch.from_numpy(logit_S).sigmoid().numpy() if auc_scores == "sigmoid" else logit_S
    out = {"loss": sum(by_layer), "accuracy": mean((logit_S > 0) == label_S), "auc": auc(scores_S, label_S)}
    if "layer_logit" in arrays:
        for layer, layer_loss in enumerate(by_layer):
            out[f"loss_layer{layer}"] = layer_loss
            out[f"accuracy_layer{layer}"] = mean((arrays["layer_logit"][:, layer] > 0) == label_S)
    return out
