"""Duplicates: what a device would record of a movement whose plan is a little different.

A duplicate's bytes depend on the human sample and its plan, the level, the copy's number and the seed alone, not on
what else is made with it: each one has a generator of its own, and is computed by itself in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from ffrepro.base.names import unknown
from ffrepro.core import seeds
from ffrepro.data.negatives import clock
from ffrepro.data.negatives.clock import Device
from ffrepro.data.negatives.plans import PlanSet
from ffrepro.data.prepared import fingerprint
from ffrepro.data.progress import Progress
from ffrepro.data.trajectory_set import HUMAN, SYNTHETIC, TrajectorySet, arrays_of
from ffrepro.kinematics import lognormal, perturb
from ffrepro.kinematics.lognormal import Plan

_MIN_SECONDS = 0.04
_MIN_POINTS = 3  # as for samples that are read


class Original(NamedTuple):
    """What a duplicate is made from.

    Attributes:
        plan: (K,) float64. start: (2,), before the first stroke.
        stamps: (n,), ms, of the recording: how long it lasts, and its pauses, are kept. subject: whose clock is used.
    """

    plan: Plan
    start: np.ndarray
    stamps: np.ndarray
    subject: int

    @property
    def seconds(self) -> float:
        """How long the recording lasts."""
        return float(self.stamps.max() - self.stamps[0]) / 1000


class Recorded(NamedTuple):
    """Attributes: x, y, t, float64 (n,): what the device gives of a duplicate, t in ms from 0."""

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray


def original(data: TrajectorySet, plans: PlanSet, number: int) -> Original:
    """What plan ``number`` was made from."""
    sample = int(plans.index[number])
    return Original(
        plans.plan(number),
        plans.start[number],
        data.t[data.offsets[sample] : data.offsets[sample + 1]],
        int(data.subject[sample]),
    )


def duplicate(source: Original, level: str, device: Device, generator: torch.Generator) -> Recorded:
    """One duplicate.

    Args:
        level: a name in ``perturb.LEVELS``.
        generator: seeded for this duplicate.

    Raises:
        FfreproError: no such level.
    """
    if level not in perturb.LEVELS:
        raise unknown("level", level, perturb.LEVELS)
    lasts = torch.tensor(source.seconds, dtype=torch.float64)
    uniform = perturb.draw(source.plan, generator)
    variant = perturb.perturb(source.plan, lasts, perturb.LEVELS[level], uniform)
    begin, end = float(variant.begin), float(variant.end)
    stamps = clock.draw_stamps(device, source.subject, max(end - begin, _MIN_SECONDS), generator)
    times = begin + clock.looked_at(stamps) / 1000
    seen = ~_paused(source, variant, times, device.pause_ms)
    seen[[0, -1]] = True
    start = torch.from_numpy(source.start)
    pieces = lognormal.pieces(variant.plan, torch.from_numpy(times[seen]))
    positions = torch.cat([lognormal.position(moving, t, start + led) for t, moving, led in pieces])
    return Recorded(*clock.record(device, positions.numpy(), stamps[seen]))


def too_short(one: Recorded) -> str | None:
    """Why a duplicate is no sample: too few points, as where the device hardly looks while the movement lasts."""
    return f"has {len(one.x)} points, fewer than {_MIN_POINTS}" if len(one.x) < _MIN_POINTS else None


def _paused(source: Original, variant: perturb.Variant, times: np.ndarray, pause_ms: float) -> np.ndarray:
    """Which of the times (n,) fall into a pause of the original, moved as its strokes are."""
    latest = np.maximum.accumulate(source.stamps - source.stamps[0]) / 1000
    long = np.flatnonzero(np.diff(latest) > pause_ms / 1000)
    old, new = lognormal.peak_time(source.plan).numpy(), lognormal.peak_time(variant.plan).numpy()
    inner = (old > 0) & (old < source.seconds)
    anchors = np.r_[0, old[inner], source.seconds], np.r_[float(variant.begin), new[inner], float(variant.end)]
    begins, ends = np.interp(latest[long], *anchors), np.interp(latest[long + 1], *anchors)
    paused = np.zeros(len(times), bool)
    for begin, end in zip(begins, ends, strict=True):
        paused |= (times > begin) & (times < end)
    return paused


def duplicates(
    data: TrajectorySet, plans: PlanSet, device: Device, level: str, copies: int, seed: int, numbers: np.ndarray
) -> Iterator[Recorded]:
    """``copies`` duplicates of each of the plans ``numbers``, one plan's after the other's."""
    for number in numbers:
        source, name = original(data, plans, number), data.names[plans.index[number]]
        for copy in range(copies):
            generator = seeds.generator("duplicate", seed, plans.manifest["dataset"], name, level, copy)
            yield duplicate(source, level, device, generator)


def count_human(data: TrajectorySet) -> int:
    """How many samples are human: they come first."""
    return int((data.label == HUMAN).sum())


def measure_device(data: TrajectorySet) -> Device:
    """The device behind a set's human samples."""
    human = count_human(data)
    points = slice(0, int(data.offsets[human]))
    return clock.measure(
        data.x[points], data.y[points], data.t[points], data.offsets[: human + 1], data.subject[:human]
    )


