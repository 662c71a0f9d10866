"""The kinematics as a library."""

import numpy as np
import pytest

from ffrepro import FfreproError
from ffrepro.kinematics import extract
from ffrepro.kinematics.reference import reference

T = np.arange(0, 1, 0.01)
X = 100 * (10 * T**3 - 15 * T**4 + 6 * T**5)
Y = 40 * np.sin(3 * T)


@pytest.fixture(scope="module")
def plan():
    return extract(T, X, Y)


def test_a_plan_gives_its_movement_back(plan):
    assert plan.quality.snr_v > 25 and plan.quality.strokes == len(plan) and plan.seconds == pytest.approx(0.99)
    assert np.abs(plan.position(T) - np.stack([X, Y], 1)).max() < 1
    signal = reference(X, Y, 1000 * T)
    noise = np.square(plan.velocity(signal.t) - signal.velocity).sum()
    assert 10 * np.log10(np.square(signal.velocity).sum() / noise) == pytest.approx(plan.quality.snr_v)


def test_velocity_is_the_slope_of_position(plan):
    step = 1e-5
    slope = (plan.position(T + step) - plan.position(T - step)) / (2 * step)
    np.testing.assert_allclose(plan.velocity(T), slope, atol=1e-3)


def test_times_have_any_shape_and_order(plan):
    assert plan.velocity(0.5).shape == (2,) and plan.position([]).shape == (0, 2)
    some = np.array([[0.5, 0.1], [0.1, 0.9]])
    found = plan.velocity(some)
    assert found.shape == (2, 2, 2)
    np.testing.assert_array_equal(found[0, 1], found[1, 0])
    np.testing.assert_allclose(found[0, 0], plan.velocity(0.5))


def test_a_perturbed_plan_is_near_by_its_level_and_seed(plan):
    def apart(level):
        return np.mean([np.abs(plan.perturb(level, seed).position(T) - plan.position(T)).mean() for seed in range(8)])

    assert 0 < apart("close") < apart("medium") < apart("far") == apart(1)
    np.testing.assert_allclose(plan.perturb(0, 0).position(T), plan.position(T), atol=1e-9)
    again = [plan.perturb("close", rng).velocity(T) for rng in (1, np.random.default_rng(1), 2)]
    assert np.array_equal(again[0], again[1]) and not np.array_equal(again[0], again[2])
    twice = plan.perturb("far", 1).perturb("far", 2)
    assert len(twice) == len(plan) and twice.quality is None and twice.seconds > 0.1


WRONG = {
    "nothing": (lambda plan: extract([], [], []), "movement"),
    "one point": (lambda plan: extract([0], [0], [0]), "movement"),
    "too short": (lambda plan: extract(T[:3], X[:3], Y[:3]), "movement"),
    "too long": (lambda plan: extract(1000 * T, X, Y), "movement"),
    "unsorted": (lambda plan: extract(T[::-1], X, Y), "movement"),
    "nan": (lambda plan: extract(T, X * np.nan, Y), "movement"),
    "no movement": (lambda plan: extract(T, 0 * X, 0 * Y), "movement"),
    "lengths": (lambda plan: extract(T, X[:5], Y), "movement"),
    "two dimensions": (lambda plan: extract(*3 * [T[:, None]]), "movement"),
    "text": (lambda plan: extract(T, "x", Y), "x"),
    "no level": (lambda plan: plan.perturb("closer", 0), None),
    "level above 1": (lambda plan: plan.perturb(1.1, 0), "level"),
    "level below 0": (lambda plan: plan.perturb(-0.1, 0), "level"),
    "level nan": (lambda plan: plan.perturb(float("nan"), 0), "level"),
    "no generator": (lambda plan: plan.perturb("close", None), "rng"),
    "negative seed": (lambda plan: plan.perturb("close", -1), "rng"),
    "time nan": (lambda plan: plan.velocity(np.nan), "t"),
    "time text": (lambda plan: plan.position("now"), "t"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_movement_is_refused(case, plan):
    call, where = WRONG[case]
    with pytest.raises(FfreproError) as caught:
        call(plan)
    assert caught.value.where == where and caught.value.fix


def test_milliseconds_are_recognised():
    with pytest.raises(FfreproError) as caught:
        extract(1000 * T, X, Y)
    assert "milliseconds" in caught.value.fix
