"""Forms of goodness that follow a layer's peaks or the shape of its activity, and their gradients in closed form.

Beside the sum and mean of squares, arXiv 2604.13081 finds better ones for the Forward-Forward algorithm: of the most
active units alone (``topk``), and of higher moments (``cubes``, ``kurtosis``). What each one is of here is written out
below, and it need not be their exact formula.

=========== ==================================== ==================================== =======================
form        goodness of h (U units)              scale                                with the activity doubled
=========== ==================================== ==================================== =======================
``topk``    sum of the k largest squares         k times a square                     four times
``cubes``   sum of abs(h) ** 3                   U times a cube                       eight times
``kurtosis`` m4 / m2 ** 2, central moments       1 to about U, whatever the activity  the same
=========== ==================================== ==================================== =======================
"""

from __future__ import annotations

import torch
from torch import Tensor

from ffrepro.core.goodness import wide

FORMS = ("topk", "cubes", "kurtosis")
EPSILON = 1e-8
"""Added to the variance over units, so that a sample without any activity has a kurtosis of 0."""


def counted(units: int, share: float) -> int:
    """The k of ``topk``: this share of a layer's units, rounded, at least one."""
    return max(1, round(share * units))


def threshold_scale(form: str, units: int, share: float) -> int:
    """Factor from a threshold per unit to one of the goodness: the units that a sum is over, else 1."""
    if form == "topk":
        return counted(units, share)
    return units if form in ("sum", "cubes") else 1


def goodness(h_NU: Tensor, form: str, share: float) -> Tensor:
    """Goodness of each sample, (N,).

    Args:
        h_NU: activations. form: one of ``FORMS``.
        share: of the units, those that ``topk`` counts.
    """
    h_NU = h_NU.to(wide(h_NU))
    if form == "topk":
        return h_NU.square().topk(counted(h_NU.shape[1], share), dim=1).values.sum(1)
    if form == "cubes":
        return h_NU.abs().pow(3).sum(1)
    square_NU = (h_NU - h_NU.mean(1, keepdim=True)).square()
    return square_NU.square().mean(1) / (square_NU.mean(1) + EPSILON).square()


def gradient(h_NU: Tensor, form: str, share: float) -> Tensor:
    """d goodness / d h, (N, U), in the data type of ``h_NU``.

    ``topk``: 2 h of the units counted, else 0. ``cubes``: 3 h abs(h). ``kurtosis``, with d = h - mean(h):
    4 / U * ((d^3 - mean(d^3)) / m2^2 - m4 d / m2^3); it is not 0 where h is.
    """
    if form == "topk":
        index_NK = h_NU.square().topk(counted(h_NU.shape[1], share), dim=1).indices
        return torch.zeros_like(h_NU).scatter_(1, index_NK, 2 * h_NU.gather(1, index_NK))
    if form == "cubes":
        return 3 * h_NU * h_NU.abs()
    d_NU = h_NU - h_NU.mean(1, keepdim=True)
    square_NU = d_NU.square()
    cube_NU = square_NU * d_NU
    m2_N1 = square_NU.mean(1, keepdim=True) + EPSILON
    m4_N1 = square_NU.square().mean(1, keepdim=True)
    slope_NU = (cube_NU - cube_NU.mean(1, keepdim=True)) / m2_N1.square() - d_NU * (m4_N1 / m2_N1**3)
    return slope_NU.mul_(4 / h_NU.shape[1])
