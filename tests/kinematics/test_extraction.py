"""Extraction on movements whose plan is known, and recordings that have none."""

import numpy as np
import pytest
import torch

from ffrepro.kinematics import lognormal
from ffrepro.kinematics.extraction import Settings, extract
from ffrepro.kinematics.lognormal import Plan
from ffrepro.kinematics.reference import RATE, Reference, Unusable, reference


def known_movement(seed):
    """Four strokes, their peaks well apart, as a noiseless reference signal."""
    rng = np.random.default_rng(seed)
    k = 4
    t0 = 0.05 + 0.22 * np.arange(k) + rng.uniform(0, 0.02, k)
    fields = [t0, rng.uniform(-1.9, -1.7, k), rng.uniform(0.2, 0.3, k), rng.uniform(60, 120, k)]
    start = rng.uniform(-3, 3, k)
    plan = Plan(*torch.tensor(np.array([*fields, start, start + rng.uniform(-1, 1, k)])))
    t = torch.arange(0, 1.4, 1 / RATE, dtype=torch.float64)
    position = lognormal.position(plan, t, torch.zeros(2, dtype=torch.float64))
    return plan, Reference(position.numpy(), lognormal.velocity(plan, t).numpy())


def test_extracted_plans_explain_movements_made_from_plans():
    references = [known_movement(seed)[1] for seed in range(6)]
    found = list(extract(references, Settings()))
    assert len(found) == 6
    for movement, got in zip(references, found, strict=True):
        v = lognormal.velocity(got.plan, torch.from_numpy(movement.t)).numpy()
        snr = 10 * np.log10(np.square(movement.velocity).sum() / np.square(movement.velocity - v).sum())
        assert snr > 24
        assert 3 <= got.plan.d.shape[-1] <= 9


@pytest.mark.parametrize(
    "points",
    [
        np.empty((0, 3)),
        np.array([[1.0, 2.0, 3.0]]),
        np.c_[np.ones((50, 2)), np.arange(50) * 10.0],
        np.c_[np.arange(50.0), np.arange(50.0), np.r_[np.nan, np.arange(49) * 10.0]],
        np.c_[np.arange(50.0), np.arange(50.0), -np.arange(50) * 10.0],
    ],
    ids=["empty", "one point", "constant", "nan", "backwards"],
)
def test_unusable_recordings_say_why(points):
    with pytest.raises(Unusable) as error:
        reference(*points.T)
    assert len(str(error.value)) > 5
