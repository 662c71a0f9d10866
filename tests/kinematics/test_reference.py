"""From a recording to the reference signal, and what is no recording."""

import numpy as np
import pytest
from scipy import signal

from ffrepro.kinematics import reference as ref
from ffrepro.kinematics.quality import Motion, quality, snr_db

STEADY = np.arange(50.0)


def test_merging_keeps_the_last_position_of_each_stamp():
    position, seconds = ref.clean([1, 2, 3, 4, 5], [0, 0, 0, 0, 9], [100, 116, 116, 113, 200])
    assert position.tolist() == [[1, 0], [4, 0], [5, 9]]
    assert seconds.tolist() == pytest.approx([0, 0.016, 0.1])


@pytest.mark.parametrize(
    ("x", "t", "reason"),
    [
        ([], [], "no points"),
        ([1.0], [3.0], "one point"),
        (np.ones(50), STEADY * 10, "does not move"),
        (STEADY, -STEADY * 10, "the clock runs backwards by 490 ms"),
        (np.where(STEADY == 7, np.nan, STEADY), STEADY * 10, "point 8: x is nan"),
        (STEADY, np.where(STEADY == 3, np.inf, STEADY * 10), "point 4: t is inf"),
        (STEADY, np.zeros(50), "all points have the same time stamp"),
        (STEADY, STEADY / 10, "lasts 4.9 ms, less than 40"),
        (STEADY, STEADY * 1e4, "lasts 490 s, more than 300"),
    ],
)
def test_what_is_no_recording_says_why(x, t, reason):
    with pytest.raises(ref.Unusable) as error:
        ref.reference(x, np.ones(len(x)), t)
    assert str(error.value) == reason


UNSEEN = "does not move in the signal at 200 Hz, low-passed at 15 Hz"
LATE = np.r_[np.arange(0, 101, 10.0), 102.0], np.r_[np.zeros(11), 1.0]  # still for 100 ms, 1 px after the last sample


@pytest.mark.parametrize(
    ("x", "t", "reason"),
    [
        (LATE[1], LATE[0], UNSEEN),
        (500 + LATE[1], LATE[0], UNSEEN),  # what filtering a constant leaves is no movement
        (1e16 + 4 * (STEADY > 48), STEADY * 10, UNSEEN),
        (1e-200 * STEADY**2, STEADY * 10, UNSEEN),
        (1e200 * STEADY, STEADY * 10, "coordinates as large as 4.9e+201: their squares are no numbers"),
        (1.7e308 * (-1) ** STEADY, STEADY * 10, "coordinates as large as 1.7e+308: their squares are no numbers"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_movement_that_the_signal_does_not_hold_says_why(x, t, reason):
    with pytest.raises(ref.Unusable) as error:
        ref.reference(x, np.zeros(len(x)), t)
    assert str(error.value) == reason


def test_a_little_movement_is_one():
    step = np.where(STEADY < 25, 0, 1e-6)
    still = ref.reference(1000 + step, np.zeros(50), STEADY * 10)
    assert np.ptp(still.position[:, 0]) == pytest.approx(1e-6, rel=0.2)


def test_a_jittering_clock_is_data():
    t = STEADY * 10
    t[20] -= 14  # 4 ms before its predecessor
    assert len(ref.reference(STEADY, STEADY, t).position) == 99


def test_filter_is_scipys_forwards_and_backwards():
    path = np.cumsum(np.random.default_rng(0).normal(size=(300, 2)), 0)
    sections = signal.butter(4, 15, fs=200, output="sos")
    for n in (300, 15):
        expected = signal.sosfiltfilt(sections, path[:n], axis=0, padlen=min(40, n - 1))
        np.testing.assert_allclose(ref.low_pass(path[:n]), expected, rtol=0, atol=1e-10)


def test_velocity_of_slow_and_fast_sines():
    t = np.arange(400) / 200
    for hertz, tolerance in ((1, 1e-5), (10, 5e-3)):
        turn = 2 * np.pi * hertz
        path = np.stack([np.sin(turn * t), 3 * t], 1)
        v = ref.differentiate(path)
        np.testing.assert_allclose(v[2:-2, 0], turn * np.cos(turn * t[2:-2]), atol=tolerance * turn)
        np.testing.assert_allclose(v[:, 1], 3, rtol=1e-12)  # up to the ends


def test_resampling_by_hand():
    out = ref.reference([0, 10, 10], [0, 0, 5], [1000, 1050, 1203])
    assert len(out.position) == 41
    assert out.seconds == 0.2
    assert out.t[[0, -1]].tolist() == [0, 0.2]
    line = ref.reference(STEADY * 2, STEADY * -1, STEADY * 10)
    np.testing.assert_allclose(line.position[:, 0], np.arange(99), atol=2e-3)
    np.testing.assert_allclose(line.velocity, np.tile([200.0, -100.0], (99, 1)), rtol=2e-3)


def test_snr_by_hand():
    assert snr_db(np.array([3.0, 4.0]), np.array([3.0, 3.5])) == pytest.approx(20)  # 25 / 0.25
    assert snr_db(np.ones(3), np.ones(3)) == np.inf
    assert snr_db(np.zeros(3), np.ones(3)) == -np.inf
    position = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    velocity = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    # the trajectory is compared about its mean: where it lies does not matter
    found = quality(Motion(position, velocity), Motion(position * 1.1 + 7, velocity * 0.9), strokes=4)
    assert found.snr_t == pytest.approx(20)
    assert found.snr_v == pytest.approx(20)
    assert (found.strokes, found.snr_v_per_stroke) == (4, pytest.approx(5))
