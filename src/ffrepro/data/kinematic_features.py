"""27 numbers that describe a movement: what a trivial classifier gets to see of it.

They are taken from velocities at equal steps (``ffrepro.data.matching``). A number that does not exist (the jerk of
two steps, the curvature of a standstill) is 0, so that every classifier takes it.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ffrepro.data.features import Sequences, by_length

# name -> what it is. Speeds in units/s; angles in radians; a "turn" is the angle between two steps in a row.
DEFINITIONS = {
    "duration": "seconds from the first to the last step",
    "path_length": "length of the path",
    "straightness": "distance from start to end over the path's length",
    "extent": "diagonal of the bounding box",
    "speed_mean": "mean speed",
    "speed_max": "largest speed",
    "speed_std": "standard deviation of the speed",
    "speed_skewness": "skewness of the speed",
    "speed_start": "speed of the first step over the largest",
    "speed_end": "speed of the last step over the largest",
    "speed_peak_time": "when the largest speed is reached, as a share of the duration",
    "speed_slow_share": "share of steps slower than a fifth of the largest speed",
    "speed_peaks": "local maxima of the speed above a tenth of the largest, a second",
    "first_half_path": "share of the path that is done in the first half of the time",
    "acceleration_mean": "mean magnitude of the acceleration",
    "acceleration_max": "largest magnitude of the acceleration",
    "acceleration_tangential_std": "standard deviation of the speed's derivative",
    "jerk_mean": "mean magnitude of the jerk",
    "jerk_max": "largest magnitude of the jerk",
    "jerk_dimensionless": "ln(1 + mean squared jerk x duration^6 / path length^2)",
    "turn_total": "sum of all turns' magnitudes",
    "turn_net": "magnitude of the sum of all turns",
    "turn_max": "largest turn",
    "curvature": "sum of all turns' magnitudes over the path's length",
    "direction_changes": "sign changes of either velocity component, a second",
    "spectrum_low": "share of the speed's power (without its mean) below 3 Hz",
    "spectrum_high": "share of the speed's power (without its mean) above 6 Hz",
}
NAMES = tuple(DEFINITIONS)
_SLOW, _PEAK = 0.2, 0.1
_LOW_HZ, _HIGH_HZ = 3.0, 6.0


def table(s: Sequences, rate_hz: float) -> np.ndarray:
    """float64 (S, 27): the features of every sequence, in the order of ``DEFINITIONS``.

    Args:
        s: velocities, ``rate_hz`` a second; a sequence may be empty (all its features are 0).
    """
    out = np.zeros((len(s.lengths), len(NAMES)))
    by_length(s, s.lengths, partial(_of_length, rate_hz=rate_hz), out)
    return out


def _of_length(velocity_KN2: np.ndarray, rate_hz: float) -> np.ndarray:
    """(K, 27) of K sequences of one length."""
    n = velocity_KN2.shape[1]
    speed = np.hypot(velocity_KN2[..., 0], velocity_KN2[..., 1])
    top, total = speed.max(1), speed.sum(1)
    path, seconds = total / rate_hz, n / rate_hz
    positions = np.cumsum(np.pad(velocity_KN2, ((0, 0), (1, 0), (0, 0))), axis=1) / rate_hz
    acceleration = np.diff(velocity_KN2, axis=1) * rate_hz
    jerk = np.diff(acceleration, axis=1) * rate_hz
    turn = _turns(velocity_KN2)
    turned = np.abs(turn).sum(1)
    low, high = _spectrum(speed, rate_hz)
    inner = speed[:, 1:-1]
    peaks = (inner > speed[:, :-2]) & (inner >= speed[:, 2:]) & (inner > _PEAK * top[:, None])
    reversals = (velocity_KN2[:, 1:] * velocity_KN2[:, :-1] < 0).sum((1, 2))
    found = {
        "duration": np.full(len(speed), seconds),
        "path_length": path,
        "straightness": _ratio(np.hypot(*positions[:, -1].T), path),
        "extent": np.hypot(*np.ptp(positions, axis=1).T),
        "speed_mean": total / n,
        "speed_max": top,
        "speed_std": speed.std(1),
        "speed_skewness": _skewness(speed),
        "speed_start": _ratio(speed[:, 0], top),
        "speed_end": _ratio(speed[:, -1], top),
        "speed_peak_time": (speed.argmax(1) + 0.5) / n,
        "speed_slow_share": (speed < _SLOW * top[:, None]).mean(1),
        "speed_peaks": peaks.sum(1) / seconds,
        "first_half_path": _ratio(_first_half(speed), total),
        "acceleration_mean": _mean(_norm(acceleration)),
        "acceleration_max": _largest(_norm(acceleration)),
        "acceleration_tangential_std": _std(np.diff(speed, axis=1) * rate_hz),
        "jerk_mean": _mean(_norm(jerk)),
        "jerk_max": _largest(_norm(jerk)),
        "jerk_dimensionless": np.log1p(_ratio(_mean(_norm(jerk) ** 2) * seconds**6, path**2)),
        "turn_total": turned,
        "turn_net": np.abs(turn.sum(1)),
        "turn_max": _largest(np.abs(turn)),
        "curvature": _ratio(turned, path),
        "direction_changes": reversals / seconds,
        "spectrum_low": low,
        "spectrum_high": high,
    }
    return np.stack([found[name] for name in NAMES], axis=1)


def _turns(velocity_KN2: np.ndarray) -> np.ndarray:
    """(K, n - 1): the angle from each step to the next, in (-pi, pi]; 0 where one of them stands still."""
    before, after = velocity_KN2[:, :-1], velocity_KN2[:, 1:]
    cross = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    return np.arctan2(cross, (before * after).sum(-1))


def _first_half(speed_KN: np.ndarray) -> np.ndarray:
    """(K,): the sum over the first half of the steps; of an odd number half of the middle one."""
    half = speed_KN.shape[1] // 2
    middle = speed_KN[:, half] / 2 if speed_KN.shape[1] % 2 else 0.0
    return speed_KN[:, :half].sum(1) + middle


def _spectrum(speed_KN: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """(K,) shares of power below the low and above the high edge."""
    power = np.abs(np.fft.rfft(speed_KN - speed_KN.mean(1, keepdims=True), axis=1)) ** 2
    frequency = np.fft.rfftfreq(speed_KN.shape[1], 1 / rate_hz)
    total = power.sum(1)
    low, high = power[:, frequency < _LOW_HZ].sum(1), power[:, frequency > _HIGH_HZ].sum(1)
    return _ratio(low, total), _ratio(high, total)


def _skewness(values_KN: np.ndarray) -> np.ndarray:
    centred = values_KN - values_KN.mean(1, keepdims=True)
    return _ratio((centred**3).mean(1), (centred**2).mean(1) ** 1.5)


def _norm(values_KN2: np.ndarray) -> np.ndarray:
    return np.hypot(values_KN2[..., 0], values_KN2[..., 1])


def _mean(values_KN: np.ndarray) -> np.ndarray:
    return values_KN.mean(1) if values_KN.shape[1] else np.zeros(len(values_KN))


def _largest(values_KN: np.ndarray) -> np.ndarray:
    return values_KN.max(1, initial=0.0)


def _std(values_KN: np.ndarray) -> np.ndarray:
    return values_KN.std(1) if values_KN.shape[1] else np.zeros(len(values_KN))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where b is nothing."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))), where=np.asarray(b) > 1e-12)
