"""Robust XZERO: the parameters of a lognormal stroke in closed form from two points of its speed curve.

Source: O'Reilly & Plamondon 2009 (Pattern Recognition 42, Sec. 4.1). The points are the inflection before the peak
(2), the peak (3) and the inflection after it (4); point i of an exact stroke lies at t0 + exp(mu - a_i)::

    a2 = 3/2 s^2 + s sqrt(s^2/4 + 1),  a3 = s^2,  a4 = 3/2 s^2 - s sqrt(s^2/4 + 1)         (s is sigma)

    s^2 = -2 - 2 ln b - 1 / (2 ln b)       b = v2 / v3 or v4 / v3
    s^2 = -2 + 2 sqrt(1 + ln^2 b)          b = v4 / v2
    mu  = ln((t_i - t_j) / (exp(-a_i) - exp(-a_j)))
    t0  = t_i - exp(mu - a_i)
    D   = sqrt(2 pi) v_i s exp(mu - a_i + a_i^2 / (2 s^2))

Three pairs of points give three answers. They are one and the same for an exact stroke; for a stroke whose flanks
its neighbours bend, the answer is taken whose curve passes closest to the point that it was not made from.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ffrepro.kinematics.lognormal import Plan

PAIRS = ((0, 1), (1, 2), (0, 2))  # of the points 2, 3, 4
_SQRT_2PI = math.sqrt(2 * math.pi)


def _sigma(pair: tuple[int, int], v: Tensor) -> Tensor:
    """sigma (...,) from the speeds (..., 3) of a pair; NaN where no stroke has them."""
    if pair == (0, 2):
        log_b = (v[..., 2] / v[..., 0]).log()
        return (2 * (1 + log_b.square()).sqrt() - 2).sqrt()
    inflection = pair[0] if pair[1] == 1 else pair[1]
    log_b = (v[..., inflection] / v[..., 1]).log()
    # on the far side of 1/2 the formula gives the sigma of the other inflection
    possible = (log_b < -0.5) if inflection == 0 else (log_b > -0.5) & (log_b < 0)
    return torch.where(possible, -2 - 2 * log_b - 0.5 / log_b, math.nan).sqrt()


def _offsets(sigma: Tensor) -> Tensor:
    """a2, a3, a4: (...,) -> (..., 3)."""
    square, reach = sigma.square(), sigma * (sigma.square() / 4 + 1).sqrt()
    return torch.stack([1.5 * square + reach, square, 1.5 * square - reach], -1)


def from_pair(pair: tuple[int, int], t: Tensor, v: Tensor) -> Plan:
    """One pair's answer.

    Args:
        pair: one of ``PAIRS``.
        t, v: (..., 3): times in s and speeds of the points 2, 3, 4.

    Returns:
        A plan (...,) with directions 0; NaN where the points are no stroke's.
    """
    i, j = pair
    sigma = _sigma(pair, v)
    a = _offsets(sigma)
    mu = ((t[..., i] - t[..., j]) / (torch.exp(-a[..., i]) - torch.exp(-a[..., j]))).log()
    t0 = t[..., i] - torch.exp(mu - a[..., i])
    d = _SQRT_2PI * v[..., i] * sigma * torch.exp(mu - a[..., i] + a[..., i].square() / (2 * sigma.square()))
    return Plan(t0, mu, sigma, d, torch.zeros_like(d), torch.zeros_like(d))


def estimate(t: Tensor, v: Tensor) -> Plan:
    """The best of the three pairs' answers.

    Args:
        t, v: (..., 3): times in s and speeds of the points 2, 3, 4.

    Returns:
        A plan (...,) with directions 0; NaN where no pair has an answer.
    """
    answers = [from_pair(pair, t, v) for pair in PAIRS]
    errors = []
    for answer in answers:
        z = ((t - answer.t0.unsqueeze(-1)).log() - answer.mu.unsqueeze(-1)) / answer.sigma.unsqueeze(-1)
        scale = answer.d.unsqueeze(-1) / (answer.sigma.unsqueeze(-1) * _SQRT_2PI * (t - answer.t0.unsqueeze(-1)))
        error = (scale * torch.exp(-0.5 * z.square()) - v).abs().amax(-1)
        errors.append(error.nan_to_num(nan=math.inf))
    best = torch.stack(errors).argmin(0, keepdim=True)
    fields = [torch.stack(column).gather(0, best)[0] for column in zip(*answers, strict=True)]
    return Plan(*fields)
