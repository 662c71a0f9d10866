"""The stroke plans of a data set's human samples, and the file that keeps them.

The file is an uncompressed .npz of plain arrays (about 400 bytes a gesture) beside a manifest of the same name with
.json, which lists every sample without a plan with the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.data import npz
from ffrepro.data.prepared import fingerprint
from ffrepro.data.trajectory_set import TrajectorySet
from ffrepro.kinematics.extraction import Extracted
from ffrepro.kinematics.lognormal import Plan

FORMAT = 1

STROKES = np.float32  # what parameters of strokes are kept in

_ARRAYS = dict.fromkeys(Plan._fields, STROKES) | {
    "offsets": np.int64,
    "index": np.int64,
    "start": np.float64,
    "seconds": np.float64,
    "snr_v": np.float32,
    "snr_t": np.float32,
}


@dataclass(frozen=True)
class PlanSet:
    """Plans of P samples with M strokes in all.

    Attributes:
        t0, mu, sigma, d, theta_s, theta_e: float32 (M,), see ``ffrepro.kinematics.lognormal.Plan``.
        offsets: int64 (P + 1,); plan i has the strokes ``offsets[i]:offsets[i + 1]``.
        index: int64 (P,), growing: which sample of the prepared set each plan is of.
        start: float64 (P, 2), where the movement starts. seconds: float64 (P,), how long its reference signal lasts.
        snr_v, snr_t: float32 (P,), dB.
        manifest: ``format, dataset, source, data_fingerprint, settings, counts, quality, bad`` ([{index, sample,
            reason}]), ``fingerprint``.
    """

    t0: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray
    d: np.ndarray
    theta_s: np.ndarray
    theta_e: np.ndarray
    offsets: np.ndarray
    index: np.ndarray
    start: np.ndarray
    seconds: np.ndarray
    snr_v: np.ndarray
    snr_t: np.ndarray
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def strokes(self) -> np.ndarray:
        """int64 (P,)."""
        return np.diff(self.offsets)

    def plan(self, number: int) -> Plan:
        """Plan ``number``, in float64."""
        rows = slice(self.offsets[number], self.offsets[number + 1])
        return Plan(*(torch.from_numpy(getattr(self, name)[rows].astype(np.float64)) for name in Plan._fields))


def collect(
    data: TrajectorySet, samples: np.ndarray, found: list[Extracted | str], settings: dict[str, Any]
) -> PlanSet:
    """A set of plans with its manifest.

    Args:
        data: the prepared set. samples: (n,), growing: which of its samples were tried.
        found: for each of them its plan, or why there is none.
        settings: of the extraction, for the manifest.
    """
    good = [(index, result) for index, result in zip(samples, found, strict=True) if not isinstance(result, str)]
    bad = [(int(index), result) for index, result in zip(samples, found, strict=True) if isinstance(result, str)]
    plans = [result.plan for _, result in good]
    counts = [len(plan.t0) for plan in plans]
    arrays = {
        name: np.concatenate([np.empty(0), *(getattr(plan, name).numpy() for plan in plans)]) for name in Plan._fields
    } | {
        "offsets": np.r_[0, np.cumsum(counts)],
        "index": np.array([index for index, _ in good]),
        "start": np.array([result.start.numpy() for _, result in good]).reshape(-1, 2),
        "seconds": np.array([result.seconds for _, result in good]),
        "snr_v": np.array([result.quality.snr_v for _, result in good]),
        "snr_t": np.array([result.quality.snr_t for _, result in good]),
    }
    arrays = {name: np.ascontiguousarray(arrays[name], dtype) for name, dtype in _ARRAYS.items()}
    manifest = {
        "format": FORMAT,
        "dataset": data.manifest["dataset"],
        "source": data.manifest["source"],
        "data_fingerprint": data.manifest["fingerprint"],
        "settings": settings,
        "counts": {"samples": len(samples), "plans": len(good), "strokes": int(sum(counts))},
        "quality": {
            name: {"median": _percentile(arrays[name], 50), "p5": _percentile(arrays[name], 5)}
            for name in ("snr_v", "snr_t")
        },
        "bad": [{"index": index, "sample": data.names[index], "reason": reason} for index, reason in bad],
        "fingerprint": fingerprint(arrays),
    }
    return PlanSet(**arrays, manifest=manifest)


def _percentile(values: np.ndarray, percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 2) if len(values) else None


def save(plans: PlanSet, path: str | Path) -> None:
    """Write the arrays to ``path`` and the manifest beside it, each atomically, the manifest last."""
    path = Path(path)
    with files.atomic_writer(path) as file:
        np.savez(file, **{name: getattr(plans, name) for name in _ARRAYS})
    files.write_json(path.with_suffix(".json"), plans.manifest)


def load(path: str | Path, data: TrajectorySet | None = None) -> PlanSet:
    """Read a set of plans.

    Args:
        path: the .npz, ``<source>/<dataset>.npz``; its manifest is beside it.
        data: the prepared set that the plans must be of.

    Raises:
        FfreproError: a file is missing, damaged, of another format, the two do not belong together, or the plans are
            of other data.
    """
    path = Path(path)
    fix = f"extract them: ffrepro kinematics plan {path.stem} --source {path.parent.name}"
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            raise FfreproError(f"no plans of {path.stem!r}", where=needed, fix=fix)
    try:
        manifest = files.read_json(path.with_suffix(".json"))
        arrays = npz.read(path, _ARRAYS)
        npz.require(arrays, {name: (dtype, 2 if name == "start" else 1) for name, dtype in _ARRAYS.items()})
        _check(arrays)
        version, stamp, made_from = manifest["format"], manifest["fingerprint"], manifest["data_fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise FfreproError(f"the file of plans is damaged ({error})", where=path, fix=fix) from error
    if version != FORMAT:
        raise FfreproError(f"plans of format {version}, this version reads {FORMAT}", where=path, fix=fix)
    if fingerprint(arrays) != stamp:
        raise FfreproError("the plans and their manifest do not belong together", where=path, fix=fix)
    if data is not None and (made_from != data.manifest["fingerprint"] or arrays["index"].max(initial=-1) >= len(data)):
        raise FfreproError("the plans were extracted from other data", where=path, fix=fix)
    return PlanSet(**arrays, manifest=manifest)


def _check(arrays: dict[str, np.ndarray]) -> None:
    """Raise ValueError where the arrays are not those of one set of plans."""
    strokes, plans, offsets = len(arrays["t0"]), len(arrays["index"]), arrays["offsets"]
    for name, array in arrays.items():
        expected = strokes if name in Plan._fields else plans + (name == "offsets")
        if len(array) != expected:
            raise ValueError(f"{name} has {len(array):,} values, expected {expected:,}")
    if arrays["start"].shape[1] != 2 or offsets[0] != 0 or offsets[-1] != strokes or (np.diff(offsets) < 0).any():
        raise ValueError(f"the offsets do not divide {strokes:,} strokes, or the starts are no points")
    if (np.diff(arrays["index"], prepend=-1) <= 0).any():
        raise ValueError("the samples that the plans are of do not grow")
