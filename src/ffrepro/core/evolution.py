"""A gradient without derivatives: the evolution-strategy estimator with mirrored samples.

Source: Salimans et al. 2017 (arXiv 1703.03864), Eq. 1 and Sec. 2.1: the gradient of the loss smoothed by normal noise,
estimated from losses at parameters moved by +noise and -noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Estimate(NamedTuple):
    """The gradient (D,), and the mean of the losses that it was estimated from."""

    gradient: Tensor
    loss: Tensor


def gradient(
    loss: Callable[[Tensor], Tensor], center_D: Tensor, *, sigma: float, pairs: int, generator: torch.Generator
) -> Estimate:
    """Estimate the gradient of a loss at ``center_D``; 2 * ``pairs`` evaluations, one at a time.

    Unbiased for the smoothed loss: exact in the mean for linear and quadratic ones.

    Args:
        loss: of a parameter vector (D,), a scalar.
        sigma: standard deviation of the noise on each parameter.
        pairs: mirrored pairs.
        generator: source of the noise, on the CPU.
    """
    total_D, losses = torch.zeros_like(center_D), torch.zeros((), device=center_D.device, dtype=center_D.dtype)
    for _ in range(pairs):
        noise_D = torch.randn(len(center_D), generator=generator, dtype=center_D.dtype).to(center_D.device)
        above, below = loss(center_D + sigma * noise_D), loss(center_D - sigma * noise_D)
        total_D.add_(noise_D * (above - below))
        losses += above + below
    return Estimate(total_D / (2 * sigma * pairs), losses / (2 * pairs))
