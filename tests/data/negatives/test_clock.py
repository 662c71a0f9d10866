"""What is read off a device, and what it does to a movement."""

import numpy as np
import pytest
import torch

from ffrepro.core import seeds
from ffrepro.data.negatives import clock


def device(steps, subject=None, x=None):
    """Measured on one recording for each list of steps."""
    t = np.concatenate([np.r_[0, np.cumsum(one)] for one in steps]).astype(float)
    offsets = np.r_[0, np.cumsum([len(one) + 1 for one in steps])]
    x = np.arange(len(t)) * 3.0 if x is None else x
    return clock.measure(x, np.zeros(len(t)), t, offsets, np.arange(len(steps)) if subject is None else subject)


def test_each_subject_has_steps_of_its_own_and_pauses_are_none():
    found = device([[10, 11, 150], [20, 20], [12]], subject=np.array([4, 9, 4]))
    assert set(found.pools) == {4, 9}
    first, last = found.pools[4]
    assert found.steps[first:last].tolist() == [10, 11, 12]
    first, last = found.pools[9]
    assert found.steps[first:last].tolist() == [20, 20]


def test_the_longest_step_that_is_no_pause():
    assert clock.pause_ms(np.array([10.0, 12, 500])) == 100
    assert clock.pause_ms(np.array([98.0, 100, 400])) == 300  # a jittering 10 Hz clock keeps all its steps
    assert clock.pause_ms(np.array([0.0, 0, 0, 144, 144, 150, 5000])) == 3 * 147  # bursts do not make it fast
    assert clock.pause_ms(np.zeros(3)) == clock.pause_ms(np.zeros(0)) == 100


def test_a_slow_clock_has_pauses_of_its_own():
    found = device([[144, 144, 5000, 150, 144]])
    assert found.pause_ms == 432
    assert found.steps.tolist() == [144, 144, 150, 144]


def test_a_clock_that_only_ever_pauses_is_a_slow_clock():
    found = device([[1000, 1000]])
    assert found.steps.tolist() == [1000, 1000]
    assert clock.draw_stamps(found, 0, 3.4, seeds.generator("slow")).tolist() == [0, 1000, 2000, 3000]
    assert clock.draw_stamps(found, 0, 3.6, seeds.generator("slow")).tolist() == [0, 1000, 2000, 3000, 4000]


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([3.0, 5.0, 6.0], 0), ([0.25, 1.5, 2.0], 2), ([1e-6, 2.0, 3.0], 6), ([0.1, 1 / 3, 2], None)],
)
def test_the_grid_of_coordinates(values, decimals):
    assert device([[10, 10]], x=np.array(values)).decimals == decimals


def test_whole_milliseconds_and_silence():
    assert device([[10, 10]]).whole_ms
    assert not device([[10.5, 10]]).whole_ms
    assert device([[10, 10]]).moves_only
    assert not device([[10, 10]], x=np.array([0.0, 0.0, 5.0])).moves_only


def test_drawn_steps_are_steps_that_were_seen_in_blocks():
    found = device([list(range(1, 41)), [99] * 30])
    stamps = clock.draw_stamps(found, 0, 5.0, seeds.generator("blocks"))
    steps = np.diff(stamps)
    assert stamps[0] == 0 and abs(stamps[-1] - 5000) <= 20
    assert set(steps) <= set(range(1, 41))
    assert (np.diff(steps) == 1).mean() > 0.8  # blocks of about 16 steps in a row


def test_drawn_steps_have_the_distribution_of_those_that_were_seen():
    rng = np.random.default_rng(0)
    seen = rng.choice([0, 15, 16], p=[0.4, 0.35, 0.25], size=600)
    steps = np.diff(clock.draw_stamps(device([seen]), 0, 60.0, seeds.generator("distribution")))
    for value in (0, 15, 16):
        assert (steps == value).mean() == pytest.approx((seen == value).mean(), abs=0.03)


def test_stamps_depend_on_the_generator_alone():
    found = device([list(range(1, 41))])
    first, again, other = (clock.draw_stamps(found, 0, 2.0, seeds.generator("seed", n)) for n in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_when_the_device_looked_by_hand():
    # a burst of three at 30 was seen at 20, 25 and 30; a step of 1 ms is one within a burst
    assert clock.looked_at(np.array([0.0, 15, 30, 30, 30])).tolist() == [0, 15, 20, 25, 30]
    assert clock.looked_at(np.array([0.0, 10, 11])).tolist() == [0, 5.5, 11]


def test_recording_rounds_and_keeps_silent():
    pixels = clock.Device(np.ones(1), {0: (0, 1)}, decimals=0, whole_ms=True, moves_only=True, pause_ms=100.0)
    places = np.array([[0.2, -0.2], [0.4, 0.3], [1.6, 0.3], [1.7, 0.3]])
    x, y, t = clock.record(pixels, places, np.array([0.0, 10.4, 20.4, 30.4]))
    assert (x.tolist(), y.tolist(), t.tolist()) == ([0, 2], [0, 0], [0, 20])
    assert not np.signbit(y).any()
    exact = clock.Device(np.ones(1), {0: (0, 1)}, decimals=None, whole_ms=False, moves_only=False, pause_ms=100.0)
    x, y, t = clock.record(exact, places, np.array([0.0, 10.4, 20.4, 30.4]))
    assert np.array_equal(np.stack([x, y], 1), places)
    assert t.tolist() == [0, 10.4, 20.4, 30.4]


def test_nothing_is_measured_off_nothing():
    found = clock.measure(*np.zeros((3, 0)), np.array([0]), np.zeros(0, int))
    assert found.pools == {}
    assert torch.from_numpy(found.steps).numel() == 0
