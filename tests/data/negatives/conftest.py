"""A small prepared set of two people's movements, and its plans."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import movements

from ffrepro.data.negatives import planning, plans
from ffrepro.data.trajectory_set import TrajectorySet
from ffrepro.kinematics.extraction import Settings

BROKEN = 5  # the sample whose clock runs backwards


@pytest.fixture(scope="session")
def small_set() -> TrajectorySet:
    """Eight human recordings of two subjects, one of them without a plan, and two synthetic ones."""
    recordings = [movements.recording(number) for number in range(10)]
    x, y, t = recordings[BROKEN]
    recordings[BROKEN] = x, y, np.r_[t[:40], t[40:] - 300]
    return movements.make_set(recordings, [0, 0, 0, 0, 1, 1, 1, 1, 0, 0], synthetic=2)


@pytest.fixture(scope="session")
def small_plans(small_set) -> plans.PlanSet:
    """Its plans."""
    return planning.extract_set(small_set, Settings(), workers=1)
