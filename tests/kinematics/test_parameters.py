"""The fitted parameters: plan and back, the model in them, and the Jacobian."""

import pytest
import torch

from ffrepro.core.buffers import Buffers
from ffrepro.kinematics import lognormal, parameters

from .conftest import random_plans

STRIDE = 3


def rows_of(theta, t):
    """The model's rows through the other implementation, differentiable."""
    plan = parameters.to_plan(theta)
    origin = torch.zeros(len(theta), 2, dtype=theta.dtype)
    v, x = lognormal.velocity(plan, t), lognormal.position(plan, t[::STRIDE], origin)
    return torch.cat([v.transpose(1, 2).flatten(1), x.transpose(1, 2).flatten(1)], 1)


@pytest.fixture
def case():
    """(3, 6, 4) parameters with straight and nearly straight strokes, and 31 times."""
    theta = parameters.from_plan(random_plans(3, 4))
    theta[0, parameters.TURN] = torch.tensor([0.0, 1e-3, 0.03, -0.09])
    return theta, torch.linspace(0, 1, 31, dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_plan_to_parameters_and_back(dtype):
    plan = random_plans(5, 7, dtype)
    back = parameters.to_plan(parameters.from_plan(plan))
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    for name in ("t0", "mu", "sigma", "d"):
        torch.testing.assert_close(getattr(back, name), getattr(plan, name), rtol=tolerance, atol=tolerance)
    for name in ("theta_s", "theta_e"):  # an angle and its turn are kept, whole turns are not
        error = torch.remainder(getattr(back, name) - getattr(plan, name) + 1, 2 * torch.pi) - 1
        assert error.abs().max() < 10 * tolerance
    torch.testing.assert_close(back.theta_e - back.theta_s, plan.theta_e - plan.theta_s, rtol=0, atol=tolerance * 10)


def test_parameters_by_hand():
    plan = lognormal.Plan(*(torch.tensor([v], dtype=torch.float64) for v in (0.5, -1.0, 0.2, 10.0, 0.3, 0.9)))
    theta = parameters.from_plan(plan)[:, 0].tolist()
    delay = torch.exp(torch.tensor(-1.04, dtype=torch.float64))
    assert theta[0] == pytest.approx(0.5 + float(delay))
    assert theta[1] == pytest.approx(float(torch.log(0.2 * delay)))
    assert theta[3] == pytest.approx(0.6)
    assert theta[4:] == pytest.approx([10 * 0.8253356149, 10 * 0.5646424734])  # cos and sin of 0.6


def test_velocity_and_position_equal_the_model(case):
    theta, t = case
    plan, origin = parameters.to_plan(theta), torch.zeros(3, 2, dtype=torch.float64)
    torch.testing.assert_close(parameters.velocity(theta, t).transpose(1, 2), lognormal.velocity(plan, t))
    torch.testing.assert_close(parameters.position(theta, t).transpose(1, 2), lognormal.position(plan, t, origin))


def test_table_equals_the_model_and_autograd(case):
    theta, t = case
    table = parameters.table(theta, t, STRIDE, Buffers())
    assert table.shape == (3, 25, 2 * 31 + 2 * 11)
    torch.testing.assert_close(table[:, -1], rows_of(theta, t), rtol=1e-10, atol=1e-10)
    for b in range(3):
        expected = torch.autograd.functional.jacobian(lambda one: rows_of(one[None], t)[0], theta[b])
        expected = expected.permute(1, 2, 0).reshape(24, -1)
        assert expected.abs().max() > 100
        torch.testing.assert_close(table[b, :-1], expected, rtol=1e-9, atol=1e-8)


def test_table_equals_finite_differences(case):
    theta, t = case
    theta[1, parameters.TURN, 0] = 1e-7  # where autograd itself cancels
    table = parameters.table(theta, t, STRIDE, Buffers())[:, :-1].unflatten(1, (6, 4)).clone()
    for name in range(6):
        for stroke in range(4):
            step = torch.zeros_like(theta)
            step[:, name, stroke] = 1e-6
            slope = (rows_of(theta + step, t) - rows_of(theta - step, t)) / 2e-6
            torch.testing.assert_close(table[:, name, stroke], slope, rtol=1e-5, atol=2e-4)


def test_single_precision_is_near(case):
    theta, t = case
    double = parameters.table(theta, t, STRIDE, Buffers()).clone()
    single = parameters.table(theta.float(), t.float(), STRIDE, Buffers())
    error = (single.double() - double).abs().amax(-1) / double.abs().amax(-1)
    assert error.max() < 2e-3
    assert error[:, -1].max() < 2e-5


def test_a_stroke_without_amplitude_and_one_not_begun(case):
    theta, t = case
    theta[:, parameters.AX :, 0] = 0
    theta[:, parameters.PEAK, 1] = 50.0
    table = parameters.table(theta, t, STRIDE, Buffers())
    assert table.isfinite().all()
    jacobian = table[:, :-1].unflatten(1, (6, 4))
    assert jacobian[:, : parameters.AX, 0].abs().max() == 0
    assert jacobian[:, parameters.AX, 0].abs().max() > 1
    assert jacobian[:, :, 1].abs().max() < 1e-30
