"""From trajectories to model inputs: two channels a time step, fixed length (the RNN paper, Sec. 3.2).

``velocity`` with stamps ``merge`` is what the paper's text describes; the other settings repeat the released code,
mistakes included (params.yaml names each).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ffrepro.data.trajectory_set import TrajectorySet

_TINY = 1e-8  # the released code's stand-in for a time step of 0


@dataclass(frozen=True)
class Sequences:
    """S sequences of two channels, one after the other.

    Attributes:
        values: float64 (M, 2).
        offsets: int64 (S + 1,); sequence i is ``offsets[i]:offsets[i + 1]``; it may be empty.
    """

    values: np.ndarray
    offsets: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """int64 (S,)."""
        return np.diff(self.offsets)


def merge_stamps(data: TrajectorySet) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Drop points whose stamp is not later than all before it, keeping the last position of each stamp.

    A point with an equal or backward stamp belongs to the stamp before it: it has no velocity of its own.

    Returns:
        (x, y, t, offsets) with strictly growing t in each sample.
    """
    t = data.t
    starts, lengths = data.offsets[:-1], data.lengths
    sample = np.repeat(np.arange(len(data)), lengths)
    # one running maximum over everything: each sample is lifted above the one before it
    span = (t.max() - t.min() + 1.0) if len(t) else 1.0
    latest = np.maximum.accumulate((t - t.min()) + sample * span) if len(t) else t
    new = np.ones(len(t), bool)
    new[1:] = latest[1:] > latest[:-1]
    new[starts[lengths > 0]] = True
    first = np.flatnonzero(new)
    last = np.r_[first[1:], len(t)] - 1
    counts = np.bincount(sample[first], minlength=len(data))
    return data.x[last], data.y[last], t[first], np.r_[0, np.cumsum(counts)].astype(np.int64)


def _differences(columns: list[np.ndarray], offsets: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Differences inside each sample, and their offsets."""
    inside = np.ones(max(len(columns[0]) - 1, 0), bool)
    inside[offsets[1:-1][offsets[1:-1] < len(columns[0])] - 1] = False
    counts = np.maximum(np.diff(offsets) - 1, 0)
    return [np.diff(c)[inside] for c in columns], np.r_[0, np.cumsum(counts)].astype(np.int64)


def sequences(data: TrajectorySet, features: str, stamps: str) -> Sequences:
    """Two channels for each time step.

    Args:
        features: ``velocity`` (dx/dt, dy/dt) or ``published_columns`` (the released code on three of the four sets:
            d stroke / dy, dx / dy).
        stamps: ``merge`` or ``epsilon`` (a divisor of 0 becomes 1e-8).
    """
    if features == "published_columns":
        columns, offsets = [data.stroke.astype(np.float64), data.x, data.y], data.offsets
    elif stamps == "merge":
        *columns, offsets = merge_stamps(data)
    else:
        columns, offsets = [data.x, data.y, data.t], data.offsets
    (a, b, divisor), offsets = _differences(columns, offsets)
    divisor = np.where(divisor == 0, _TINY, divisor)
    return Sequences(np.stack([a / divisor, b / divisor], 1), offsets)


def zscore_sequences(s: Sequences) -> Sequences:
    """Each sequence minus its mean, over its std, both taken over the two channels and all steps together.

    The released code's input scaling. A constant sequence (std 0) becomes 0 here; there it becomes NaN.
    """
    filled = s.lengths > 0
    starts = s.offsets[:-1][filled]
    count = 2.0 * s.lengths[filled]
    repeat = s.lengths[filled]
    mean = np.add.reduceat(s.values.sum(1), starts) / count
    centred = s.values - np.repeat(mean, repeat)[:, None]
    std = np.sqrt(np.add.reduceat(np.square(centred).sum(1), starts) / count)
    scale = np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)
    return Sequences(centred * np.repeat(scale, repeat)[:, None], s.offsets)


def pad(s: Sequences, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut or zero-pad to ``length`` steps.

    Returns:
        float64 (length, S, 2), time-major, and int64 (S,): the steps that are data.
    """
    valid = np.minimum(s.lengths, length)
    out = np.zeros((length, len(valid), 2))
    sample = np.repeat(np.arange(len(valid)), valid)
    step = np.arange(len(sample)) - np.repeat(np.cumsum(valid) - valid, valid)
    out[step, sample] = s.values[np.repeat(s.offsets[:-1], valid) + step]
    return out, valid


def by_length(
    s: Sequences, length_S: np.ndarray, of_length: Callable[[np.ndarray], np.ndarray], out: np.ndarray
) -> None:
    """Describe every sequence by numbers, those of one length together.

    Args:
        length_S: how many of its first steps count of each sequence.
        of_length: (K, n, 2) of K sequences of n steps -> (K, F).
        out: float64 (S, F), filled where a sequence has steps.
    """
    for n in np.unique(length_S[length_S > 0]):
        members = np.flatnonzero(length_S == n)
        rows = s.offsets[members][:, None] + np.arange(n)
        out[members] = of_length(s.values[rows])
