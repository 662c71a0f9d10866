"""Extract stroke plans from reference signals.

1. Strokes at the speed's peaks (``initial``).
2. Rounds of least squares over all parameters (``batches``, ``levenberg``), each followed by new strokes where the
   residual velocity has most energy, until the movement is at the target SNR.
3. Strokes that a movement above the target can do without are taken out again, if it stays above it.
4. A longer refinement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ffrepro.core.buffers import Buffers
from ffrepro.kinematics import batches, initial, lognormal, parameters
from ffrepro.kinematics.batches import STEP, Movement
from ffrepro.kinematics.lognormal import Plan
from ffrepro.kinematics.parameters import AX, PEAK, TURN, WIDTH
from ffrepro.kinematics.quality import Motion, Quality, quality
from ffrepro.kinematics.reference import RATE, Reference

_TOGETHER = 1024  # movements in work at a time
_ENOUGH = 1.5  # stop adding at this multiple of the noise allowed: refined together, strokes explain more
_HOPE = 2.0  # take out strokes worth this multiple of the noise allowed: the others' shapes adapt, too
_GAINING = 0.9  # a last pass that leaves less than this of the noise is followed by another
_FORGOTTEN = 1e-6  # a stroke with this part of the movement's energy is none
_DRIFT_SECONDS, _DRIFT_REACH, _DRIFT_THIN = 0.5, 0.2, 10  # s averaged over, s away that counts half, samples a step
_LEAST_CHORD = 0.3  # of a path: no stroke turns far enough for less
_SHARED = 1 << 20  # strokes times places between which errors are shared out at a time


@dataclass(frozen=True)
class Settings:
    """Settings of the search; docs/KINEMATICS.md measures the defaults.

    Attributes:
        target_db: SNRv that a plan is grown to and thinned out to; the last refinement gains about 2 dB.
        position_weight: of the mean squared position error in units of the trajectory's variance, against the mean
            squared velocity error in units of the mean squared speed.
        rounds: how often strokes are added, at most. round_steps: least-squares steps before each.
        prunings: how often strokes are taken out, at most. prune_steps: least-squares steps after each.
        final_passes, final_steps: of the last refinement, at most. tolerance: see ``levenberg.refine``.
        dtype: of the fit; matrices are solved in float64 in any case.
    """

    target_db: float = 24.5
    position_weight: float = 2.0
    rounds: int = 8
    round_steps: int = 6
    prunings: int = 2
    prune_steps: int = 6
    final_passes: int = 10
    final_steps: int = 30
    tolerance: float = 0.03
    dtype: torch.dtype = torch.float32

    @property
    def passes(self) -> int:
        """Least-squares passes over a movement, at most."""
        return self.rounds + 2 * self.prunings + self.final_passes


class Extracted(NamedTuple):
    """Attributes:

    plan: K strokes by peak time, times in s from the first sample. start: (2,), the position before them.
    seconds: how long the reference signal lasts. quality: on that signal.
    """

    plan: Plan
    start: Tensor
    seconds: float
    quality: Quality


def extract(
    references: Iterable[Reference], settings: Settings, each_pass: Callable[[], None] = lambda: None
) -> Iterator[Extracted]:
    """The plan of each reference signal, in order; it does not depend on the other signals.

    ``each_pass`` is called after every least-squares pass over the movements in work, of which there are at most
    ``settings.passes``.
    """
    references = iter(references)
    work = _Work(settings, each_pass)
    while some := list(islice(references, _TOGETHER)):
        movements = [Movement(reference, settings.dtype) for reference in some]
        work.grow(movements)
        work.prune(movements)
        work.polish(movements)
        yield from map(_finish, movements)


class _Work:
    """The stages, with their settings and workspace."""

    def __init__(self, settings: Settings, each_pass: Callable[[], None]):
        self.settings, self.each_pass, self.buffers = settings, each_pass, Buffers()
        self.noise = 10 ** (-settings.target_db / 10)  # allowed, of a mean squared speed of 1

    def short(self, movement: Movement) -> bool:
        """Whether the movement is below the target."""
        return movement.unexplained > self.noise * movement.samples

    def refine(self, movements: list[Movement], cut: int, steps: int) -> list[tuple[batches.Task, Tensor]]:
        """A pass over a cut."""
        s = self.settings
        left = batches.refine(movements, cut, steps, s.tolerance, s.position_weight, self.buffers)
        self.each_pass()
        return left

    def refine_all(self, movements: list[Movement], steps: int) -> None:
        """A pass over every cut that a movement has."""
        self.refine(movements, 0, steps)
        self.refine([m for m in movements if m.cuts > 1], 1, steps)

    def polish(self, movements: list[Movement]) -> None:
        """Refine to convergence; long movements until their windows no longer gain from each other."""
        for number in range(self.settings.final_passes):
            before = [m.unexplained for m in movements]
            self.refine(movements, number, self.settings.final_steps)
            movements = [
                m for m, was in zip(movements, before, strict=True)
                if m.cuts > 1 and (number == 0 or m.unexplained < _GAINING * was)
            ]  # fmt: skip

    def grow(self, movements: list[Movement]) -> None:
        """Add strokes until every movement meets the target or the rounds are used up."""
        for number in range(self.settings.rounds):
            left = self.refine(movements, number, self.settings.round_steps)
            movements = [m for m in movements if self.short(m)]
            grown = {id(m): [m.theta] for m in movements}
            for task, residual_2T in left:
                allowed = self.noise * int(task.owned.sum())
                if id(task.movement) in grown and float(residual_2T.square().sum()) > allowed:
                    most = 1 + len(task.own) // 4
                    new_6K = initial.strokes_at_residual(residual_2T, STEP, _ENOUGH * allowed, most).numpy()
                    new_6K[PEAK] += task.window.first * STEP
                    grown[id(task.movement)].append(new_6K)
            for movement in movements:
                movement.theta = np.concatenate(grown[id(movement)], 1)

    def prune(self, movements: list[Movement]) -> None:
        """Remove strokes as long as the target is still met."""
        movements = [m for m in movements if not self.short(m)]
        for _ in range(self.settings.prunings):
            trials = []
            for movement in movements:
                spare = _HOPE * (self.noise * movement.samples - movement.unexplained)
                by_worth = np.argsort(movement.worth, kind="stable")
                count = int((np.cumsum(movement.worth[by_worth]) < spare).sum())
                count = min(count, 1 + len(by_worth) // 8, len(by_worth) - 1)
                if count > 0:
                    theta = np.delete(movement.theta, by_worth[:count], 1)
                    trials.append((movement, movement.with_strokes(theta)))
            self.refine_all([trial for _, trial in trials], self.settings.prune_steps)
            movements = []
            for movement, trial in trials:
                if not self.short(trial):
                    movement.theta, movement.worth = trial.theta, trial.worth
                    movement.unexplained = trial.unexplained
                    movements.append(movement)


def _finish(movement: Movement) -> Extracted:
    """The plan in the data's units, and its quality on the reference signal."""
    theta = movement.theta[:, np.argsort(movement.theta[PEAK], kind="stable")]
    energy = np.square(theta[AX:]).sum(0) / (2 * np.pi**0.5 * np.exp(theta[WIDTH]))  # of a stroke without skewness
    theta = theta[:, energy > _FORGOTTEN * len(movement.reference.velocity) / RATE]
    theta[AX:] *= movement.scale
    reference = movement.reference
    if movement.cuts > 1:
        for _ in range(2):
            _undrift(theta, reference)
    plan = parameters.to_plan(torch.from_numpy(theta))
    velocity, position = evaluate(plan, torch.from_numpy(reference.t))
    start = (torch.from_numpy(reference.position) - position).mean(0)
    found = quality(Motion(*reference), Motion(position.numpy(), velocity.numpy()), theta.shape[1])
    return Extracted(plan, start, reference.seconds, found)


