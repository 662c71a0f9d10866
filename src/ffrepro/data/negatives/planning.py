"""Extracting the plans of a data set, by one process or several."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import numpy as np
import torch

from ffrepro.data import processes
from ffrepro.data.negatives import plans
from ffrepro.data.progress import Progress
from ffrepro.data.trajectory_set import HUMAN, TrajectorySet
from ffrepro.kinematics import extraction, reference
from ffrepro.kinematics.extraction import Extracted, Settings

Recording = tuple[np.ndarray, np.ndarray, np.ndarray]  # x, y, t in ms

_PIECE = 256  # recordings given to a worker at a time, at most


def recordings(data: TrajectorySet, samples: np.ndarray) -> list[Recording]:
    """x, y, t of each sample."""
    rows = [slice(data.offsets[i], data.offsets[i + 1]) for i in samples]
    return [(data.x[row], data.y[row], data.t[row]) for row in rows]


def extract_all(
    some: list[Recording], settings: Settings, each_pass: Callable[[], None] = lambda: None
) -> list[Extracted | str]:
    """For each recording its plan, or why there is none; ``each_pass`` as in ``extraction.extract``."""
    out: list[Extracted | str] = []
    signals: list[reference.Reference] = []
    for recording in some:
        try:
            signals.append(reference.reference(*recording))
            out.append("")
        except reference.Unusable as reason:
            out.append(str(reason))
    found = map(_plan_or_reason, extraction.extract(signals, settings, each_pass))
    return [reason or next(found) for reason in out]


def _plan_or_reason(found: Extracted) -> Extracted | str:
    """The plan, if it is one that duplicates can be made from and a file can keep."""
    if not len(found.plan.t0):
        return "no strokes found"
    with np.errstate(over="ignore"):
        kept = found.plan._make(field.numpy().astype(plans.STROKES) for field in found.plan)
    if not (all(np.isfinite(field).all() for field in kept) and kept.d.any()):
        return f"its strokes are too long or too short for a file of plans ({float(found.plan.d.abs().max()):.3g})"
    return found


def extract_set(
    data: TrajectorySet, settings: Settings, workers: int, samples: np.ndarray | None = None
) -> plans.PlanSet:
    """Plans of a set's human samples.

    Args:
        workers: processes, one thread each; the plans do not depend on their number.
        samples: (n,), growing: only these. None: all human ones.
    """
    if samples is None:
        samples = np.flatnonzero(data.label == HUMAN)
    some = recordings(data, samples)
    piece = max(1, min(_PIECE, -(-len(some) // workers)))
    pieces = [some[start : start + piece] for start in range(0, len(some), piece)]
    found: list[Extracted | str] = []
    with Progress(f"plans of {data.manifest['dataset']}", total=len(some), unit="samples") as progress:
        with closing(_in_order(pieces, settings, workers)) as all_results:
            for results in all_results:
                found += results
                progress.advance(len(results))
    return plans.collect(data, samples, found, described(settings))


def described(settings: Settings) -> dict[str, object]:
    """The settings, for a JSON file."""
    return dataclasses.asdict(settings) | {"dtype": str(settings.dtype).removeprefix("torch.")}


def _in_order(pieces: list[list[Recording]], settings: Settings, workers: int) -> Iterator[list[Extracted | str]]:
    if workers <= 1 or len(pieces) <= 1:
        yield from (extract_all(piece, settings) for piece in pieces)
        return
    yield from processes.in_order(partial(_extract_alone, settings=settings), pieces, workers)


def _extract_alone(some: list[Recording], settings: Settings) -> list[Extracted | str]:
    """``extract_all`` in a worker: one thread, the other cores have workers of their own."""
    torch.set_num_threads(1)
    return extract_all(some, settings)
