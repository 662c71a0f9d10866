"""One least-squares pass over many movements, in batches of equal shape.

A movement's numbers do not depend on what else is in work: a window's shape (time and strokes padded up to steps of
their own) is its own affair, batches are made of windows of one shape, and a batch's problems do not see each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from copy import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ffrepro.core.buffers import Buffers
from ffrepro.kinematics import initial, levenberg, parameters, windows
from ffrepro.kinematics.parameters import PEAK, SIGMA, WIDTH
from ffrepro.kinematics.reference import RATE, Reference

THIN = 3  # every third sample of the reference is fitted: 67 Hz for a signal of 15 Hz
STEP = THIN / RATE  # s
_STRIDE = 3  # positions at every third of these
_BATCH = 20_000  # strokes times samples in a batch: what stays in the cache
_PAD_TIME, _PAD_STROKES, _PAD_AROUND = 16, 3, 8


class Movement:
    """A movement in work, in units of its RMS speed and seconds.

    Attributes:
        reference: what it is made from; scale: RMS speed in its units.
        velocity, position: (2, T) at ``STEP``, velocities of mean square 1; spread: the RMS distance from the mean.
        theta: (6, K) float64, its strokes so far, times from the first sample. Replace it to change strokes.
        worth: (K,) of the latest pass, in units of ``unexplained``; (0,) before any.
        unexplained: sum of squares of the latest pass's velocity residual.
    """

    def __init__(self, reference: Reference, dtype: torch.dtype):
        self.reference = reference
        self.scale = float(np.sqrt(np.square(reference.velocity).sum(1).mean()))
        position = (reference.position - reference.position[0]) / self.scale
        self.spread = float(np.sqrt(position.var(0).sum()))
        self.velocity = torch.tensor(reference.velocity[::THIN].T / self.scale, dtype=dtype)
        self.position = torch.tensor(position[::THIN].T, dtype=dtype)
        self.theta = initial.strokes_at_peaks(reference.velocity / self.scale)
        self.worth = np.zeros(0)
        self.unexplained = 0.0

    @property
    def samples(self) -> int:
        """T."""
        return self.velocity.shape[1]

    @property
    def cuts(self) -> int:
        """Number of ways to cut it into windows."""
        return windows.cuts(self.samples, STEP)

    def with_strokes(self, theta: np.ndarray) -> Movement:
        """The same movement with other strokes."""
        other = copy(self)
        other.theta, other.worth = theta, np.zeros(0)
        return other


class Task(NamedTuple):
    """A window of a movement, as it is before a pass.

    Attributes:
        own: indices of the window's strokes; own_6K: their parameters.
        around_6C: parameters of the strokes around it; they stay as they are while others refine them.
    """

    movement: Movement
    window: windows.Window
    own: np.ndarray
    own_6K: np.ndarray
    around_6C: np.ndarray

    @property
    def samples(self) -> int:
        """Of the window."""
        return self.window.last - self.window.first

    @property
    def owned(self) -> np.ndarray:
        """Which of its samples the window owns, (samples,)."""
        t = np.arange(self.window.first, self.window.last) * STEP
        return (t >= self.window.begin) & (t < self.window.end)

    @property
    def padded(self) -> int:
        """Samples of the window, padded."""
        return _up(self.samples, _PAD_TIME)


def refine(
    movements: list[Movement], cut: int, steps: int, tolerance: float, position_weight: float, buffers: Buffers
) -> list[tuple[Task, Tensor]]:
    """Refine the strokes of every window of a cut, in place.

    Args:
        cut: number of the cut, modulo each movement's ``cuts``.
        steps, tolerance: see ``levenberg.refine``. position_weight: see ``extraction.Settings``.

    Returns:
        For each window, a movement's in their order, what is left of its velocity (2, samples), 0 outside of the part
        that the window owns.
    """
    for movement in movements:
        movement.worth, movement.unexplained = np.zeros(movement.theta.shape[1]), 0.0
    tasks = [task for movement in movements for task in _tasks(movement, cut)]
    data = _rows(tasks, position_weight)
    left = []
    for (samples, strokes), some in _groups(tasks, [len(task.own) for task in tasks], _PAD_STROKES):
        target, weight = (torch.stack(parts) for parts in zip(*[data[index] for index in some], strict=True))
        chosen = [tasks[index] for index in some]
        residual = target * weight
        if strokes:
            residual = _solve(chosen, strokes, target, weight, steps, tolerance, buffers)
        velocities = residual[:, : 2 * samples].unflatten(1, (2, samples))
        for index, task, residual_2T in zip(some, chosen, velocities, strict=True):
            owned = torch.from_numpy(task.owned)
            residual_2T = torch.where(owned, residual_2T[:, : task.samples] * task.samples**0.5, 0.0)
            left.append((index, task, residual_2T))
    left.sort(key=lambda entry: entry[0])  # so that no sum depends on the batches
    for _, task, residual_2T in left:
        task.movement.unexplained += float(residual_2T.square().sum())
    return [(task, residual_2T) for _, task, residual_2T in left]


def _tasks(movement: Movement, cut: int) -> Iterator[Task]:
    theta, widths = movement.theta, np.exp(movement.theta[WIDTH])
    for window in windows.windows(movement.samples, STEP, cut):
        own = windows.owned(window, theta[PEAK])
        around = windows.context(window, theta[PEAK], widths, STEP)
        yield Task(movement, window, own, theta[:, own], theta[:, around])


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def _groups(tasks: list[Task], strokes: list[int], pad: int) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Batches of tasks of equal shape: (samples, strokes), both padded, and the indices of the tasks."""
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, (task, count) in enumerate(zip(tasks, strokes, strict=True)):
        groups[task.padded, _up(count, pad)].append(index)
    for (samples, count), indices in groups.items():
        size = max(1, _BATCH // (samples * max(count, 1)))
        for start in range(0, len(indices), size):
            yield (samples, count), indices[start : start + size]


def _rows(tasks: list[Task], position_weight: float) -> dict[int, tuple[Tensor, Tensor]]:
    """Index of each task -> target and weight rows of ``levenberg.Problems``.

    The target is the movement without the strokes around the window. The weights make mean squares of either part.
    """
    out: dict[int, tuple[Tensor, Tensor]] = {}
    for (samples, strokes), some in _groups(tasks, [task.around_6C.shape[1] for task in tasks], _PAD_AROUND):
        chosen = [tasks[index] for index in some]
        dtype = chosen[0].movement.velocity.dtype
        t_T = torch.arange(samples, dtype=dtype) * STEP
        velocity = torch.zeros(len(some), 2, samples, dtype=dtype)
        position = torch.zeros(len(some), 2, len(t_T[::_STRIDE]), dtype=dtype)
        weights = torch.zeros_like(velocity), torch.zeros_like(position)
        for row, task in enumerate(chosen):
            inside = slice(task.window.first, task.window.last)
            places = task.movement.position[:, inside][:, ::_STRIDE]
            count = places.shape[1]
            velocity[row, :, : task.samples], position[row, :, :count] = task.movement.velocity[:, inside], places
            weights[0][row, :, : task.samples] = task.samples**-0.5
            weights[1][row, :, :count] = (position_weight / count) ** 0.5 / task.movement.spread
        if strokes:
            around, _ = _gather(chosen, [task.around_6C for task in chosen], strokes, dtype)
            velocity -= parameters.velocity(around, t_T)
            position -= parameters.position(around, t_T[::_STRIDE])
        target = torch.cat([velocity.flatten(1), position.flatten(1)], 1)
        weight = torch.cat([part.flatten(1) for part in weights], 1)
        out.update(zip(some, zip(target, weight, strict=True), strict=True))
    return out


def _solve(
    tasks: list[Task], strokes: int, target: Tensor, weight: Tensor, steps: int, tolerance: float, buffers: Buffers
) -> Tensor:
    """Refine the own strokes of tasks of one shape; the weighted residuals."""
    dtype = target.dtype
    theta, valid = _gather(tasks, [task.own_6K for task in tasks], strokes, dtype)
    last = torch.tensor([(task.samples - 1) * STEP for task in tasks], dtype=dtype)
    t_T = torch.arange(tasks[0].padded, dtype=dtype) * STEP
    problems = levenberg.Problems(theta, valid, target, weight, last, t_T, _STRIDE)
    found, residual, worth = levenberg.refine(problems, steps, tolerance, buffers)
    for row, task in enumerate(tasks):
        theta_6K = found[row, :, : len(task.own)].double().numpy()
        theta_6K[PEAK] += task.window.first * STEP
        task.movement.theta[:, task.own] = theta_6K
        task.movement.worth[task.own] = worth[row, : len(task.own)].double().numpy() * task.samples
    return residual


def _gather(tasks: list[Task], thetas: list[np.ndarray], strokes: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Strokes (B, 6, strokes) with times from each window's first sample, and which of them are no padding."""
    out = np.zeros((len(tasks), 6, strokes))
    out[:, WIDTH], out[:, SIGMA] = -3.0, -2.0  # padding: any shape, no amplitude
    valid = np.zeros((len(tasks), strokes))
    for row, (task, theta_6K) in enumerate(zip(tasks, thetas, strict=True)):
        count = theta_6K.shape[1]
        out[row, :, :count] = theta_6K
        out[row, PEAK, :count] -= task.window.first * STEP
        valid[row, :count] = 1
    return torch.from_numpy(out).to(dtype), torch.from_numpy(valid).to(dtype)
