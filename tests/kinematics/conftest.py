"""Known plans and a small prepared set of human-like movements."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ffrepro.data.prepared import fingerprint
from ffrepro.data.trajectory_set import FORMAT, TrajectorySet, arrays_of
from ffrepro.kinematics import lognormal
from ffrepro.kinematics.lognormal import Plan


def random_plans(batch: int, strokes: int, dtype=torch.float64, seed: int = 0) -> Plan:
    """(batch, strokes) plausible strokes, overlapping as they like, within about a second."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low, high):
        return low + (high - low) * torch.rand(batch, strokes, generator=generator, dtype=torch.float64)

    sigma, theta_s = uniform(0.1, 0.5), uniform(-math.pi, math.pi)
    plan = Plan(
        t0=uniform(-0.1, 0.6), mu=uniform(-2.0, -1.0), sigma=sigma, d=uniform(10, 100), theta_s=theta_s,
        theta_e=theta_s + uniform(-2, 2),
    )  # fmt: skip
    return Plan(*(field.to(dtype) for field in plan))


def recording(number: int, points: int = 70) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def make_set(recordings, subjects=None) -> TrajectorySet:
    """A prepared set of human recordings."""
    x, y, t = (np.concatenate([np.asarray(one[column], np.float64) for one in recordings]) for column in range(3))
    count = len(recordings)
    subject = np.zeros(count, np.int32) if subjects is None else np.array(subjects, np.int32)
    data = TrajectorySet(
        x=x, y=y, t=t, stroke=np.ones(len(x), np.int16),
        offsets=np.r_[0, np.cumsum([len(one[2]) for one in recordings])].astype(np.int64),
        label=np.ones(count, np.uint8), subject=subject, gesture=np.zeros(count, np.int32),
        parent=np.arange(count, dtype=np.int32), names=[f"s{number:02d}" for number in range(count)], manifest={},
    )  # fmt: skip
    counts = {"human": count, "synthetic": 0, "subjects": len(set(subject)), "gestures": 1, "points": len(x)}
    data.manifest.update(
        format=FORMAT, dataset="dollar", title="$1", source="standin", archive={"provenance": "made for a test"},
        counts=counts, gestures=[""], bad=[], fingerprint=fingerprint(arrays_of(data)),
    )  # fmt: skip
    return data


@pytest.fixture(scope="session")
def small_set() -> TrajectorySet:
    """Eight recordings of two subjects."""
    return make_set([recording(number) for number in range(8)], [0, 0, 0, 0, 1, 1, 1, 1])
