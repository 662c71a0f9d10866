"""The parameters in which a plan is fitted, and the model with its Jacobian in them.

(t0, mu, sigma, D, theta_s, theta_e) are a poor choice for least squares: t0 and mu make up for one another, and the
angle of a short stroke is hardly defined. A stroke is fitted as ``theta`` (6 numbers)::

    peak    t3 = t0 + exp(mu - sigma^2), when it is fastest, s
    width   ln w, w = sigma exp(mu - sigma^2), half the time between its inflections for small sigma, w in s
    sigma   ln sigma: how skewed it is; a Gaussian for sigma -> 0
    turn    delta = theta_e - theta_s
    ax, ay  D (cos, sin) of its direction half-way, (theta_s + theta_e) / 2: the model is linear in them

With u = (t - t3) / w, s = 1 + sigma u, z = ln(s) / sigma - sigma, F = Phi(z) and psi = delta (F - 1/2)::

    Lambda = exp(-z^2 / 2) / (sqrt(2 pi) w s)         v = a Lambda e^(i psi)
    x = a G,  G = F sinc(delta F / 2) e^(i delta (F - 1) / 2)                          (a = ax + i ay)

    d ln Lambda:  peak (z + sigma) / (w s)    width u (z + sigma) / s - 1    sigma  -z q / s - sigma u / s
    d F:          peak -Lambda                width -u w Lambda              sigma  w Lambda q
    q = u - s (ln(s) / sigma + sigma);   dv = v (d ln Lambda + i delta dF),   dx = a e^(i psi) dF

Layout: parameters are (B, 6, K); everything over time is (B, K, T), the time last; rows of residuals and of the
Jacobian are [vx at T times, vy, x at S times, y], S being every ``stride``-th of the T times.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ffrepro.core.buffers import Buffers
from ffrepro.kinematics.lognormal import Plan

PEAK, WIDTH, SIGMA, TURN, AX, AY = range(6)
_SQRT_2PI = math.sqrt(2 * math.pi)
_TINY = 1e-30  # sin(x) / x is 1 there, not 0 / 0
_MINUS_HALF_LOG2E = -0.5 / math.log(2)  # exp2 is several times faster than exp
_SMALLEST_S = 1e-4  # before the onset s <= 0; at this s the speed underflows to 0 for every sigma below 1


def to_plan(theta: Tensor) -> Plan:
    """Parameters (..., 6, K) -> plan."""
    peak, width, log_sigma, turn, ax, ay = theta.unbind(-2)
    sigma = log_sigma.exp()
    middle = torch.atan2(ay, ax)
    return Plan(
        t0=peak - width.exp() / sigma,
        mu=width - log_sigma + sigma.square(),
        sigma=sigma,
        d=torch.hypot(ax, ay),
        theta_s=middle - turn / 2,
        theta_e=middle + turn / 2,
    )


def from_plan(plan: Plan) -> Tensor:
    """Plan -> parameters (..., 6, K)."""
    log_sigma = plan.sigma.log()
    delay = plan.mu - plan.sigma.square()
    middle = (plan.theta_s + plan.theta_e) / 2
    return torch.stack(
        [
            plan.t0 + delay.exp(),
            delay + log_sigma,
            log_sigma,
            plan.theta_e - plan.theta_s,
            plan.d * middle.cos(),
            plan.d * middle.sin(),
        ],
        -2,
    )


class _Shape:
    """What does not depend on the amplitudes, (B, K, T) each."""

    def __init__(self, theta_B6K: Tensor, t_T: Tensor):
        peak, width, log_sigma, turn = (theta_B6K[:, i, :, None] for i in range(4))
        self.w, self.sigma, self.turn = width.exp(), log_sigma.exp(), turn
        self.u = (t_T - peak).div_(self.w)
        self.s = (self.u * self.sigma).add_(1).clamp_min_(_SMALLEST_S)
        self.log_s = self.s.log()
        self.z = (self.log_s / self.sigma).sub_(self.sigma)
        self.rate = self.z.square().mul_(_MINUS_HALF_LOG2E).exp2_().div_(self.s).div_(self.w * _SQRT_2PI)
        self.done = torch.special.ndtr(self.z)
        psi = (self.done - 0.5).mul_(turn)
        self.cos, self.sin = psi.cos(), psi.sin()


def _path(shape: _Shape, done_BKS: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """G as (real, imaginary), and dG / d delta, each (B, K, S)."""
    half = (shape.turn * done_BKS).mul_(0.5).add_(_TINY)
    cos, sin = half.cos(), half.sin()
    sinc, square = sin / half, half.square()
    # sinc' = (cos - sinc) / half; below 0.05, where that cancels, its series
    slope = torch.where(square < 0.0025, half * (square * (1 / 30 - square / 840) - 1 / 3), (cos - sinc) / half)
    quarter_cos, quarter_sin = (shape.turn / 2).cos(), (shape.turn / 2).sin()
    cos, sin = cos * quarter_cos + sin * quarter_sin, sin * quarter_cos - cos * quarter_sin  # of delta (F - 1) / 2
    length = done_BKS * sinc
    along, across = (done_BKS.square() * slope).mul_(0.5), (length * (done_BKS - 1)).mul_(0.5)
    return length * cos, length * sin, along * cos - across * sin, along * sin + across * cos


def velocity(theta_B6K: Tensor, t_T: Tensor) -> Tensor:
    """v(t) of the sum of all strokes, (B, 2, T)."""
    shape = _Shape(theta_B6K, t_T)
    parts = _turned(
        theta_B6K[:, AX, :, None], theta_B6K[:, AY, :, None], shape.rate * shape.cos, shape.rate * shape.sin
    )
    return torch.stack([part.sum(1) for part in parts], 1)


def position(theta_B6K: Tensor, t_S: Tensor) -> Tensor:
    """Where the strokes lead from the origin, (B, 2, S)."""
    shape = _Shape(theta_B6K, t_S)
    along, across, _, _ = _path(shape, shape.done)
    parts = _turned(theta_B6K[:, AX, :, None], theta_B6K[:, AY, :, None], along, across)
    return torch.stack([part.sum(1) for part in parts], 1)


def _turned(ax: Tensor, ay: Tensor, along: Tensor, across: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of (ax + i ay) (along + i across)."""
    return torch.addcmul(ax * along, ay, across, value=-1), torch.addcmul(ax * across, ay, along)


