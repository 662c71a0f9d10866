"""Trajectory sets from a few rows."""

import numpy as np

from ffrepro.data.trajectory_set import TrajectorySet


def make_set(samples, labels=None, dataset="mcyt", gestures=None):
    """A set from lists of (x, y, t, stroke) rows."""
    rows = np.concatenate([np.asarray(s, float).reshape(-1, 4) for s in samples])
    n = len(samples)
    return TrajectorySet(
        x=rows[:, 0], y=rows[:, 1], t=rows[:, 2], stroke=rows[:, 3].astype(np.int16),
        offsets=np.cumsum([0] + [len(s) for s in samples]),
        label=np.asarray([1] * n if labels is None else labels, np.uint8),
        subject=np.zeros(n, np.int32),
        gesture=np.asarray(gestures or [0] * n, np.int32),
        parent=np.arange(n, dtype=np.int32),
        names=[f"s{i}" for i in range(n)], manifest={"dataset": dataset},
    )  # fmt: skip
