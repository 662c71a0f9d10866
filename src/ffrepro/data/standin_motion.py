"""Plausible pen and pointer movements for the stand-in data.

A movement is a sum of strokes whose speeds are lognormal in time, the simplest picture of a fast hand movement. This
is no model of anyone's writing and makes no claim; it gives the real parsers and nets something to work on.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np

_erf = np.vectorize(math.erf, otypes=[float])


def generator(text: str) -> np.random.Generator:
    """A generator that depends on ``text`` only, so that every sample is the same whatever is made before it."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")))


@dataclass(frozen=True)
class Plan:
    """K strokes, all arrays (K,): when each starts (s), ln of its delay, width, length (in box sizes), direction."""

    start: np.ndarray
    delay: np.ndarray
    width: np.ndarray
    length: np.ndarray
    angle: np.ndarray

    @property
    def duration(self) -> float:
        """Seconds until the last stroke is nearly over."""
        return float(np.max(self.start + np.exp(self.delay + 2 * self.width)))

    def positions(self, seconds: np.ndarray) -> np.ndarray:
        """(n, 2): where the pen is at each of the times (n,), from (0, 0), in box sizes."""
        since = np.maximum(seconds[:, None] - self.start, 1e-9)
        done = 0.5 * (1 + _erf((np.log(since) - self.delay) / (self.width * math.sqrt(2))))  # (n, K), 0 to 1
        return (done * self.length) @ np.stack([np.cos(self.angle), np.sin(self.angle)], axis=1)


def draw_plan(rng: np.random.Generator, seconds: float) -> Plan:
    """A plan of three to six strokes that lasts about ``seconds``."""
    count = int(rng.integers(3, 7))
    plan = Plan(
        start=np.arange(count) * 1.0 + rng.uniform(-0.15, 0.15, count),
        delay=rng.uniform(-0.3, 0.1, count),
        width=rng.uniform(0.25, 0.4, count),
        length=rng.uniform(0.4, 1.0, count),
        angle=rng.uniform(-math.pi, math.pi) + np.cumsum(rng.uniform(-1.8, 1.8, count)),
    )
    shrink = seconds / plan.duration
    return replace(plan, start=plan.start * shrink, delay=plan.delay + math.log(shrink))


def vary(plan: Plan, rng: np.random.Generator, amount: float) -> Plan:
    """The plan done again: every parameter differs by about ``amount`` of its size."""
    count = len(plan.start)
    noise = rng.normal(0.0, amount, (4, count))
    return Plan(
        start=plan.start + noise[0] * plan.duration / count,
        delay=plan.delay + noise[1],
        width=plan.width * np.exp(noise[2]),
        length=plan.length * np.exp(noise[3]),
        angle=plan.angle + rng.normal(0.0, amount, count),
    )


def tremble(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count, 2): a smooth tremor of unit size, what a hand adds to its plan."""
    kernel = np.hanning(7)[1:-1]
    noise = rng.normal(0.0, 1.0, (count + len(kernel) - 1, 2))
    smooth = np.stack([np.convolve(noise[:, axis], kernel, "valid") for axis in (0, 1)], axis=1)
    return smooth / math.sqrt(float(kernel @ kernel))
