"""Early exit at the first layer above a confidence (LightFF, Aminifar et al. 2024; the DLR paper, II-B d).

Scores of the layers are added up from the bottom; after each layer a sample's confidence is the log odds of its best
class under a softmax of the sums so far, and the sample leaves where that reaches a threshold. LightFF likewise
compares a confidence of each layer with a threshold; this form of it is our reading: one threshold for all layers,
chosen on validation samples, and log odds, which do not saturate where goodness is in the hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ffrepro.core.goodness import exact

CANDIDATES = 101  # thresholds that are tried


def confidence(total_BC: Tensor) -> Tensor:
    """Logit log(p / (1 - p)) of the largest softmax probability p, (B,)."""
    top = total_BC.topk(2, dim=-1)
    best_B1 = top.values[..., :1]
    others = total_BC.scatter(-1, top.indices[..., :1], -torch.inf)
    return best_B1.squeeze(-1) - others.logsumexp(-1)


def leave(scores_BLC: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Predicted class of each sample, and the number of layers used.

    Args:
        scores_BLC: scores of each layer alone, bottom up.
        threshold: of the confidence; whoever never reaches it leaves after the last layer.

    Returns:
        int64 (B,) classes, int64 (B,) layers used, from 1 to L.
    """
    total_BLC = scores_BLC.double().cumsum(1)
    sure_BL = confidence(total_BLC) >= threshold
    sure_BL[:, -1] = True
    first_B = sure_BL.int().argmax(1)
    return total_BLC[torch.arange(len(first_B)), first_B].argmax(1), first_B + 1


def trade_off(scores_BLC: Tensor, label_B: Tensor, thresholds: Sequence[float]) -> tuple[Tensor, Tensor]:
    """(error, mean layers used) at each threshold, float64 each."""
    points = []
    for threshold in thresholds:
        prediction_B, layers_B = leave(scores_BLC, threshold)
        points.append(torch.stack([(prediction_B != label_B).double().mean(), layers_B.double().mean()]))
    error_T, layers_T = torch.stack(points, 1)
    return error_T, layers_T


def choose_threshold(scores_BLC: Tensor, label_B: Tensor, tolerance: float) -> float:
    """The threshold that uses fewest layers while the error is at most ``tolerance`` above that of all layers.

    Candidates are quantiles of the confidences before the last layer, and infinity. Give it validation samples.
    """
    sure = confidence(scores_BLC.double().cumsum(1))[:, :-1].flatten()
    quantiles = torch.linspace(0, 1, CANDIDATES, dtype=torch.float64)
    places = (quantiles * (len(sure) - 1)).round().long()
    candidates = [*(sure.sort().values[places].tolist() if len(sure) else []), torch.inf]
    error_T, layers_T = trade_off(scores_BLC, label_B, candidates)
    layers_T[error_T > error_T[-1] + tolerance] = torch.inf
    return candidates[int(layers_T.argmin())]


def run(
    x: Tensor, layers: Sequence[Callable[[Tensor], tuple[Tensor, Tensor]]], threshold: float
) -> tuple[Tensor, Tensor]:
    """Early-exit inference layer by layer; samples that have exited are not computed further. Results as ``leave``.

    Args:
        x: the first layer's input (B, ...).
        layers: each maps what is left of the batch to (the next layer's input, scores (b, C)).
    """
    prediction_B = torch.empty(len(x), dtype=torch.int64, device=x.device)
    layers_B = torch.empty_like(prediction_B)
    left_b, total_bC = torch.arange(len(x), device=x.device), 0.0
    for number, layer in enumerate(layers, start=1):
        x, scores_bC = layer(x)
        total_bC = total_bC + scores_bC.to(exact(scores_bC))
        sure_b = confidence(total_bC) >= threshold
        if number == len(layers):
            sure_b = torch.ones_like(sure_b)
        gone = left_b[sure_b]
        prediction_B[gone], layers_B[gone] = total_bC[sure_b].argmax(1), number
        if sure_b.all():
            break
        stay_b = ~sure_b
        x, total_bC, left_b = x[stay_b], total_bC[stay_b], left_b[stay_b]
    return prediction_B, layers_B
