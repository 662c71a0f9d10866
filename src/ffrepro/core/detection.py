"""Metrics of two-class detectors. Without scipy, which loads slowly: the training core imports this module."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ffrepro.core import early_exit


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
        arrays: ``logit`` (S,), ``label`` (S,), ``loss`` (S, L), maybe ``layer_logit`` (S, L), ``readout_logit`` (S,).
        average: ``sample``, or ``batch``: the unweighted mean of the batches' means (an uneven last batch then
            counts as much as a full one).
        reduction: ``per_class`` (mean over positives plus mean over negatives) or ``joint``, of the loss.
        auc_scores: ``logit``, or ``sigmoid``: float32 probabilities, which tie where they saturate.

    Returns:
        ``loss`` (summed over layers), ``accuracy``, ``auc``; ``loss_layer<l>`` and ``accuracy_layer<l>`` where the
        method has layer-wise ones; ``accuracy_readout`` and ``auc_readout`` where it has a readout beside its layers.
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

    def ranked(logit_S: np.ndarray) -> float:
        scores_S = torch.from_numpy(logit_S).sigmoid().numpy() if auc_scores == "sigmoid" else logit_S
        return auc(scores_S, label_S)

    out = {"loss": sum(by_layer), "accuracy": mean((logit_S > 0) == label_S), "auc": ranked(logit_S)}
    if "readout_logit" in arrays:
        out["accuracy_readout"] = mean((arrays["readout_logit"] > 0) == label_S)
        out["auc_readout"] = ranked(arrays["readout_logit"])
    if "layer_logit" in arrays:
        for layer, layer_loss in enumerate(by_layer):
            out[f"loss_layer{layer}"] = layer_loss
            out[f"accuracy_layer{layer}"] = mean((arrays["layer_logit"][:, layer] > 0) == label_S)
    return out


def best_threshold(score_S: np.ndarray, label_S: np.ndarray) -> float:
    """The threshold that puts most samples on their side: above it is positive. Give it validation samples.

    Candidates are 0, halfway between neighbouring scores, and beyond either end; of equally good ones the nearest to
    0 is taken, so that 0, a method's own threshold, moves only where another one is better.
    """
    found_U = np.unique(np.asarray(score_S, dtype=np.float64))
    candidates = np.r_[0.0, found_U[:1] - 1, (found_U[1:] + found_U[:-1]) / 2, found_U[-1:] + 1]
    positive_S = np.asarray(label_S) > 0.5
    positive, negative = (np.sort(np.asarray(score_S, dtype=np.float64)[m]) for m in (positive_S, ~positive_S))
    right = len(positive) - np.searchsorted(positive, candidates, side="right")
    right += np.searchsorted(negative, candidates, side="right")
    best = candidates[right == right.max()]
    return float(best[np.abs(best).argmin()])


def calibrated_metrics(val: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, float]:
    """Accuracy on val and test at the threshold that is best on val; the test part has no say in it.

    Args:
        val, test: ``logit`` (S,) and ``label`` (S,) of each split.

    Returns:
        ``<split>/accuracy_calibrated``, and ``val/threshold_calibrated``, in units of the logit.
    """
    threshold = best_threshold(val["logit"], val["label"])
    out = {"val/threshold_calibrated": threshold}
    for split, part in (("val", val), ("test", test)):
        right_S = (part["logit"].astype(np.float64) > threshold) == (part["label"] > 0.5)
        out[f"{split}/accuracy_calibrated"] = float(right_S.mean())
    return out


def scores_of_classes(layer_logit_BL: Tensor) -> Tensor:
    """Scores (B, L, 2) of negative and positive whose difference is each layer's logit, as ``early_exit`` takes them.

    The confidence after some layers is then the absolute sum of their logits, and whoever leaves after the last layer
    is decided by the sum of all: the sign of the mean over layers.
    """
    return torch.stack([-layer_logit_BL / 2, layer_logit_BL / 2], dim=-1)


def early_exit_metrics(val: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, float]:
    """Accuracy and mean number of layers of early-exit inference (``core.early_exit``) on val and test.

    The confidence at which a sample leaves uses fewest layers on val without an error above that of all layers there.

    Args:
        val, test: ``layer_logit`` (S, L) and ``label`` (S,) of each split.

    Returns:
        ``<split>/accuracy_early_exit`` and ``<split>/layers_early_exit``.
    """
    parts = {
        split: (scores_of_classes(torch.from_numpy(part["layer_logit"])), torch.from_numpy(part["label"]))
        for split, part in (("val", val), ("test", test))
    }
    threshold = early_exit.choose_threshold(*parts["val"], tolerance=0.0)
    out = {}
    for split, (scores_SLC, label_S) in parts.items():
        error_1, layers_1 = early_exit.trade_off(scores_SLC, label_S, [threshold])
        out |= {f"{split}/accuracy_early_exit": 1 - float(error_1), f"{split}/layers_early_exit": float(layers_1)}
    return out
