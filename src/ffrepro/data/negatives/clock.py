"""What a recording device does to a movement: when it looks, which stamps it gives, what it rounds to.

Nothing about a device is assumed; it is all read off a set's human samples. Time steps are drawn by the stationary
bootstrap (Politis & Romano 1994): blocks of consecutive steps of the same subject's recordings, so that their
distribution, their order (ticks of 15 and 16 ms, bursts of 0 ms) and the subject's own device are kept. Within a
recording they do not depend on the speed of the moment, with two exceptions: a pause (a lifted pen, a resting mouse)
belongs to the movement, not to the clock, and a device that is silent while nothing moves is asked only how often it
looks, and made silent afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

PAUSE_MS = 100.0  # a longer step is a pause,
_SLOW_PAUSE = 3.0  # but for a clock so slow that this is below so many of its median steps
BURST_MS = 2.0  # a step that is no longer is one within a burst
_BLOCK = 16  # mean length of a block of steps
_DECIMALS = range(7)  # coordinate grids that are looked for: 1 to 1e-6


@dataclass(frozen=True)
class Device:
    """Attributes:

    steps: float64 (M,), ms, the clock's steps in all human samples, backward ones as 0.
    pause_ms: a longer step is a pause (``pause_ms``).
    pools: subject -> indices (first, last + 1) of its steps; none for a subject without steps that take time.
    decimals: coordinates are multiples of 10^-decimals; None: of nothing.
    whole_ms: whether all stamps are whole milliseconds.
    moves_only: whether the device only records points that differ from the one before.
    """

    steps: np.ndarray
    pools: dict[int, tuple[int, int]]
    decimals: int | None
    whole_ms: bool
    moves_only: bool
    pause_ms: float


def pause_ms(steps: np.ndarray) -> float:
    """The longest step, ms, that is no pause.

    ``PAUSE_MS``, or three median steps where that is more: a slow clock's own steps are no pauses.

    Args:
        steps: (M,), ms, of all samples. Those of 0 are within a burst and say nothing of how often the device looks.
    """
    taking_time = steps[steps > 0]
    median = float(np.median(taking_time)) if len(taking_time) else 0.0
    return max(PAUSE_MS, _SLOW_PAUSE * median)


def measure(x: np.ndarray, y: np.ndarray, t: np.ndarray, offsets: np.ndarray, subject: np.ndarray) -> Device:
    """Read a device off human samples.

    Args:
        x, y: (N,). t: (N,), ms. offsets: (S + 1,), as in ``TrajectorySet``. subject: (S,).
    """
    sample = np.repeat(np.arange(len(subject)), np.diff(offsets))
    inside = sample[1:] == sample[:-1]
    who = np.asarray(subject)[sample[1:]][inside]
    steps = np.maximum(np.diff(t)[inside], 0.0)
    moved = np.maximum(np.abs(np.diff(x)), np.abs(np.diff(y)))[inside]
    values = np.concatenate([x, y])
    decimals = next((d for d in _DECIMALS if np.abs(values - np.round(values, d)).max(initial=0) < 1e-9), None)
    moves_only = decimals is not None and bool(len(moved)) and bool((moved > 0).all())
    longest = pause_ms(steps)
    use = steps <= longest
    if moves_only:  # after a move by one unit the device may have looked before and seen nothing
        use &= moved > 1.5 * 10.0**-decimals
    for lonely in set(who[steps > 0]) - set(who[use & (steps > 0)]):
        use |= who == lonely
    steps, who = steps[use], who[use]
    order = np.argsort(who, kind="stable")
    steps, who = steps[order], who[order]
    pools = {}
    for one in np.unique(who):
        first, last = np.searchsorted(who, one), np.searchsorted(who, one, side="right")
        if steps[first:last].any():
            pools[int(one)] = (int(first), int(last))
    return Device(steps, pools, decimals, bool((t == np.rint(t)).all()), moves_only, longest)


def draw_stamps(device: Device, subject: int, seconds: float, generator: torch.Generator) -> np.ndarray:
    """Stamps of one recording without pauses, float64 (n,), ms from 0, n > 1; some may be equal.

    The last one is the nearest to ``seconds``: a recording ends with a look, and one that always ended with the last
    look before its end would be half a step short, and so faster at its end than people are.

    Raises:
        KeyError: the subject has no steps.
    """
    first, last = device.pools[subject]
    pool = device.steps[first:last]
    blocks, total = [np.zeros(1)], 0.0
    while total <= 1000 * seconds:
        place, luck = torch.rand(2, dtype=torch.float64, generator=generator).tolist()
        begin = int(place * len(pool))
        size = 1 + int(np.log1p(-luck) / np.log1p(-1 / _BLOCK))  # geometric
        blocks.append(pool[begin : begin + size])
        total += float(blocks[-1].sum())
    stamps = np.concatenate(blocks).cumsum()
    nearest = stamps[np.abs(stamps - 1000 * seconds).argmin()]
    return stamps[: max(2, int(np.searchsorted(stamps, nearest, side="right")))]


def looked_at(stamps: np.ndarray) -> np.ndarray:
    """When a device looked that gave these growing or equal stamps, (n,), ms.

    Points whose stamps are equal or next to each other come in a burst: they were seen one after the other since the
    stamp before it, evenly, the last of them at its stamp.
    """
    group = np.r_[0, np.cumsum(np.diff(stamps) > BURST_MS)]
    counts = np.bincount(group)
    ends = np.cumsum(counts)
    after = stamps[ends - 1]
    before = np.r_[stamps[:1], after[:-1]]
    rank = np.arange(len(stamps)) - (ends - counts)[group] + 1
    return before[group] + (after - before)[group] * rank / counts[group]


def record(device: Device, positions: np.ndarray, stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, t as the device would give them.

    Args:
        positions: (n, 2) at ``looked_at(stamps)``.
    """
    if device.decimals is not None:
        positions = np.round(positions, device.decimals) + 0.0  # no negative zeros
    if device.moves_only:
        new = np.r_[True, (np.diff(positions, axis=0) != 0).any(1)]
        positions, stamps = positions[new], stamps[new]
    return positions[:, 0], positions[:, 1], np.rint(stamps) if device.whole_ms else stamps
