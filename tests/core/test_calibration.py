"""Calibration on numbers small enough to check by hand."""

import numpy as np
import pytest
import torch

from ffrepro.core import calibration


def test_expected_error_by_hand():
    """Two bins. The lower: confidence .3 and .5, one right: |.8 - 1|. The upper: .9 and .7, one right: |1.6 - 1|."""
    confidence, right = np.array([0.3, 0.9, 0.5, 0.7]), np.array([True, True, False, False])
    assert calibration.expected_error(confidence, right, bins=2) == pytest.approx((0.2 + 0.6) / 4)
    assert calibration.expected_error(np.array([1.0, 0.0]), np.array([True, False]), bins=2) == 0.0


def test_whoever_is_right_as_often_as_it_says_has_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1.0, 200_000)
    right = rng.uniform(size=confidence.size) < confidence
    assert calibration.expected_error(confidence, right) < 0.01
    assert calibration.expected_error(confidence, ~right) > 0.2


def test_scores_are_read_through_their_softmax():
    """Right at .8, wrong at .6, right at .5: one of the two pairs of right and wrong is in order."""
    p = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.5, 0.5]], dtype=torch.float64)
    found = calibration.read(p.log() + 7, torch.tensor([0, 1, 0]))
    assert found["accuracy"] == pytest.approx(2 / 3) and found["confidence"] == pytest.approx(1.9 / 3)
    assert found["auc"] == 0.5
    assert found["ece"] == pytest.approx((0.2 + 0.6 + 0.5) / 3)  # each in a bin of its own
    assert np.isnan(calibration.read(p.log(), torch.zeros(3, dtype=torch.int64))["auc"])
