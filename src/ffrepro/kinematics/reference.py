"""Reference signal of a recording: what a plan is fitted to and evaluated on.

A recording has irregular stamps and whole pixels; its raw speed is mostly noise (on $1, the raw velocity and its own
filtered version agree to 14.5 dB only). Every figure in this project is therefore stated on the **reference signal**:
positions interpolated linearly to 200 Hz, low-passed at 15 Hz without phase shift (fourth-order Butterworth, forwards
and backwards, the ends continued by point reflection), velocity by the five-point central difference.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

RATE = 200.0  # Hz
CUTOFF = 15.0  # Hz
ORDER = 4
MIN_SECONDS = 0.04
MAX_SECONDS = 300.0
MAX_BACKWARD_MS = 20.0  # a clock that jitters (MobileTouchDB: 4 ms) is data; one that starts again is not
_RESOLVED = 1e-11  # of the coordinates: filtering 300 s of a constant leaves about a tenth of it as rounding
_REFLECTED = 40  # samples continued at either end, three time constants of the filter


class Unusable(ValueError):
    """Why a recording has no reference signal."""


class Reference(NamedTuple):
    """Attributes: position (n, 2), velocity (n, 2), float64, n samples ``1 / RATE`` apart from the first stamp on."""

    position: np.ndarray
    velocity: np.ndarray

    @property
    def t(self) -> np.ndarray:
        """Times in s from the first stamp, (n,)."""
        return np.arange(len(self.position)) / RATE

    @property
    def seconds(self) -> float:
        """Time from the first to the last sample."""
        return (len(self.position) - 1) / RATE


def clean(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions and growing times of a recording.

    A point whose stamp is not later than all before it belongs to the stamp before it: of each stamp the last position
    stays, as in ``ffrepro.data.features.merge_stamps``.

    Args:
        x, y: (n,) in any unit. t: (n,) in ms.

    Returns:
        float64 (m, 2) and (m,), in s from the first stamp.

    Raises:
        Unusable: no points, a number that is not finite, a clock that runs backwards, too short, too long, no movement.
    """
    x, y, t = (np.asarray(column, np.float64) for column in (x, y, t))
    if not len(t):
        raise Unusable("no points")
    if len(t) == 1:
        raise Unusable("one point")
    for name, column in (("x", x), ("y", y), ("t", t)):
        if not np.isfinite(column).all():
            row = int(np.argmin(np.isfinite(column)))
            raise Unusable(f"point {row + 1}: {name} is {column[row]}")
    latest = np.maximum.accumulate(t)
    back = float((latest - t).max())
    if back > MAX_BACKWARD_MS:
        raise Unusable(f"the clock runs backwards by {back:.6g} ms")
    first = np.flatnonzero(np.r_[True, latest[1:] > latest[:-1]])
    last = np.r_[first[1:], len(t)] - 1
    seconds = (t[first] - t[0]) / 1000
    if len(first) == 1:
        raise Unusable("all points have the same time stamp")
    if seconds[-1] < MIN_SECONDS:
        raise Unusable(f"lasts {1000 * seconds[-1]:.6g} ms, less than {1000 * MIN_SECONDS:g}")
    if seconds[-1] > MAX_SECONDS:
        raise Unusable(f"lasts {seconds[-1]:.6g} s, more than {MAX_SECONDS:g}")
    position = np.stack([x[last], y[last]], 1)
    if (position == position[0]).all():
        raise Unusable("does not move")
    return position, seconds


@cache
def _filter() -> tuple[np.ndarray, np.ndarray]:
    """Second-order sections, and their state after a long constant 1."""
    from scipy import signal  # the package must import without scipy

    sections = signal.butter(ORDER, CUTOFF, fs=RATE, output="sos")
    return sections, signal.sosfilt_zi(sections)


def low_pass(position: np.ndarray) -> np.ndarray:
    """The reference filter along the first axis of (n, 2) at ``RATE``, n > 1."""
    from scipy import signal

    sections, settled = _filter()
    reach = min(_REFLECTED, len(position) - 1)
    before, after = 2 * position[:1] - position[reach:0:-1], 2 * position[-1:] - position[-2 : -reach - 2 : -1]
    out = np.concatenate([before, position, after])
    for _ in range(2):  # forwards, then backwards
        out, _ = signal.sosfilt(sections, out, axis=0, zi=settled[:, :, None] * out[0])
        out = out[::-1]
    return np.ascontiguousarray(out[reach : reach + len(position)])


def differentiate(position: np.ndarray) -> np.ndarray:
    """Velocity (n, 2) at ``RATE``: five-point central differences, the ends continued by point reflection."""
    extended = np.concatenate([2 * position[:1] - position[2:0:-1], position, 2 * position[-1:] - position[-2:-4:-1]])
    return (8 * (extended[3:-1] - extended[1:-3]) - (extended[4:] - extended[:-4])) * (RATE / 12)


def reference(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> Reference:
    """The reference signal of a recording.

    Args:
        x, y, t: see ``clean``.

    Raises:
        Unusable: as ``clean`` does; nothing of the movement is left in the signal, or its squares leave float64.
    """
    position, seconds = clean(x, y, t)
    grid = np.arange(int(seconds[-1] * RATE + 1e-6) + 1) / RATE
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float64 is refused below
        resampled = np.stack([np.interp(grid, seconds, position[:, axis]) for axis in (0, 1)], 1)
        filtered = low_pass(resampled)
        found = Reference(filtered, differentiate(filtered))
        spread, power = filtered.var(0).sum(), np.square(found.velocity).sum(1).mean()
    if not (np.isfinite(spread) and np.isfinite(power)):
        raise Unusable(f"coordinates as large as {np.abs(position).max():.3g}: their squares are no numbers")
    if not power or spread <= (_RESOLVED * np.abs(position).max()) ** 2:  # the rest is rounding, no movement
        raise Unusable(f"does not move in the signal at {RATE:g} Hz, low-passed at {CUTOFF:g} Hz")
    return found
