"""Whether the confidence of a classifier says how often it is right."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ffrepro.core import detection

BINS = 15  # of equal width, as Guo et al. (2017) have them


def read(scores_SC: Tensor, label_S: Tensor) -> dict[str, float]:
    """Accuracy and calibration of the softmax of scores.

    Returns:
        ``accuracy``; ``confidence``, the mean of the largest probability; ``ece``, see ``expected_error``; ``auc``,
        the probability that a right prediction is more confident than a wrong one, NaN where all or none are right.
    """
    confidence_S, prediction_S = scores_SC.double().softmax(1).max(1)
    right = (prediction_S == label_S).cpu().numpy()
    confidence = confidence_S.cpu().numpy()
    return {
        "accuracy": float(right.mean()),
        "confidence": float(confidence.mean()),
        "ece": expected_error(confidence, right),
        "auc": detection.auc(confidence, right),
    }


def expected_error(confidence_S: np.ndarray, right_S: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over bins of confidence, by their samples.

    Args:
        confidence_S: in 0 to 1. right_S: whether the prediction is right.
        bins: of equal width, each with its upper end and without its lower one.
    """
    bin_S = np.clip(np.ceil(np.asarray(confidence_S) * bins).astype(int) - 1, 0, bins - 1)
    gap_S = np.asarray(confidence_S, dtype=np.float64) - np.asarray(right_S, dtype=np.float64)
    return float(np.abs(np.bincount(bin_S, weights=gap_S, minlength=bins)).sum() / len(gap_S))
