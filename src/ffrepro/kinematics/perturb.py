"""Perturb a plan: random variation of every parameter of every stroke.

The admissible ranges and the three levels are those of Bhattacharya, Plamondon, Dutta Chowdhury, Goyal & Parui 2017
("A sigma-lognormal model-based approach to generating large synthetic online handwriting sample databases"), which
found by visual tests what part of a range leaves a sample within its writer's variability (up to 0.25), looks like
another writer's (up to 0.75) or becomes unnatural (up to 1). Each parameter of each stroke is drawn uniformly::

    D        D (1 + r)                          r in [-0.1, 0.1] * level
    t0       gap to the peak before (1 + r)     r in [-0.085, 0.0825] * level
    mu       mu + r                             r in [-0.3775, 0.395] * level
    sigma    sigma (1 + r)                      r in [-0.2875, 0.325] * level
    theta_s  theta_s + pi r                     r in [-0.015, 0.03] * level
    theta_e  theta_e + pi r                     r in [-0.015, 0.0275] * level

Chosen here, because a relative change of a time, of its logarithm or of an angle depends on where one counts from: t0's
range is relative to the time between two peaks, so that an error does not grow with the time since the start; mu's is
the change of the stroke's own time scale, exp(mu); an angle's is relative to a half turn. A stroke's peak, not its
onset, is what t0 moves: mu and sigma change the stroke around its peak.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ffrepro.kinematics.lognormal import Plan, peak_time

LEVELS = {"close": 0.25, "medium": 0.5, "far": 1.0}
RANGES = Plan(
    t0=(-0.085, 0.0825),
    mu=(-0.3775, 0.395),
    sigma=(-0.2875, 0.325),
    d=(-0.1, 0.1),
    theta_s=(-0.015, 0.03),
    theta_e=(-0.015, 0.0275),
)


class Variant(NamedTuple):
    """Attributes: plan (..., K); begin and end (...,), s: the part of it that the original's recording would show."""

    plan: Plan
    begin: Tensor
    end: Tensor


def perturb(plan: Plan, seconds: Tensor, level: float, uniform_6K: Plan) -> Variant:
    """A plan near ``plan``.

    Args:
        plan: (..., K) strokes, K > 0, by peak time.
        seconds: (...,) how long the recording lasts; it starts at time 0 of the plan.
        level: part of the admissible ranges, 0 for the plan itself.
        uniform_6K: a number in [0, 1) for each parameter of each stroke.

    Returns:
        The new plan, and when to begin and end: as far before its first peak and after its last one as the recording
        does, measured in these strokes' own widths.
    """
    change = Plan(*(level * (low + (high - low) * u) for (low, high), u in zip(RANGES, uniform_6K, strict=True)))
    peak = peak_time(plan)
    gap = torch.diff(peak, dim=-1, prepend=peak[..., :1])
    new_peak = peak[..., :1] + (gap * (1 + change.t0)).cumsum(-1)
    sigma = plan.sigma * (1 + change.sigma)
    mu = plan.mu + change.mu
    new = Plan(
        t0=new_peak - torch.exp(mu - sigma.square()),
        mu=mu,
        sigma=sigma,
        d=plan.d * (1 + change.d),
        theta_s=plan.theta_s + math.pi * change.theta_s,
        theta_e=plan.theta_e + math.pi * change.theta_e,
    )
    stretch = _width(new) / _width(plan)
    begin = new_peak[..., 0] - peak[..., 0] * stretch[..., 0]
    end = new_peak[..., -1] + (seconds - peak[..., -1]) * stretch[..., -1]
    return Variant(new, begin, end)


def draw(plan: Plan, generator: torch.Generator) -> Plan:
    """The uniform numbers for ``perturb``, in a fixed order: one plan's depend on the generator's seed alone."""
    uniform = torch.rand(6, *plan.t0.shape, dtype=plan.t0.dtype, generator=generator)
    return Plan(*uniform)


def _width(plan: Plan) -> Tensor:
    """w of ``ffrepro.kinematics.parameters``, s."""
    return plan.sigma * torch.exp(plan.mu - plan.sigma.square())
