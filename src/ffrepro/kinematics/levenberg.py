"""Batched Levenberg-Marquardt on stroke parameters: every problem of a batch has its own damping and its own end.

A problem's numbers do not depend on the others in its batch: all work is elementwise or one matrix a problem, and
problems of one batch have the same shape (the tests hold this to the last bit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ffrepro.core.buffers import Buffers
from ffrepro.kinematics import parameters
from ffrepro.kinematics.parameters import AX, PEAK, SIGMA, TURN, WIDTH

# How far a parameter may go: w 15 to 400 ms, sigma .05 to .7, a turn of 230 degrees
BOUNDS = {WIDTH: (-4.2, -0.9), SIGMA: (-3.0, -0.35), TURN: (-4.0, 4.0)}
_STEPS = {WIDTH: 0.5, SIGMA: 0.7, TURN: 1.0}  # the longest step
_STEP_PEAK = 0.7  # the longest step of a peak, in widths
_START, _DOWN, _UP, _LEAST, _MOST = 1e-2, 0.3, 4.0, 1e-7, 1e8  # damping
_GIVE_UP = 1e4  # a damping at which nothing gets better any more
_CHECK = 3  # iterations between two looks at who is done


@dataclass(frozen=True)
class Problems:
    """B least-squares problems of one shape.

    Attributes:
        theta: (B, 6, K) where to start.
        valid: (B, K), 1 for a stroke that is there, 0 for padding.
        target: (B, R) rows as ``parameters.table`` has them; the mean of a problem's positions does not matter.
        weight: (B, R), by which residuals are multiplied, 0 where there is no data.
        last: (B,), the time of each problem's last sample; the first is at 0.
        t: (T,) times. stride: position rows are at ``t[::stride]``.
    """

    theta: Tensor
    valid: Tensor
    target: Tensor
    weight: Tensor
    last: Tensor
    t: Tensor
    stride: int

    def select(self, index: Tensor) -> Problems:
        """The problems at ``index``."""
        parts = (part[index] for part in (self.theta, self.valid, self.target, self.weight, self.last))
        return Problems(*parts, self.t, self.stride)


class _System:
    """Residuals and normal equations of a batch."""

    def __init__(self, problems: Problems, buffers: Buffers):
        self.problems, self.buffers = problems, buffers
        self.samples = len(problems.t[:: problems.stride])
        self.counted = (problems.weight[:, -2 * self.samples :] > 0).to(problems.theta)
        self.target = problems.target.clone()
        self._centre(self.target, self.counted)
        self.free = problems.valid.unsqueeze(1).expand(-1, 6, -1).reshape(len(problems.theta), -1)

    def _centre(self, rows: Tensor, counted: Tensor) -> None:
        """Take their mean over the counted samples from the position rows (..., R), in place."""
        parts = rows[..., -2 * self.samples :].split(self.samples, -1)
        for part, use in zip(parts, counted.split(self.samples, -1), strict=True):
            part.sub_((part * use).sum(-1, keepdim=True) / use.sum(-1, keepdim=True).clamp_min(1))

    def at(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted residuals (B, R), and the products of Jacobian and residual with each other (B, 6K + 1, 6K + 1).

        The residual is the last row and column of the products, so that one batched product gives the normal matrix,
        the right-hand side and, in its corner, the cost.
        """
        table = parameters.table(theta, self.problems.t, self.problems.stride, self.buffers)
        self._centre(table, self.counted[:, None])
        torch.sub(self.target, table[:, -1], out=table[:, -1])
        table.mul_(self.problems.weight[:, None])
        return table[:, -1].clone(), torch.bmm(table, table.transpose(1, 2))

    def step(self, products: Tensor, damping: Tensor) -> Tensor:
        """The damped step (B, 6, K); 0 where the matrix is singular."""
        system = products[:, :-1, :-1].double()
        right = (products[:, :-1, -1] * self.free).double()
        diagonal = system.diagonal(dim1=1, dim2=2)
        scale = diagonal * self.free
        # the small constant: a stroke of no amplitude has no slope in its shape; the large one: padding stays put
        diagonal.add_(scale * damping.unsqueeze(1) + 1e-9 * scale.mean(-1, keepdim=True) + 1e12 * (1 - self.free))
        factor, failed = torch.linalg.cholesky_ex(system)
        step = torch.cholesky_solve(right.unsqueeze(-1), factor).squeeze(-1).mul_(self.free)
        step = step.view(self.problems.theta.shape)
        return torch.where(failed[:, None, None] == 0, step, 0.0).to(products.dtype)


