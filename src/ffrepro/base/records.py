"""A run's folder: the files of its record, when they count as one, how they say some things, and its lock."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

METRICS, LAST, WEIGHTS = "metrics.jsonl", "result.json", "weights.pt"  # LAST is written last
RECORD = {  # by kind of run
    "train": ("run.json", METRICS, LAST, "arrays.npz"),
    "sklearn_baseline": ("run.json", LAST, "arrays.npz"),
    "bench": ("run.json", LAST),
    "search": ("run.json", LAST),
}
COMMANDS = {  # that make it from the run's plan file
    "train": "ffrepro train",
    "sklearn_baseline": "ffrepro baseline",
    "bench": "ffrepro bench --plan",
    "search": "ffrepro search",
}
BEFORE_SHOWN = ("accuracy", "auc")  # metrics worth a column, of records made before tasks named them
COUNTED = "profiler: allocator events"  # how a bench says that it added up the bytes that PyTorch asked for
_PARTIAL = re.compile(r"\.partial-[0-9a-f]+")


def finite(value: float | None) -> float | None:
    """A number as JSON can hold it: None where it is none."""
    return value if value is not None and math.isfinite(value) else None


def files_of(plan: dict[str, Any]) -> tuple[str, ...]:
    """The files that a planned run leaves: of its record, and the weights where the plan keeps them."""
    return (*RECORD[plan["kind"]], *([WEIGHTS] if plan.get("keep_weights") else []))


def flaw(folder: Path, kind: str, result: Any) -> str | None:
    """What keeps a folder from being a finished record of this kind, None where nothing does.

    Args:
        result: content of its result.json.
    """
    missing = [name for name in RECORD[kind] if not (folder / name).is_file()]
    if missing:
        return f"{', '.join(missing)} missing"
    return metrics_flaw((folder / METRICS).read_bytes(), result) if METRICS in RECORD[kind] else None


def metrics_flaw(metrics: bytes, result: Any) -> str | None:
    """What makes the epochs of a metrics.jsonl others than those of a result, None where they are the same."""
    epochs = result.get("epochs") if isinstance(result, dict) else None
    lines = metrics.count(b"\n")
    if lines == epochs and metrics.endswith(b"\n"):
        return None
    return f"{lines} whole lines in {METRICS}, {epochs} epochs in {LAST}"


def partial(folder: Path, plan_sha256: str) -> Path:
    """Where a run in progress keeps its work; the name carries the plan, so that no other plan goes on from it."""
    return folder / f".partial-{plan_sha256[:12]}"


def partials(folder: Path) -> list[Path]:
    """The partial folders of a run, whatever their plans."""
    return [path for path in sorted(folder.glob(".partial-*")) if _PARTIAL.fullmatch(path.name)]


def lock(folder: Path) -> Path:
    """The lock of whoever writes into a run's folder: beside it, so that the folder holds the record alone."""
    return folder.with_name(f".{folder.name}.lock")
