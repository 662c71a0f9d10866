"""Losses on the goodness of every class at once, as channel groups give it in one pass (the DLR paper, Sec. II-B).

``cwc`` is a softmax over the classes (Eq. 3). The pairwise losses compare two numbers of a sample, the true class's
goodness and one of all others: their sum (Sec. II-B a: g_neg = G (1 - Z^T)), or their mean, as in the code of CwC. The
sum of J - 1 classes grows with J, the mean does not, and so a threshold or a margin for one is none for the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ffrepro.core import losses


def loss(g_NJ: Tensor, label_N: Tensor, settings: Mapping) -> Tensor:
    """Each sample's loss (N,).

    Args:
        settings: ``loss``: ``cwc``, or a pairwise one with ``theta``, ``negative_goodness`` and its own numbers
            (``losses.pair``).
    """
    if settings["loss"] == "cwc":
        return losses.cwc(g_NJ, label_N)
    return losses.pair(*pair(g_NJ, label_N, settings["negative_goodness"]), settings["theta"], settings)


def slope(g_NJ: Tensor, label_N: Tensor, settings: Mapping) -> Tensor:
    """d loss / d g, each sample's own (N, J)."""
    if settings["loss"] == "cwc":
        return losses.cwc_slope(g_NJ, label_N)
    with torch.enable_grad():
        g_NJ = g_NJ.detach().requires_grad_()
        return torch.autograd.grad(loss(g_NJ, label_N, settings).sum(), g_NJ)[0]


def pair(g_NJ: Tensor, label_N: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Goodness of the true class, and the ``sum`` or ``mean`` of the other classes', (N,) each."""
    positive_N = g_NJ.gather(1, label_N.unsqueeze(1)).squeeze(1)
    negative_N = g_NJ.sum(1) - positive_N
    return positive_N, negative_N / (g_NJ.shape[1] - 1) if kind == "mean" else negative_N