def with_duplicates(data: TrajectorySet, plans: PlanSet, level: str, copies: int, seed: int) -> TrajectorySet:
    """The set's human samples with duplicates in place of its own synthetic ones.

    The manifest's ``negatives`` says how they were made, and lists the human samples without duplicates with the
    reason. Save it with ``trajectory_set.save``.
    """
    human = count_human(data)
    points = int(data.offsets[human])
    device = measure_device(data)
    made = duplicates(data, plans, device, level, copies, seed, np.arange(len(plans)))
    sources = np.repeat(plans.index, copies)
    kept, without = [], list(plans.manifest["bad"])
    label = f"duplicates ({level}) of {plans.manifest['dataset']}"
    with Progress(label, total=len(sources), unit="duplicates") as progress:
        for place, (sample, one) in enumerate(zip(sources, made, strict=True)):
            if reason := too_short(one):
                reason = f"duplicate {place % copies} {reason}"
                without.append({"index": int(sample), "sample": data.names[sample], "reason": reason})
            else:
                kept.append((int(sample), f"{data.names[sample]}_{level}_{place % copies:02d}", one))
            progress.advance(1)
    parents = np.array([sample for sample, _, _ in kept], np.int64)
    lengths = [len(one.x) for _, _, one in kept]

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(data, name)[:points], *(getattr(one, name) for _, _, one in kept)])

    def inherited(name: str) -> np.ndarray:
        column = getattr(data, name)
        return np.concatenate([column[:human], column[parents]])

    stroke = np.repeat(data.stroke[data.offsets[parents]], lengths)
    out = TrajectorySet(
        x=joined("x"), y=joined("y"), t=joined("t"), stroke=np.concatenate([data.stroke[:points], stroke]),
        offsets=np.r_[data.offsets[: human + 1], points + np.cumsum(lengths, dtype=np.int64)],
        label=np.r_[data.label[:human], np.full(len(kept), SYNTHETIC, np.uint8)],
        subject=inherited("subject"), gesture=inherited("gesture"), parent=inherited("parent"),
        names=[*data.names[:human], *(name for _, name, _ in kept)], manifest={},
    )  # fmt: skip
    counts = data.manifest["counts"] | {"human": human, "synthetic": len(kept), "points": len(out.x)}
    negatives = {
        "how": "duplicates of stroke plans", "level": level, "copies": copies, "seed": seed,
        "plans": plans.manifest["fingerprint"], "without": without,
    }  # fmt: skip
    keep = ("format", "dataset", "title", "source", "archive", "licence", "agreement", "gestures", "bad")
    out.manifest.update({key: data.manifest[key] for key in keep if key in data.manifest})
    out.manifest.update(counts=counts, negatives=negatives, fingerprint=fingerprint(arrays_of(out)))
    return out