def table(theta_B6K: Tensor, t_T: Tensor, stride: int, buffers: Buffers) -> Tensor:
    """The model's rows and their derivatives, in one matrix a problem.

    Args:
        theta_B6K: parameters.
        t_T: times, the same for the whole batch.
        stride: position rows are at ``t_T[::stride]``.
        buffers: where the table is kept; the next call overwrites it.

    Returns:
        (B, 6 K + 1, R), R = 2 T + 2 S: the transposed Jacobian, one parameter after the other as theta has them, and
        last the rows themselves.
    """
    batch, _, strokes = theta_B6K.shape
    steps, samples = len(t_T), len(t_T[::stride])
    shape = _Shape(theta_B6K, t_T)
    out = buffers.get("table", (batch, 6 * strokes + 1, 2 * steps + 2 * samples), theta_B6K)
    jacobian = out[:, :-1].unflatten(1, (6, strokes))
    vx, vy, px, py = jacobian.split([steps, steps, samples, samples], -1)
    rows = out[:, -1].split([steps, steps, samples, samples], -1)
    ax, ay = theta_B6K[:, AX, :, None], theta_B6K[:, AY, :, None]

    along, across = shape.rate * shape.cos, shape.rate * shape.sin
    vx[:, AX], vy[:, AX], vy[:, AY] = along, across, along
    torch.neg(across, out=vx[:, AY])
    x_BKT, y_BKT = _turned(ax, ay, along, across)  # velocity of each stroke
    torch.sum(x_BKT, 1, out=rows[0])
    torch.sum(y_BKT, 1, out=rows[1])

    over_s = shape.s.reciprocal()
    slope = (shape.z + shape.sigma).mul_(over_s)
    q = torch.addcmul(shape.u, shape.s, shape.z + 2 * shape.sigma, value=-1)
    turn_rate = shape.rate * shape.turn
    for name, of_rate, of_psi in (  # slopes of ln Lambda and of psi = delta (F - 1/2)
        (PEAK, slope / shape.w, -turn_rate),
        (WIDTH, (slope * shape.u).sub_(1), (turn_rate * shape.u).mul_(-shape.w)),
        (SIGMA, torch.addcmul(shape.z * q, shape.sigma, shape.u).mul_(over_s).neg_(), (turn_rate * q).mul_(shape.w)),
    ):
        torch.addcmul(x_BKT * of_rate, y_BKT, of_psi, value=-1, out=vx[:, name])
        torch.addcmul(y_BKT * of_rate, x_BKT, of_psi, out=vy[:, name])
    middle = shape.done - 0.5
    torch.mul(y_BKT, -middle, out=vx[:, TURN])
    torch.mul(x_BKT, middle, out=vy[:, TURN])

    along, across, turn_along, turn_across = _path(shape, shape.done[..., ::stride])
    px[:, AX], py[:, AX], py[:, AY] = along, across, along
    torch.neg(across, out=px[:, AY])
    px[:, TURN], py[:, TURN] = _turned(ax, ay, turn_along, turn_across)
    for part, path_BKS in zip((2, 3), _turned(ax, ay, along, across), strict=True):
        torch.sum(path_BKS, 1, out=rows[part])
    for part, v_BKS in ((px, x_BKT[..., ::stride]), (py, y_BKT[..., ::stride])):  # dx = v dF / Lambda
        torch.neg(v_BKS, out=part[:, PEAK])
        torch.mul(v_BKS * shape.u[..., ::stride], -shape.w, out=part[:, WIDTH])
        torch.mul(v_BKS * q[..., ::stride], shape.w, out=part[:, SIGMA])
    return out
