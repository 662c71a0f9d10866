"""Perturbed plans: ranges, seeds, and nothing at level 0."""

import math

import pytest
import torch

from ffrepro.kinematics import lognormal, perturb
from ffrepro.kinematics.lognormal import Plan

from .conftest import random_plans


def by_peak(batch, strokes):
    """Random plans with strokes in the order of their peaks, as the extraction leaves them."""
    plan = random_plans(batch, strokes)
    order = lognormal.peak_time(plan).argsort(-1)
    return Plan(*(field.gather(-1, order) for field in plan))


def uniform(batch, strokes, seed=0):
    return perturb.draw(by_peak(batch, strokes), torch.Generator().manual_seed(seed))


def test_level_0_is_the_plan_itself():
    plan, lasts = by_peak(3, 6), torch.tensor([1.0, 1.5, 2.0], dtype=torch.float64)
    variant = perturb.perturb(plan, lasts, 0.0, uniform(3, 6))
    for name, before, after in zip(Plan._fields, plan, variant.plan, strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=1e-12, msg=name)
    torch.testing.assert_close(variant.begin, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(variant.end, lasts, rtol=0, atol=1e-12)


def relative(plan, variant):
    """The six changes as the ranges state them, (6, B, K); the first gap is none."""
    peaks, new = lognormal.peak_time(plan), lognormal.peak_time(variant.plan)
    gap = torch.ones_like(peaks)
    gap[..., 1:] = new.diff() / peaks.diff()
    return Plan(
        t0=gap - 1,
        mu=variant.plan.mu - plan.mu,
        sigma=variant.plan.sigma / plan.sigma - 1,
        d=variant.plan.d / plan.d - 1,
        theta_s=(variant.plan.theta_s - plan.theta_s) / math.pi,
        theta_e=(variant.plan.theta_e - plan.theta_e) / math.pi,
    )


@pytest.mark.parametrize("level", sorted(perturb.LEVELS))
def test_changes_fill_their_ranges_and_no_more(level):
    plan, part = by_peak(400, 5), perturb.LEVELS[level]
    variant = perturb.perturb(plan, torch.full((400,), 2.0, dtype=torch.float64), part, uniform(400, 5))
    for name, change in relative(plan, variant)._asdict().items():
        low, high = (part * bound for bound in getattr(perturb.RANGES, name))
        assert low - 1e-9 <= change.min() < 0.95 * low, name
        assert 0.95 * high < change.max() <= high + 1e-9, name
    assert (lognormal.peak_time(variant.plan).diff() > 0).all()


def test_the_levels_grow():
    assert list(perturb.LEVELS) == ["close", "medium", "far"]
    assert 0 < perturb.LEVELS["close"] < perturb.LEVELS["medium"] < perturb.LEVELS["far"] <= 1


def test_margins_stretch_with_the_strokes_at_the_ends():
    """One stroke made twice as wide by hand: mu + ln 2 doubles every time of it, with it what lies around its peak."""
    one = Plan(*(torch.tensor([v], dtype=torch.float64) for v in (-0.2, -1.0, 0.2, 10.0, 0.0, 0.0)))
    wanted = math.log(2) - perturb.RANGES.mu[0]
    numbers = Plan(*(torch.tensor([-low / (high - low)], dtype=torch.float64) for low, high in perturb.RANGES))
    numbers = numbers._replace(mu=torch.tensor([wanted / (perturb.RANGES.mu[1] - perturb.RANGES.mu[0])]))
    peak = float(lognormal.peak_time(one))
    variant = perturb.perturb(one, torch.tensor(1.0, dtype=torch.float64), 1.0, numbers)
    assert float(lognormal.peak_time(variant.plan)) == pytest.approx(peak)
    assert float(variant.begin) == pytest.approx(peak - 2 * peak, abs=1e-6)
    assert float(variant.end) == pytest.approx(peak + 2 * (1 - peak), abs=1e-6)


def test_numbers_depend_on_the_seed_alone():
    same, other = uniform(1, 7, seed=3), uniform(1, 7, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(same, uniform(1, 7, seed=3), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(same, other, strict=True))
    assert all(((field >= 0) & (field < 1)).all() for field in same)
