"""Recordings made comparable: what is left to tell two classes apart is the movement, not the device or the file.

Every recording goes the same way: equal and backward stamps are merged, positions are rounded to one grid, resampled
to one rate, low-passed without phase shift, differentiated, and the rests at both ends are cut off. The grid comes
before the filter: both classes then carry the same rounding noise into it, and none is added after it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import features
from ffrepro.data.features import Sequences
from ffrepro.data.trajectory_set import TrajectorySet

ORDER = 4  # of the Butterworth filter that the low-pass equals, run forwards and backwards
_GAP_MS = 1000.0  # between two samples on the one time axis that all are resampled on


def velocities(data: TrajectorySet, *, grid: float, rate_hz: float, lowpass_hz: float, rest_speed: float) -> Sequences:
    """Velocities of every sample, in the set's units per second, ``rate_hz`` a second.

    Args:
        grid: positions become multiples of it.
        rate_hz, lowpass_hz: see ``resample`` and ``low_pass``.
        rest_speed: see ``trim_rests``.

    Raises:
        FfreproError: a sample without points, or with a number that is not finite.
    """
    _check(data)
    x, y, t, offsets = features.merge_stamps(data)
    positions = np.round(np.stack([x, y], 1) / grid) * grid
    moved = low_pass(resample(positions, t, offsets, rate_hz), rate_hz, lowpass_hz)
    return trim_rests(_differences(moved, rate_hz), rest_speed)


def _check(data: TrajectorySet) -> None:
    """Raise where the interpolation, which runs over all samples at once, would mix them up."""
    finite = np.isfinite(data.x) & np.isfinite(data.y) & np.isfinite(data.t)
    if finite.all() and (data.lengths > 0).all():
        return
    if not finite.all():
        row = int(np.argmin(finite))
        sample = int(np.searchsorted(data.offsets, row, side="right")) - 1
        name = next(name for name in "xyt" if not np.isfinite(getattr(data, name)[row]))
        what = f"point {row - int(data.offsets[sample]) + 1}: {name} is {getattr(data, name)[row]}"
    else:
        sample = int(np.argmin(data.lengths))
        what = "no points"
    fix = f"take the sample out of the set; `ffrepro prepare {data.manifest['dataset']}` leaves such samples out"
    raise FfreproError(f"sample {sample} cannot be matched: {what}", where=data.names[sample], fix=fix)


def resample(position_N2: np.ndarray, t_N: np.ndarray, offsets: np.ndarray, rate_hz: float) -> Sequences:
    """Positions at equal steps from each sample's first stamp on, interpolated linearly.

    Args:
        position_N2: (N, 2). t_N: (N,), ms, growing within each sample.
        offsets: (S + 1,); no sample is empty.
    """
    lengths = np.diff(offsets)
    first, last = t_N[offsets[:-1]], t_N[offsets[1:] - 1]
    step = 1000.0 / rate_hz
    counts = np.floor((last - first) / step + 1e-9).astype(np.int64) + 1
    new_offsets = np.r_[0, np.cumsum(counts)].astype(np.int64)
    # One time axis for everything: the samples one after the other, so that one interpolation does them all.
    begins = np.r_[0.0, np.cumsum(last - first + _GAP_MS)[:-1]]
    axis = t_N + np.repeat(begins - first, lengths)
    rank = np.arange(new_offsets[-1]) - np.repeat(new_offsets[:-1], counts)
    wanted = np.repeat(begins, counts) + rank * step
    return Sequences(np.stack([np.interp(wanted, axis, column) for column in position_N2.T], 1), new_offsets)


def low_pass(s: Sequences, rate_hz: float, lowpass_hz: float) -> Sequences:
    """What a digital Butterworth filter of order 4 run forwards and backwards gives: no phase, -6 dB at the cutoff.

    Each sequence is continued by point reflection at both ends, without end. After its chord is taken off, that is the
    odd periodic continuation, so that one Fourier transform of it filters exactly: no transient, no ripple at the seam.
    """
    out = np.empty_like(s.values)
    for rows, values in by_length(s):
        out[rows] = _low_pass(values, rate_hz, lowpass_hz)
    return Sequences(out, s.offsets)


def _low_pass(values_KN2: np.ndarray, rate_hz: float, lowpass_hz: float) -> np.ndarray:
    n = values_KN2.shape[1]
    if n < 3:
        return values_KN2
    first, last = values_KN2[:, :1], values_KN2[:, -1:]
    chord = first + (last - first) * np.linspace(0, 1, n)[None, :, None]
    rest = values_KN2 - chord
    odd = np.concatenate([rest, -rest[:, -2:0:-1]], axis=1)
    frequency = np.fft.rfftfreq(odd.shape[1], 1 / rate_hz)
    spectrum = np.fft.rfft(odd, axis=1) * response(frequency, rate_hz, lowpass_hz)[None, :, None]
    return chord + np.fft.irfft(spectrum, odd.shape[1], axis=1)[:, :n]


def response(frequency: np.ndarray, rate_hz: float, lowpass_hz: float) -> np.ndarray:
    """What the low-pass leaves of a sine: the squared magnitude of the bilinear Butterworth filter of order 4."""
    with np.errstate(over="ignore"):  # at half the rate the tangent has its pole, and nothing is left
        warped = np.tan(np.pi * np.minimum(frequency / rate_hz, 0.5)) / np.tan(np.pi * lowpass_hz / rate_hz)
        return 1 / (1 + warped ** (2 * ORDER))


def trim_rests(s: Sequences, rest_speed: float) -> Sequences:
    """Cut off the steps before the first and after the last that is as fast as ``rest_speed`` times the fastest.

    A sequence that never moves stays as it is.
    """
    filled = s.lengths > 0
    starts, lengths = s.offsets[:-1][filled], s.lengths[filled]
    if not len(starts):
        return s
    speed = np.hypot(*s.values.T)
    moves = speed >= np.repeat(rest_speed * np.maximum.reduceat(speed, starts), lengths)
    place = np.arange(len(speed))
    first = np.minimum.reduceat(np.where(moves, place, len(speed)), starts)
    last = np.maximum.reduceat(np.where(moves, place, -1), starts)
    kept = (place >= np.repeat(first, lengths)) & (place <= np.repeat(last, lengths))
    counts = np.zeros(len(filled), np.int64)
    counts[filled] = last - first + 1
    return Sequences(s.values[kept], np.r_[0, np.cumsum(counts)].astype(np.int64))


def by_length(s: Sequences) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The sequences of each length together: int64 (K, n) rows of ``s.values``, and those values (K, n, 2)."""
    for n in np.unique(s.lengths):
        rows = s.offsets[:-1][s.lengths == n][:, None] + np.arange(n)
        yield rows, s.values[rows]


def _differences(s: Sequences, rate_hz: float) -> Sequences:
    """Steps times the rate; a sequence of n positions has n - 1 of them."""
    inside = np.ones(max(len(s.values) - 1, 0), bool)
    seams = s.offsets[1:-1] - 1
    inside[seams[seams < len(inside)]] = False
    counts = np.maximum(s.lengths - 1, 0)
    return Sequences(np.diff(s.values, axis=0)[inside] * rate_hz, np.r_[0, np.cumsum(counts)].astype(np.int64))
