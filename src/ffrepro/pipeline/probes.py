"""Times of short probes (``ffrepro plan --probe``), kept in a file that is not committed: they are this machine's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrepro.base import files
from ffrepro.base.errors import DataFileError
from ffrepro.pipeline.plan import Plan

FILE = ".ffrepro/probes.json"


@dataclass(frozen=True)
class Probe:
    """A run's plan and, as in a result.json, ``epochs``, ``max_epochs`` and ``time`` of what was tried of it."""

    plan: Plan
    result: dict[str, Any]


def read(root: Path, machine: str) -> list[Probe]:
    """The probes that were made on a machine.

    Raises:
        DataFileError: the file is not what ``add`` writes.
    """
    entries = _entries(root)
    return [Probe(entry["plan"], entry["result"]) for entry in entries if entry["machine"] == machine]


def add(root: Path, machine: str, probe: Probe) -> None:
    """Keep a probe, in the place of an earlier one of the same run."""
    key = (machine, probe.plan["run"])
    others = [entry for entry in _entries(root) if (entry["machine"], entry["plan"]["run"]) != key]
    entry = {"machine": machine, "plan": probe.plan, "result": probe.result}
    files.write_json(root / FILE, {"probes": [*others, entry]})


def _entries(root: Path) -> list[dict[str, Any]]:
    path = root / FILE
    if not path.is_file():
        return []
    entries = files.read_json(path).get("probes")
    if not isinstance(entries, list) or not all(map(_is_whole, entries)):
        raise DataFileError("these are no probes", where=path, fix="delete that file; `ffrepro plan --probe` makes it")
    return entries


def _is_whole(entry: object) -> bool:
    match entry:
        case {
            "machine": str(),
            "plan": {
                "run": str(), "kind": "train", "paper": str(), "experiment": str(), "variant": str(), "scale": str(),
                "hardware": str(), "dataset": str(), "source": str(), "protocol": dict(), "net": dict(), "data": dict(),
                "method": {"name": str()}, "training": {"max_epochs": int()},
            },
            "result": {
                "epochs": int(), "max_epochs": int(),
                "time": {"train_s": float() | int(), "evaluate_s": float() | int()},
            },
        }:  # fmt: skip
            return True
    return False
