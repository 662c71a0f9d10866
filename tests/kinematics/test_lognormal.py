"""The model against scipy's lognormal, numerical integration and its own closed forms; XZERO on exact strokes."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ffrepro.kinematics import lognormal, xzero
from ffrepro.kinematics.lognormal import Plan

from .conftest import random_plans


def test_speed_and_progress_are_scipys_lognormal():
    plan, t = random_plans(3, 4), torch.linspace(-0.5, 2, 200, dtype=torch.float64)
    speed, progress = lognormal.speed(plan, t), lognormal.progress(plan, t)
    assert speed.shape == progress.shape == (3, 4, 200)
    for b in range(3):
        for k in range(4):
            t0, mu, sigma, d = (float(field[b, k]) for field in plan[:4])
            expected = stats.lognorm(sigma, t0, math.exp(mu))
            np.testing.assert_allclose(speed[b, k], d * expected.pdf(t), rtol=1e-10, atol=1e-200)
            np.testing.assert_allclose(progress[b, k], expected.cdf(t), rtol=1e-10, atol=1e-200)


def test_before_the_onset_nothing_moves():
    plan = random_plans(1, 3)
    t = plan.t0.amin(1, keepdim=True) - torch.tensor([[0.0, 0.1, 5.0]], dtype=torch.float64)
    assert lognormal.velocity(plan, t).abs().max() == 0
    assert lognormal.position(plan, t, torch.tensor([[3.0, 4.0]])).tolist() == [[[3.0, 4.0]] * 3]


def test_position_is_the_integral_of_velocity():
    plan, start = random_plans(4, 5), torch.zeros(4, 2, dtype=torch.float64)
    t = torch.linspace(-0.2, 3, 30001, dtype=torch.float64)
    v, x = lognormal.velocity(plan, t), lognormal.position(plan, t, start)
    integral = torch.cumulative_trapezoid(v, t, dim=1)
    torch.testing.assert_close(x[:, 1:] - x[:, :1], integral, rtol=0, atol=2e-5 * float(x.abs().max()))


def test_velocity_is_the_derivative_of_position_by_autograd():
    plan = random_plans(2, 3)
    t = torch.linspace(0.01, 1.5, 40, dtype=torch.float64, requires_grad=True)
    x = lognormal.position(plan, t, torch.zeros(2, 2, dtype=torch.float64))
    v = lognormal.velocity(plan, t.detach())
    for b in range(2):
        for axis in range(2):
            (slope,) = torch.autograd.grad(x[b, :, axis].sum(), t, retain_graph=True)
            torch.testing.assert_close(slope, v[b, :, axis], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_straight_stroke_is_no_special_case(dtype):
    plan = random_plans(2, 4, dtype)
    plan = plan._replace(theta_e=plan.theta_s.clone())
    t = torch.linspace(0, 4, 50, dtype=dtype)
    path = lognormal.stroke_position(plan, t)
    assert path.dtype == dtype
    assert path.isfinite().all()
    covered = (plan.d.unsqueeze(-1) * lognormal.progress(plan, t)).unsqueeze(-1)
    heading = torch.stack([plan.theta_s.cos(), plan.theta_s.sin()], -1).unsqueeze(-2)
    torch.testing.assert_close(path, covered * heading)
    bent = lognormal.stroke_position(plan._replace(theta_e=plan.theta_s + 1e-6), t)
    torch.testing.assert_close(bent, path, rtol=0, atol=1e-4)


def test_a_stroke_ends_on_its_chord():
    plan = random_plans(1, 4)
    end = lognormal.stroke_position(plan, torch.tensor([200.0], dtype=torch.float64))[0, :, 0]
    turn, middle = (plan.theta_e - plan.theta_s)[0], ((plan.theta_e + plan.theta_s) / 2)[0]
    chord = plan.d[0] * torch.sin(turn / 2) / (turn / 2)
    torch.testing.assert_close(
        end, chord.unsqueeze(1) * torch.stack([middle.cos(), middle.sin()], 1), rtol=1e-9, atol=0
    )


def test_peak_and_inflections():
    plan = random_plans(1, 5)
    peak, (before, after) = lognormal.peak_time(plan), lognormal.inflection_times(plan)
    assert (plan.t0 < before).all() and (before < peak).all() and (peak < after).all()

    def derivatives(t_1K):
        t = t_1K.T.clone().requires_grad_()  # every stroke at a time of its own
        one = Plan(*(field.T for field in plan))
        (first,) = torch.autograd.grad(lognormal.speed(one, t).sum(), t, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), t)
        return first.detach(), second

    scale, curve = derivatives(before)[0].abs(), derivatives(peak)[1].abs()
    assert (derivatives(peak)[0].abs() < 1e-9 * scale).all()
    assert (derivatives(before)[1].abs() < 1e-9 * curve).all()
    assert (derivatives(after)[1].abs() < 1e-9 * curve).all()


@pytest.mark.parametrize("pair", xzero.PAIRS)
def test_each_pair_of_xzero_is_exact_on_exact_strokes(pair):
    plan = random_plans(20, 6)
    before, after = lognormal.inflection_times(plan)
    t = torch.stack([before, lognormal.peak_time(plan), after], -1)
    one = Plan(*(field.unsqueeze(-1) for field in plan))
    v = lognormal.speed(one, t).squeeze(-2)
    found = xzero.from_pair(pair, t, v)
    for name in ("t0", "mu", "sigma", "d"):
        torch.testing.assert_close(getattr(found, name), getattr(plan, name), rtol=1e-7, atol=1e-7)


def test_xzero_takes_the_pair_that_fits_the_third_point():
    plan = random_plans(1, 6)
    before, after = lognormal.inflection_times(plan)
    t = torch.stack([before, lognormal.peak_time(plan), after], -1)
    v = lognormal.speed(Plan(*(field.unsqueeze(-1) for field in plan)), t).squeeze(-2)
    torch.testing.assert_close(xzero.estimate(t, v).d, plan.d, rtol=1e-7, atol=0)
    v[0, 0, 0] = v[0, 0, 1] * 1.1  # faster at the inflection than at the peak: no stroke does that
    v[0, 1] = 0
    found = xzero.estimate(t, v)
    torch.testing.assert_close(found.d[0, 2:], plan.d[0, 2:], rtol=1e-7, atol=0)
    assert found.d[0, 1].isnan()
    only = xzero.from_pair((1, 2), t, v)
    assert found.d[0, 0] == only.d[0, 0]  # the one answer that does not use the broken point


def long_plan(strokes, seconds):
    """Strokes spread over a recording."""
    generator = torch.Generator().manual_seed(0)
    t0, sigma, d, begin, turn = torch.rand(5, strokes, generator=generator, dtype=torch.float64)
    return lognormal.Plan(seconds * t0, -1.5 - sigma, 0.1 + 0.4 * sigma, 10 * d, 6 * begin, 6 * begin + turn)


@pytest.mark.parametrize(("strokes", "times"), [(300, 9000), (3, 9000), (2_000_000, 3)])
def test_pieces_are_the_whole(strokes, times):
    """Long movements are evaluated in pieces, with the strokes alone that move in each."""
    if strokes > 1000:
        plan = lognormal.empty()._make(torch.ones(6, strokes, dtype=torch.float64))
        assert [len(t) for t, _, _ in lognormal.pieces(plan, torch.zeros(times, dtype=torch.float64))] == [1] * times
        return
    plan, t = long_plan(strokes, 45.0), torch.arange(times, dtype=torch.float64) / 200
    start = torch.tensor([3.0, -2.0], dtype=torch.float64)
    parts = list(lognormal.pieces(plan, t))
    assert torch.equal(torch.cat([piece for piece, _, _ in parts]), t)
    assert len(parts) > 2 and all(len(piece) * strokes <= 1 << 20 for piece, _, _ in parts)
    assert strokes < 100 or max(len(moving.t0) for _, moving, _ in parts) < strokes
    found = torch.cat([lognormal.position(moving, piece, start + led) for piece, moving, led in parts])
    torch.testing.assert_close(found, lognormal.position(plan, t, start), rtol=1e-12, atol=1e-9)
    found = torch.cat([lognormal.velocity(moving, piece) for piece, moving, _ in parts])
    torch.testing.assert_close(found, lognormal.velocity(plan, t), rtol=1e-12, atol=1e-9)


def test_a_movement_of_ordinary_length_is_one_piece():
    """So that nothing about the plans of the data sets depends on the pieces: 20 s, 250 strokes."""
    plan, t = long_plan(250, 20.0), torch.arange(4000, dtype=torch.float64) / 200
    ((piece, moving, led),) = lognormal.pieces(plan, t)
    assert piece is t and moving is plan and not led.any()
