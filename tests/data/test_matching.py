"""The matched preprocessing against an independent filter and by hand."""

import numpy as np
import pytest
from helpers.trajectories import make_set
from scipy import signal

from ffrepro.base.errors import FfreproError
from ffrepro.data import matching
from ffrepro.data.features import Sequences

HOW = {"grid": 0.5, "rate_hz": 100.0, "lowpass_hz": 10.0, "rest_speed": 0.05}


def one(values):
    return Sequences(np.asarray(values, float), np.array([0, len(values)]))


def several(*parts):
    return Sequences(np.concatenate(parts).astype(float), np.r_[0, np.cumsum([len(p) for p in parts])])


def test_low_pass_is_a_butterworth_filter_run_forwards_and_backwards():
    """Inside, where no end is felt, the same numbers as scipy's recursive filter."""
    values = np.random.default_rng(0).normal(0, 1, (900, 2)).cumsum(0)
    sections = signal.butter(4, 10.0, fs=100.0, output="sos")
    expected = signal.sosfiltfilt(sections, values, axis=0)
    ours = matching.low_pass(one(values), 100.0, 10.0).values
    np.testing.assert_allclose(ours[150:-150], expected[150:-150], atol=1e-9)


@pytest.mark.parametrize("hertz", [1.0, 5.0, 10.0, 20.0, 40.0])
def test_low_pass_scales_a_sine_by_its_response_and_does_not_shift_it(hertz):
    t = np.arange(2001) / 100
    wave = np.sin(2 * np.pi * hertz * t)  # from zero to zero: its point reflection goes on with the same wave
    ours = matching.low_pass(one(np.stack([wave, wave], 1)), 100.0, 10.0).values[:, 0]
    np.testing.assert_allclose(ours, matching.response(np.array([hertz]), 100.0, 10.0) * wave, atol=1e-9)
    assert matching.response(np.array([10.0]), 100.0, 10.0)[0] == pytest.approx(0.5)


def test_low_pass_keeps_straight_lines_and_ends():
    line = np.stack([np.linspace(3, 9, 40), np.linspace(-1, -7, 40)], 1)
    np.testing.assert_allclose(matching.low_pass(one(line), 100.0, 10.0).values, line, atol=1e-12)
    noisy = np.random.default_rng(1).normal(0, 1, (41, 2))
    np.testing.assert_allclose(matching.low_pass(one(noisy), 100.0, 10.0).values[[0, -1]], noisy[[0, -1]], atol=1e-12)


def test_low_pass_treats_every_sequence_by_itself():
    rng = np.random.default_rng(2)
    parts = [rng.normal(0, 1, (n, 2)) for n in (30, 1, 17, 30, 2)]
    together = matching.low_pass(several(*parts), 100.0, 10.0)
    apart = [matching.low_pass(one(part), 100.0, 10.0).values for part in parts]
    np.testing.assert_allclose(together.values, np.concatenate(apart), atol=1e-14)


def test_resampling_interpolates_each_sample_from_its_own_first_stamp():
    position = np.array([[0, 0], [10, 5], [30, 5], [100, 100], [101, 100], [7, 7]], float)
    t = np.array([5.0, 15, 35, 1000, 1004, 3])
    out = matching.resample(position, t, np.array([0, 3, 5, 6]), 100.0)
    assert out.lengths.tolist() == [4, 1, 1]
    np.testing.assert_allclose(out.values, [[0, 0], [10, 5], [20, 5], [30, 5], [100, 100], [7, 7]])


def test_resampling_agrees_with_numpy_on_every_sample():
    rng = np.random.default_rng(3)
    lengths = rng.integers(2, 40, 50)
    t = np.concatenate([rng.uniform(0, 1e6) + np.cumsum(rng.uniform(1, 30, n)) for n in lengths])
    position = rng.normal(0, 100, (len(t), 2))
    offsets = np.r_[0, np.cumsum(lengths)]
    out = matching.resample(position, t, offsets, 100.0)
    for i in range(50):
        own = slice(offsets[i], offsets[i + 1])
        wanted = t[offsets[i]] + 10 * np.arange(out.lengths[i])
        expected = np.stack([np.interp(wanted, t[own], position[own, axis]) for axis in (0, 1)], 1)
        np.testing.assert_allclose(out.values[out.offsets[i] : out.offsets[i + 1]], expected, atol=1e-6)
        assert wanted[-1] <= t[own][-1] + 1e-6 < wanted[-1] + 10 + 1e-6


def test_rests_at_both_ends_go_and_those_inside_stay():
    speeds = [0.0, 0.4, 5.0, 0.0, 10.0, 0.6, 0.1]
    s = several(np.c_[speeds, np.zeros(7)], np.zeros((3, 2)), np.zeros((0, 2)), [[0.0, 1.0]])
    out = matching.trim_rests(s, 0.05)
    assert out.lengths.tolist() == [4, 3, 0, 1]  # one that never moves stays whole
    assert out.values[:4, 0].tolist() == [5.0, 0.0, 10.0, 0.6]


def test_velocities_do_not_depend_on_the_clock_of_a_straight_movement():
    """The same line, on a 7 ms clock and on ticks of 15 and 16 ms with doubled stamps: the same velocities."""
    rows = []
    for steps in ([7] * 100, [0, 15, 0, 16] * 24):
        t = np.r_[0, np.cumsum(steps)].astype(float)
        t = t[t <= 660]
        rows.append(np.c_[300 * t / 1000, -100 * t / 1000, t, np.ones(len(t))])
    out = matching.velocities(make_set(rows), **{**HOW, "grid": 1e-6})
    assert (out.lengths > 60).all()
    np.testing.assert_allclose(out.values, np.tile([300.0, -100.0], (len(out.values), 1)), rtol=1e-3)


def test_positions_are_rounded_to_the_grid_before_anything_else():
    t = np.arange(0, 400, 10.0)
    fine = np.c_[t * 0.0312, t * 0.0177, t, np.ones(len(t))]
    coarse = fine.copy()
    coarse[:, :2] = np.round(fine[:, :2] / 0.5) * 0.5
    a, b = (matching.velocities(make_set([rows]), **HOW) for rows in (fine, coarse))
    np.testing.assert_array_equal(a.values, b.values)


def test_a_sample_of_one_point_and_one_that_stands_still_have_no_velocity_that_is_not_a_number():
    out = matching.velocities(make_set([[[1, 2, 0, 1]], [[1, 2, t, 1] for t in range(0, 50, 10)]]), **HOW)
    assert out.lengths.tolist() == [0, 4]
    assert (out.values == 0).all()


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ([], "no points"),
        ([[1, 2, 0, 1], [np.nan, 2, 10, 1]], "point 2: x is nan"),
        ([[1, -np.inf, 0, 1], [1, 2, 10, 1]], "point 1: y is -inf"),
        ([[1, 2, 0, 1], [1, 2, 10, 1], [1, 2, np.nan, 1]], "point 3: t is nan"),
    ],
)
def test_a_sample_that_cannot_be_matched_is_named(bad, what):
    good = [[n, 0, 10 * n, 1] for n in range(20)]
    with pytest.raises(FfreproError) as error:
        matching.velocities(make_set([good, bad, good]), **HOW)
    assert (error.value.what, error.value.where) == (f"sample 1 cannot be matched: {what}", "s1")
    assert "ffrepro prepare mcyt" in error.value.fix
    assert matching.velocities(make_set([good, good]), **HOW).lengths.tolist() == [19, 19]
