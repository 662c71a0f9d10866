"""What a prepared trajectory set says about itself: counts, lengths, clocks, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ffrepro.data import prepared
from ffrepro.data.trajectory_set import CLASSES, FORMAT, HUMAN, SYNTHETIC, TrajectorySet, arrays_of

if TYPE_CHECKING:
    from ffrepro.data.trajectories import TrajectorySpec

_LISTED = 3  # file names in one warning


def describe(
    spec: TrajectorySpec,
    provenance: dict[str, Any],
    data: TrajectorySet,
    gestures: list[str],
    bad: list[dict[str, str]],
) -> dict[str, Any]:
    """The manifest, see ``ffrepro.data.trajectories.prepare``.

    Args:
        spec: the data set.
        provenance: the archive's record.
        data: the arrays; ``data.manifest`` is not looked at.
        gestures: what the gesture ids stand for.
        bad: the samples left out.
    """
    of_class = {kind: data.label == label for kind, label in CLASSES.items()}
    upstream = {"human": spec.human_count, "synthetic": spec.synthetic_count}
    counts = {kind: int(mask.sum()) for kind, mask in of_class.items()}
    warnings = _missing(spec, data)
    warnings += prepared.count_warnings(counts, upstream, provenance["source"], "samples")
    return {
        **prepared.origin(spec, provenance, FORMAT),
        "agreement": spec.agreement,
        "counts": {
            **counts,
            "subjects": len(np.unique(data.subject)),
            "gestures": len(gestures),
            "points": len(data.x),
        },
        "upstream_counts": upstream,
        "length": {
            kind: {"mean": round(float(data.lengths[mask].mean()), 3), "max": int(data.lengths[mask].max())}
            for kind, mask in of_class.items()
        },
        "time_steps": {kind: _steps(data, mask) for kind, mask in of_class.items()},
        "gestures": gestures,
        "bad": bad,
        "warnings": warnings,
        "fingerprint": prepared.fingerprint(arrays_of(data)),
    }


def _steps(data: TrajectorySet, mask: np.ndarray) -> dict[str, int]:
    """How many time steps of the masked samples there are, stand still, or run backwards, and in how many files."""
    sample = np.repeat(np.arange(len(data)), data.lengths)
    inside = (sample[1:] == sample[:-1]) & mask[sample[1:]]
    step = np.diff(data.t)
    backward = inside & (step < 0)
    return {
        "all": int(inside.sum()),
        "equal": int((inside & (step == 0)).sum()),
        "backward": int(backward.sum()),
        "files_with_backward": len(np.unique(sample[1:][backward])),
    }


def _missing(spec: TrajectorySpec, data: TrajectorySet) -> list[str]:
    """Warnings about human samples without a twin and synthetic samples without the human one they come from."""
    warnings = []
    human, synthetic = data.label == HUMAN, data.label == SYNTHETIC
    orphans = synthetic & ~np.isin(data.parent, data.parent[human])
    if orphans.any():
        names = [f"{spec.synthetic_dir}/{data.names[i]}.csv" for i in np.flatnonzero(orphans)]
        warnings.append(
            f"{_few(names)}: {len(names)} synthetic {_samples(names)} without the human sample it comes from"
        )
    alone = human & ~np.isin(data.parent, data.parent[synthetic])
    if spec.twins and alone.any():
        names = [f"{spec.synthetic_dir}/{data.names[i]}.csv" for i in np.flatnonzero(alone)]
        warnings.append(f"{_few(names)} missing: {len(names)} human {_samples(names)} without its synthetic twin")
    return warnings


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _samples(names: list[str]) -> str:
    return "sample" if len(names) == 1 else "samples"
