"""Scores over time as normal distributions, and their Kullback-Leibler divergence from wanted ones."""

from __future__ import annotations

import torch
from torch import Tensor

from ffrepro.core.goodness import time_mean


def time_variance(g_TB: Tensor, mean_B: Tensor, mask_TB: Tensor | None) -> Tensor:
    """Variance over the unmasked steps, with n, (T, B) -> (B,); 0 for a sample of one step or none."""
    return time_mean((g_TB - mean_B).square(), mask_TB)


def kl(mean: Tensor, variance: Tensor, target_mean: Tensor, target_std: float, epsilon: float) -> Tensor:
    """KL(N(mean, variance + epsilon) || N(target_mean, target_std^2)), elementwise, in nats.

    Args:
        epsilon: keeps the divergence of a distribution without any spread finite.
    """
    ratio = (variance + epsilon) / target_std**2
    return 0.5 * (ratio + (mean - target_mean).square() / target_std**2 - 1 - torch.log(ratio))
