"""The library's door to the Sigma-Lognormal model: a recorded movement, the plan behind it, and others like it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.kinematics import extraction
from ffrepro.kinematics import perturb as perturbation
from ffrepro.kinematics.lognormal import Plan
from ffrepro.kinematics.reference import MAX_SECONDS, MIN_SECONDS, Unusable, reference

if TYPE_CHECKING:
    from ffrepro.kinematics.quality import Quality

FloatArray = NDArray[np.float64]
_RECORDING = "give points x, y at growing times t in seconds, recorded while the hand moves"


@dataclass(frozen=True)
class MovementPlan:
    """The strokes of one movement. Times are in s from the first sample, lengths in the units of the recording.

    Attributes:
        strokes: ``t0``, ``mu``, ``sigma``, ``d``, ``theta_s``, ``theta_e`` of K strokes by peak time, (K,) each
            (``ffrepro.kinematics.lognormal.Plan``).
        start: (2,), the position before the first stroke.
        seconds: how long the movement is recorded.
        quality: of an extracted plan, on its reference signal: ``snr_v`` and ``snr_t`` (dB), ``strokes``; of a
            perturbed one None.
    """

    strokes: Plan
    start: FloatArray
    seconds: float
    quality: Quality | None = None

    def __len__(self) -> int:
        """How many strokes."""
        return len(self.strokes.t0)

    def velocity(self, t: ArrayLike) -> FloatArray:
        """Velocity at times ``t`` in s: (..., 2), units per s.

        Raises:
            FfreproError: times that are no finite numbers.
        """
        return self._at(t)[0]

    def position(self, t: ArrayLike) -> FloatArray:
        """Position at times ``t`` in s: (..., 2).

        Raises:
            FfreproError: times that are no finite numbers.
        """
        return self.start + self._at(t)[1]

    def perturb(self, level: str | float, rng: np.random.Generator | int) -> MovementPlan:
        """A plan that the same hand could have meant: every parameter of every stroke a little different.

        Args:
            level: ``close``, ``medium`` or ``far`` (``ffrepro.kinematics.perturb.LEVELS``), or a part of the
                admissible ranges, 0 for the same plan, 1 for all of them.
            rng: where the changes are drawn from, or a seed.

        Returns:
            A plan whose time 0 is when a recording of it would begin.

        Raises:
            FfreproError: no such level; no generator or seed; a plan without strokes.
        """
        if not len(self):
            raise FfreproError("the plan has no strokes", where="perturb", fix="extract one of a longer movement")
        part = _level(level)
        uniform = Plan(*torch.from_numpy(_generator(rng).random((6, len(self)))))
        variant = perturbation.perturb(self.strokes, torch.tensor(self.seconds, dtype=torch.float64), part, uniform)
        moved = variant.plan._replace(t0=variant.plan.t0 - variant.begin)
        return MovementPlan(moved, self.start, max(float(variant.end - variant.begin), MIN_SECONDS))

    def _at(self, t: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Velocity, and position from the origin, at times in any order."""
        times = _numbers(t, "t")
        if not np.isfinite(times).all():
            raise FfreproError("a time is NaN or infinite", where="t", fix="give times in seconds")
        growing, back = np.unique(times, return_inverse=True)
        if not len(growing):
            return np.zeros((*times.shape, 2)), np.zeros((*times.shape, 2))
        found = extraction.evaluate(self.strokes, torch.from_numpy(growing))
        velocity, position = (part.numpy()[back.reshape(times.shape)] for part in found)
        return velocity, position


def extract(t: ArrayLike, x: ArrayLike, y: ArrayLike) -> MovementPlan:
    """The plan behind a recorded movement.

    Args:
        t: (n,) times in s, growing; of points with one time the last counts.
        x, y: (n,) positions in any unit.

    Raises:
        FfreproError: arrays that differ in length, numbers that are not finite, a clock that runs backwards, a
            movement that is too short, too long or none; SciPy is not installed.
    """
    times, x_n, y_n = (_numbers(values, name) for values, name in ((t, "t"), (x, "x"), (y, "y")))
    shapes = [values.shape for values in (times, x_n, y_n)]
    if times.ndim != 1 or len(set(shapes)) > 1:
        raise FfreproError(f"t, x and y have shapes {shapes}", where="movement", fix="give three arrays of one length")
    try:
        signal = reference(x_n, y_n, 1000 * times)
    except Unusable as reason:
        fix = _RECORDING
        if np.isfinite(times).all() and len(times) and np.ptp(times) > MAX_SECONDS:
            fix += "; times in milliseconds are divided by 1000"
        raise FfreproError(f"no plan: {reason}", where="movement", fix=fix) from None
    except ModuleNotFoundError as error:
        raise FfreproError(f"no module {error.name}", where="extract", fix=f"pip install {error.name}") from error
    (found,) = extraction.extract([signal], extraction.Settings())
    if not len(found.plan.t0):
        raise FfreproError("no plan: no strokes found", where="movement", fix=_RECORDING)
    return MovementPlan(found.plan, found.start.numpy(), found.seconds, found.quality)


def _numbers(values: Any, name: str) -> FloatArray:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FfreproError(f"{name} is no array of numbers ({error})", where=name, fix=_RECORDING) from None


def _level(level: str | float) -> float:
    if isinstance(level, str):
        if level not in perturbation.LEVELS:
            raise unknown("level", level, perturbation.LEVELS)
        return perturbation.LEVELS[level]
    if isinstance(level, bool) or not isinstance(level, int | float) or not (0 <= level <= 1 and math.isfinite(level)):
        raise FfreproError(
            f"level {level!r} is no part of a range",
            where="level",
            fix=f"give a number from 0 to 1, or one of {', '.join(perturbation.LEVELS)}",
        )
    return float(level)


def _generator(rng: np.random.Generator | int) -> np.random.Generator:
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(rng)
    raise FfreproError(
        f"{rng!r} is no generator", where="rng", fix="give a seed (a whole number), or numpy.random.default_rng(seed)"
    )
