"""The Sigma-Lognormal model: from a plan of strokes to speed, direction, velocity and position.

A stroke j starts at t0 and covers the distance D with a speed that is lognormal in time while its direction turns
from theta_s to theta_e; a movement is the vector sum of its strokes (Plamondon 1995; O'Reilly & Plamondon 2009,
"Development of a Sigma-Lognormal representation for on-line signatures", Pattern Recognition 42, eqs. 1-6)::

    Lambda(t) = exp(-(ln(t - t0) - mu)^2 / (2 sigma^2)) / (sigma sqrt(2 pi) (t - t0)),  t > t0, else 0
    F(t)      = (1 + erf((ln(t - t0) - mu) / (sigma sqrt 2))) / 2                      the part of it that is done
    phi(t)    = theta_s + (theta_e - theta_s) F(t)
    v(t)      = sum_j D_j Lambda_j(t) [cos phi_j(t), sin phi_j(t)]
    x(t)      = x_0 + sum_j D_j F_j sinc(h_j) [cos(theta_s + h_j), sin(theta_s + h_j)],  h = (theta_e - theta_s) F / 2

The last line is the integral of the one above it, written so that a straight stroke is no special case.

All functions take tensors of any float type with any leading dimensions (trajectories), K strokes and T times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

_SQRT_2PI = math.sqrt(2 * math.pi)
_TIMES = 4000  # of a long movement evaluated at a time: for 20 s, every sample
_ELEMENTS = 1 << 20  # strokes times times at a time: 8 MB for an array of float64, of which there are about ten


class Plan(NamedTuple):
    """Strokes of one or many movements; every field is (..., K).

    Attributes:
        t0: onset, s. mu: ln of the delay in s. sigma: response time on the log scale, > 0.
        d: length of the path, in the units of the data; 0 is no stroke.
        theta_s, theta_e: first and last direction, rad; their difference is how far the stroke turns.
    """

    t0: Tensor
    mu: Tensor
    sigma: Tensor
    d: Tensor
    theta_s: Tensor
    theta_e: Tensor


def empty(dtype: torch.dtype = torch.float64) -> Plan:
    """A plan without strokes."""
    return Plan(*torch.zeros(6, 0, dtype=dtype))


def _log_since(plan: Plan, t_T: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """t - t0 and z = (ln(t - t0) - mu) / sigma where t > t0, both (..., K, T), and where that is."""
    since = t_T.unsqueeze(-2) - plan.t0.unsqueeze(-1)
    begun = since > 0
    since = torch.where(begun, since, 1.0)
    z = (since.log() - plan.mu.unsqueeze(-1)) / plan.sigma.unsqueeze(-1)
    return since, z, begun


def speed(plan: Plan, t_T: Tensor) -> Tensor:
    """D Lambda(t) of every stroke: (..., T) times -> (..., K, T)."""
    since, z, begun = _log_since(plan, t_T)
    value = plan.d.unsqueeze(-1) * torch.exp(-0.5 * z.square()) / (plan.sigma.unsqueeze(-1) * _SQRT_2PI * since)
    return torch.where(begun, value, 0.0)


def progress(plan: Plan, t_T: Tensor) -> Tensor:
    """F(t) of every stroke, 0 to 1: (..., T) times -> (..., K, T)."""
    _, z, begun = _log_since(plan, t_T)
    return torch.where(begun, 0.5 * torch.erfc(z * -math.sqrt(0.5)), 0.0)  # erfc: exact far before the peak


def stroke_velocity(plan: Plan, t_T: Tensor) -> Tensor:
    """Velocity of every stroke: (..., T) times -> (..., K, T, 2)."""
    turn = (plan.theta_e - plan.theta_s).unsqueeze(-1)
    phi = plan.theta_s.unsqueeze(-1) + turn * progress(plan, t_T)
    return speed(plan, t_T).unsqueeze(-1) * torch.stack([phi.cos(), phi.sin()], -1)


def velocity(plan: Plan, t_T: Tensor) -> Tensor:
    """v(t): (..., T) times in s -> (..., T, 2), units per s."""
    return stroke_velocity(plan, t_T).sum(-3)


def stroke_position(plan: Plan, t_T: Tensor) -> Tensor:
    """Where every stroke alone has led from the origin: (..., T) times -> (..., K, T, 2)."""
    done = progress(plan, t_T)
    half = (plan.theta_e - plan.theta_s).unsqueeze(-1) * done / 2
    phi = plan.theta_s.unsqueeze(-1) + half
    covered = plan.d.unsqueeze(-1) * done * torch.sinc(half / math.pi)
    return covered.unsqueeze(-1) * torch.stack([phi.cos(), phi.sin()], -1)


def position(plan: Plan, t_T: Tensor, start_2: Tensor) -> Tensor:
    """x(t): (..., T) times and the position (..., 2) before the first stroke -> (..., T, 2)."""
    return start_2.unsqueeze(-2) + stroke_position(plan, t_T).sum(-3)


def pieces(plan: Plan, t_T: Tensor) -> Iterator[tuple[Tensor, Plan, Tensor]]:
    """Growing times of one plan (K strokes) in pieces that fit into memory, however long the movement is.

    Yields:
        Times, the strokes that move at these times, and where those before have led from the origin, (2,).
    """
    size = max(1, min(_TIMES, _ELEMENTS // max(len(plan.t0), 1)))
    if len(t_T) <= size:
        yield t_T, plan, torch.zeros(2, dtype=t_T.dtype)
        return
    for t in t_T.split(size):
        done = progress(plan, t[:1])[:, 0] == 1
        moving = ~done & (plan.t0 < t[-1])
        led = stroke_position(Plan(*(field[done] for field in plan)), t[:1]).sum((0, 1))
        yield t, Plan(*(field[moving] for field in plan)), led


def peak_time(plan: Plan) -> Tensor:
    """t3 = t0 + exp(mu - sigma^2): when each stroke is fastest, (..., K)."""
    return plan.t0 + torch.exp(plan.mu - plan.sigma.square())


def inflection_times(plan: Plan) -> tuple[Tensor, Tensor]:
    """t2 and t4, before and after the peak, where the slope of each stroke's speed is steepest; (..., K) each.

    t = t0 + exp(mu - 3/2 sigma^2 -+ sigma sqrt(sigma^2 / 4 + 1)).
    """
    middle = plan.mu - 1.5 * plan.sigma.square()
    reach = plan.sigma * torch.sqrt(plan.sigma.square() / 4 + 1)
    return plan.t0 + torch.exp(middle - reach), plan.t0 + torch.exp(middle + reach)
