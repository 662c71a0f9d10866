"""Initial strokes: one at every peak of the speed, and more where a plan leaves residual velocity.

Parameters are those of ``ffrepro.kinematics.parameters``, (6, K), times in s from the signal's first sample.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.kinematics import xzero
from ffrepro.kinematics.reference import RATE

_LEAST_PEAK = 0.05  # of the highest peak: below it the 15 Hz signal has ripple, not strokes
_LEAST_END = 0.2  # a recording that starts or ends in motion has half a stroke there
_SIGMA = 0.2  # where the curve does not tell
_MAX_TURN = 1.5
_SQRT_2PI = math.sqrt(2 * math.pi)


def strokes_at_peaks(velocity_n2: np.ndarray) -> np.ndarray:
    """A stroke at every peak of the speed.

    Width and skewness are those of robust XZERO at the peak and the inflections beside it where it has an answer that
    agrees with half the time between them; that half and a middling skewness where it has none.

    Args:
        velocity_n2: (n, 2) at ``RATE``.

    Returns:
        (6, K) parameters, K >= 1 for any signal that moves.
    """
    speed = np.hypot(*velocity_n2.T)
    peaks = _peaks(speed)
    if not len(peaks):
        peaks = np.array([speed.argmax()])
    left, right = _inflections(speed, peaks)
    t = np.stack([left, peaks, right], 1) / RATE
    inside = np.clip(np.stack([left, peaks, right], 1), 0, len(speed) - 1)
    half = np.clip((t[:, 2] - t[:, 0]) / 2, 0.015, 0.2)
    width, sigma = _from_xzero(t, speed[inside], half)
    before, after = velocity_n2[inside[:, 0]], velocity_n2[inside[:, 2]]
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    turn = np.arctan2(cross, (before * after).sum(1)) / 0.68  # 0.68 of a stroke lies between its inflections
    amplitude = velocity_n2[peaks] * (_SQRT_2PI * width * np.exp(sigma**2 / 2))[:, None]
    return np.stack([t[:, 1], np.log(width), np.log(sigma), np.clip(turn, -_MAX_TURN, _MAX_TURN), *amplitude.T])


def _peaks(speed: np.ndarray) -> np.ndarray:
    """Samples where the speed has a peak worth a stroke, ends included."""
    padded = np.r_[-np.inf, speed, -np.inf]
    highest = (padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:])
    least = np.full(len(speed), _LEAST_PEAK)
    least[[0, -1]] = _LEAST_END
    return np.flatnonzero(highest & (speed > least * speed.max()))


def _inflections(speed: np.ndarray, peaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the steepest rise and fall on the flanks of each peak; a missing flank mirrors the other."""
    slope = np.gradient(speed)
    falls = np.flatnonzero(np.diff(speed) < 0)  # the last fall before a peak ends its flank, and so after it
    rises = np.flatnonzero(np.diff(speed) > 0)
    left, right = np.empty_like(peaks), np.empty_like(peaks)
    for number, peak in enumerate(peaks):
        before, after = np.searchsorted(falls, peak), np.searchsorted(rises, peak)
        start = falls[before - 1] + 1 if before else 0
        stop = rises[after] if after < len(rises) else len(speed) - 1
        left[number] = start + slope[start : peak + 1].argmax()
        right[number] = peak + slope[peak : stop + 1].argmin()
        if start == peak:
            left[number] = 2 * peak - right[number]
        elif stop == peak:
            right[number] = 2 * peak - left[number]
    return left, right


def _from_xzero(t: np.ndarray, v: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """w and sigma of each peak."""
    plan = xzero.estimate(torch.from_numpy(t), torch.from_numpy(v))
    sigma = plan.sigma.numpy()
    width = (plan.sigma * torch.exp(plan.mu - plan.sigma.square())).numpy()
    with np.errstate(invalid="ignore"):
        sound = (sigma > 0.05) & (sigma < 0.5) & (width > 0.6 * half) & (width < 1.6 * half)
    return np.where(sound, width, half), np.where(sound, sigma, _SIGMA)


# Matched filters for the residual: Gaussians (strokes without skewness) of unit energy
_WIDTHS = (0.02, 0.03, 0.045, 0.07)
_NEW_SIGMA = 0.15


def strokes_at_residual(residual_2T: Tensor, step: float, allowed: float, most: int) -> Tensor:
    """Strokes where they would take the most energy from the residual velocity.

    Args:
        residual_2T: (2, T), 0 where nothing may be added.
        step: s between samples.
        allowed: stop when the energy that is left would be below this (sum of squares), but not before the first.
        most: stop at so many.

    Returns:
        (6, K) parameters, K <= most.
    """
    reach = int(3 * _WIDTHS[-1] / step)
    n = torch.arange(-reach, reach + 1, dtype=residual_2T.dtype) * step
    shapes = torch.exp(-0.5 * (n / torch.tensor(_WIDTHS, dtype=n.dtype)[:, None]).square())
    shapes /= shapes.norm(dim=1, keepdim=True)
    left = F.pad(residual_2T, (reach, reach))
    found = []
    while (not found or float(left.square().sum()) > allowed) and len(found) < most:
        fitted = F.conv1d(left.unsqueeze(1), shapes.unsqueeze(1))  # (2, W, T)
        which, sample = divmod(int(fitted.square().sum(0).argmax()), fitted.shape[2])
        if not fitted[:, which, sample].any():
            break
        left[:, sample : sample + 2 * reach + 1] -= fitted[:, which, sample, None] * shapes[which]
        width, height = _WIDTHS[which], float(shapes[which, reach])
        amplitude = fitted[:, which, sample] * (_SQRT_2PI * width * height)
        found.append([sample * step, math.log(width), math.log(_NEW_SIGMA), 0.0, *amplitude.tolist()])
    return torch.tensor(found, dtype=torch.float64).reshape(-1, 6).T
