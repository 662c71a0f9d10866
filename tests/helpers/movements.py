"""Human-like movements whose strokes are known, and prepared sets of them."""

from __future__ import annotations

import numpy as np
import torch

from ffrepro.data.trajectory_set import FORMAT, SYNTHETIC, TrajectorySet, arrays_of, fingerprint
from ffrepro.kinematics import lognormal
from ffrepro.kinematics.lognormal import Plan

Recording = tuple[np.ndarray, np.ndarray, np.ndarray]


def recording(number: int, points: int = 70) -> Recording:
    """x, y in whole pixels and t in ms of six strokes, with uneven steps."""
    rng = np.random.default_rng(number)
    t = np.r_[0, np.cumsum(rng.integers(8, 20, points - 1))].astype(float)
    seconds = t[-1] / 1000
    sigma = rng.uniform(0.15, 0.3, 6)
    delay = rng.uniform(0.045, 0.06, 6) / sigma
    peaks = np.linspace(0.08, 0.9, 6) * seconds
    theta = rng.uniform(-3, 3) + np.cumsum(rng.uniform(-1.5, 1.5, 6))
    fields = (
        peaks - delay, np.log(delay) + sigma**2, sigma, rng.uniform(60, 120, 6), theta, theta + rng.uniform(-1, 1, 6),
    )  # fmt: skip
    plan = Plan(*(torch.from_numpy(field) for field in fields))
    position = lognormal.position(plan, torch.from_numpy(t / 1000), torch.tensor([200.0, 300.0], dtype=torch.float64))
    x, y = np.rint(position.numpy()).T
    return x, y, t


def make_set(recordings: list[Recording], subjects: list[int], synthetic: int = 0) -> TrajectorySet:
    """A prepared set of human recordings; the last ``synthetic`` ones count as synthetic, made from the first."""
    x, y, t = (np.concatenate([np.asarray(one[column], np.float64) for one in recordings]) for column in range(3))
    count = len(recordings)
    human = count - synthetic
    label = np.ones(count, np.uint8)
    label[human:] = SYNTHETIC
    data = TrajectorySet(
        x=x, y=y, t=t, stroke=np.ones(len(x), np.int16),
        offsets=np.r_[0, np.cumsum([len(one[2]) for one in recordings])].astype(np.int64),
        label=label, subject=np.array(subjects, np.int32), gesture=np.arange(count, dtype=np.int32) % 2,
        parent=np.r_[np.arange(human), np.arange(synthetic)].astype(np.int32),
        names=[f"s{number:02d}" for number in range(count)], manifest={},
    )  # fmt: skip
    counts = {
        "human": human, "synthetic": synthetic, "subjects": len(set(subjects)), "gestures": 2, "points": len(x),
    }  # fmt: skip
    data.manifest.update(
        format=FORMAT, dataset="dollar", title="$1", source="standin", archive={"provenance": "made for a test"},
        counts=counts, gestures=["a", "b"], bad=[], fingerprint=fingerprint(arrays_of(data)),
    )  # fmt: skip
    return data
