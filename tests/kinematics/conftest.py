"""Random plans."""

from __future__ import annotations

import math

import torch

from ffrepro.kinematics.lognormal import Plan


def random_plans(batch: int, strokes: int, dtype=torch.float64, seed: int = 0) -> Plan:
    """(batch, strokes) plausible strokes, overlapping as they like, within about a second."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low, high):
        return low + (high - low) * torch.rand(batch, strokes, generator=generator, dtype=torch.float64)

    sigma, theta_s = uniform(0.1, 0.5), uniform(-math.pi, math.pi)
    plan = Plan(
        t0=uniform(-0.1, 0.6), mu=uniform(-2.0, -1.0), sigma=sigma, d=uniform(10, 100), theta_s=theta_s,
        theta_e=theta_s + uniform(-2, 2),
    )  # fmt: skip
    return Plan(*(field.to(dtype) for field in plan))