class Refined(NamedTuple):
    """Attributes: theta (B, 6, K), weighted residuals (B, R) there, and what each stroke is ``worth`` (B, K)."""

    theta: Tensor
    residual: Tensor
    worth: Tensor


def refine(problems: Problems, iterations: int, tolerance: float, buffers: Buffers) -> Refined:
    """Minimise each problem's sum of squares over all its parameters.

    Args:
        iterations: the most steps.
        tolerance: a problem is done when ``_CHECK`` steps together gained less than this part of its cost.
    """
    out = Refined(problems.theta.clone(), torch.empty_like(problems.target), torch.empty_like(problems.valid))
    index = _never_alone(torch.arange(len(problems.theta)))
    system = _System(problems.select(index), buffers)
    theta = problems.theta[index]
    residual, products = system.at(theta)
    damping = torch.full_like(residual[:, 0], _START)
    before = products[:, -1, -1]
    for number in range(1, iterations + 1):
        candidate = _move(theta, system.step(products, damping), system.problems.last)
        new_residual, new_products = system.at(candidate)
        better = new_products[:, -1, -1] < products[:, -1, -1]
        theta = torch.where(better[:, None, None], candidate, theta)
        residual = torch.where(better[:, None], new_residual, residual)
        products = torch.where(better[:, None, None], new_products, products)
        damping = (damping * torch.where(better, _DOWN, _UP)).clamp_(_LEAST, _MOST)
        if number % _CHECK and number < iterations:
            continue
        cost = products[:, -1, -1]
        going = ((cost < (1 - tolerance) * before) | ~better) & (damping < _GIVE_UP) & (number < iterations)
        ended = index[~going]
        out.theta[ended], out.residual[ended] = theta[~going], residual[~going]
        out.worth[ended] = worth(theta[~going], products[~going], problems.valid[ended])
        if not going.any():
            break
        before = cost
        if not going.all():
            rows = _never_alone(going.nonzero().squeeze(1))
            index, theta, residual, products = index[rows], theta[rows], residual[rows], products[rows]
            damping, before = damping[rows], before[rows]
            system = _System(problems.select(index), buffers)
    return out


def _never_alone(index: Tensor) -> Tensor:
    """The index, a single one twice: a batch of one would be multiplied by another routine, with other rounding."""
    return index.repeat(2) if len(index) == 1 else index


def worth(theta: Tensor, products: Tensor, valid: Tensor) -> Tensor:
    """By how much a problem's cost would rise without a stroke, (B, K), the other amplitudes being fitted anew.

    The cost is quadratic in the amplitudes; with C the inverse of their normal matrix, leaving out the stroke with
    amplitude a (2 numbers) costs a C_kk^-1 a.
    """
    batch, _, strokes = theta.shape
    normal = products[:, :-1, :-1].unflatten(2, (6, strokes)).unflatten(1, (6, strokes))[:, AX:, :, AX:].double()
    system = normal.permute(0, 2, 1, 4, 3).reshape(batch, 2 * strokes, 2 * strokes)
    diagonal = system.diagonal(dim1=1, dim2=2)
    diagonal.mul_(1 + 1e-4).add_(1e-12 + 1e12 * (1 - valid.repeat_interleave(2, 1)))
    blocks = torch.linalg.inv(system).view(batch, strokes, 2, strokes, 2).diagonal(dim1=1, dim2=3)  # (B, 2, 2, K)
    amplitude = theta[:, AX:].transpose(1, 2).double()
    raised = torch.linalg.solve(blocks.permute(0, 3, 1, 2), amplitude)
    return ((raised * amplitude).sum(-1) * valid).to(theta.dtype)


def _move(theta: Tensor, step: Tensor, last: Tensor) -> Tensor:
    """theta + step, no farther than a step may go, and within bounds.

    A peak stays within a width of the data: farther out, a stroke of any size would fit the one sample at the end.
    """
    out = theta + step
    for name, most in _STEPS.items():
        out[:, name] = (theta[:, name] + step[:, name].clamp(-most, most)).clamp_(*BOUNDS[name])
    reach = theta[:, WIDTH].exp() * _STEP_PEAK
    peak = theta[:, PEAK] + torch.minimum(torch.maximum(step[:, PEAK], -reach), reach)
    width = out[:, WIDTH].exp()
    out[:, PEAK] = torch.minimum(torch.maximum(peak, -width), last.unsqueeze(1) + width)
    return out
