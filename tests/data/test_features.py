"""From trajectories to inputs, by hand and against the plain per-sample computation."""

import numpy as np
import pytest
from helpers.trajectories import make_set

from ffrepro.data import features

CLEAN = [(0, 0, 0, 1), (2, 4, 2, 1), (5, 4, 3, 2)]
STAMPS = [(0, 0, 10, 1), (1, 1, 10, 1), (4, 2, 30, 1), (9, 9, 20, 1), (6, 2, 32, 1)]  # an equal one, a backward one


def test_velocity_by_hand():
    s = features.sequences(make_set([CLEAN, CLEAN[:2]]), "velocity", "merge")
    assert s.values.tolist() == [[1.0, 2.0], [3.0, 0.0], [1.0, 2.0]]
    assert s.offsets.tolist() == [0, 2, 3]


def test_equal_and_backward_stamps_are_merged_and_the_last_position_kept():
    x, y, t, offsets = features.merge_stamps(make_set([STAMPS, CLEAN]))
    assert x.tolist() == [1, 9, 6, 0, 2, 5]
    assert y.tolist() == [1, 9, 2, 0, 4, 4]
    assert t.tolist() == [10, 30, 32, 0, 2, 3]
    assert offsets.tolist() == [0, 3, 6]


def test_a_sample_does_not_merge_with_the_one_before_it():
    late, early = [(0, 0, 1000, 1), (1, 0, 1001, 1)], [(0, 0, -5, 1), (1, 0, -4, 1)]
    s = features.sequences(make_set([late, early]), "velocity", "merge")
    assert s.values.tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_a_sample_that_never_moves_in_time_has_no_steps():
    s = features.sequences(make_set([[(0, 0, 1, 1), (1, 1, 1, 1)], CLEAN]), "velocity", "merge")
    assert s.lengths.tolist() == [0, 2]


def test_released_codes_epsilon():
    s = features.sequences(make_set([STAMPS]), "velocity", "epsilon")
    assert s.values[:, 0].tolist() == pytest.approx([1 / 1e-8, 3 / 20, 5 / -10, -3 / 12])


def test_released_codes_columns():
    """d stroke / dy and dx / dy; the time is never read."""
    s = features.sequences(make_set([CLEAN]), "published_columns", "epsilon")
    assert s.values.tolist() == [[0.0, 0.5], [1 / 1e-8, 3 / 1e-8]]


def test_zscore_is_numpys_over_both_channels():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 5, (12, 2))
    s = features.zscore_sequences(features.Sequences(values, np.int64([0, 5, 5, 12])))
    for a, b in ((0, 5), (5, 12)):
        part = values[a:b]
        np.testing.assert_allclose(s.values[a:b], (part - part.mean()) / part.std(), rtol=1e-12)
    constant = features.zscore_sequences(features.Sequences(np.ones((3, 2)), np.int64([0, 3])))
    assert constant.values.tolist() == [[0.0, 0.0]] * 3


def test_pad_and_cut():
    values = np.arange(10.0).reshape(5, 2)
    x, valid = features.pad(features.Sequences(values, np.int64([0, 1, 1, 5])), 2)
    assert x.shape == (2, 3, 2)
    assert valid.tolist() == [1, 0, 2]
    assert x[:, 0].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert x[:, 1].tolist() == [[0.0, 0.0]] * 2
    assert x[:, 2].tolist() == [[2.0, 3.0], [4.0, 5.0]]


def test_against_a_loop_over_random_samples():
    rng = np.random.default_rng(2)
    samples = []
    for _ in range(30):
        n = int(rng.integers(3, 12))
        t = np.cumsum(rng.integers(-1, 4, n))
        samples.append(np.c_[rng.integers(0, 50, (n, 2)), t, np.ones(n)])
    data = make_set(samples)
    merged = features.sequences(data, "velocity", "merge")
    for i, rows in enumerate(samples):
        kept = []
        for row in rows:
            if kept and row[2] <= kept[-1][2]:
                kept[-1] = [row[0], row[1], kept[-1][2]]
            else:
                kept.append([row[0], row[1], row[2]])
        d = np.diff(np.asarray(kept), axis=0)
        np.testing.assert_allclose(merged.values[merged.offsets[i] : merged.offsets[i + 1]], d[:, :2] / d[:, 2:])