def _undrift(theta: np.ndarray, reference: Reference) -> None:
    """Let every stroke make up for what the plan falls behind around it, in place.

    Windows are fitted wherever they lie, so that a long movement's small errors of displacement add up. The error of
    position, averaged over half a second, is shared out as it grows: to the strokes near in time, wide ones first
    (added to a wide stroke, a displacement changes velocities least).
    """
    _, position = evaluate(parameters.to_plan(torch.from_numpy(theta)), torch.from_numpy(reference.t))
    error = reference.position - position.numpy()
    near = min(round(_DRIFT_SECONDS * RATE / 2), (len(error) - 1) // 2)
    padded = np.pad(error, ((near + 1, near), (0, 0)), mode="edge").cumsum(0)
    smooth = ((padded[2 * near + 1 :] - padded[: -2 * near - 1]) / (2 * near + 1))[::_DRIFT_THIN]
    times = reference.t[::_DRIFT_THIN]
    middles, growing = (times[1:] + times[:-1]) / 2, np.diff(smooth, axis=0)
    growth = np.zeros((2, theta.shape[1]))
    size = max(1, _SHARED // theta.shape[1])
    for start in range(0, len(middles), size):
        distance = middles[start : start + size, None] - theta[PEAK]
        share = np.exp(theta[WIDTH]) / (1 + np.square(distance / _DRIFT_REACH))
        growth += growing[start : start + size].T @ (share / share.sum(1, keepdims=True))
    theta[AX:] += growth / np.sinc(theta[TURN] / (2 * np.pi)).clip(_LEAST_CHORD)  # a chord is D sinc(turn / 2)


def evaluate(plan: Plan, t_T: Tensor) -> tuple[Tensor, Tensor]:
    """Velocity and position (T, 2) of one plan at growing times, from the origin, in pieces that fit into memory."""
    parts = lognormal.pieces(plan, t_T)
    found = [(lognormal.velocity(moving, t), lognormal.position(moving, t, led)) for t, moving, led in parts]
    velocity, position = zip(*found, strict=True)
    return torch.cat(velocity), torch.cat(position)
