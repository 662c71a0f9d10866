"""Times of short probes (``ffrepro plan --probe``), this machine's in a file that is not committed.

Those in another file are: they say what the runs that nobody has made yet would cost on a machine that is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ffrepro.base import files
from ffrepro.base.errors import DataFileError
from ffrepro.pipeline.plan import Plan

FILE = ".ffrepro/probes.json"
COMMITTED = "reports/reference/times.json"
KINDS = ("train", "search")
"""Kinds of runs that learn in epochs, so that one tells how long all of them take."""
_KEPT = (
    "run", "kind", "paper", "experiment", "variant", "scale", "hardware", "dataset", "source", "protocol", "net",
    "data", "method", "training", "search",
)  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """A run's plan and, as in a result.json, ``epochs``, ``max_epochs`` and ``time`` of what was tried of it.

    Attributes:
        machine: where.
    """

    plan: Plan
    result: dict[str, Any]
    machine: str = ""


def read(root: Path, machine: str) -> list[Probe]:
    """The probes that were made on a machine.

    Raises:
        DataFileError: the file is not what ``add`` writes.
    """
    return [probe for probe in _probes(root / FILE) if probe.machine == machine]


def committed(root: Path) -> list[Probe]:
    """The committed probes, of whatever machine.

    Raises:
        DataFileError: the file is not what ``keep`` writes.
    """
    return _probes(root / COMMITTED)


def add(root: Path, machine: str, probe: Probe) -> None:
    """Keep a probe, in the place of an earlier one of the same run."""
    _add(root / FILE, [Probe(probe.plan, probe.result, machine)])


def keep(root: Path, machine: str) -> int:
    """Put this machine's probes among the committed ones; how many there are then.

    Raises:
        DataFileError: one of the two files is none of probes.
    """
    return _add(root / COMMITTED, read(root, machine))


def _add(path: Path, probes: list[Probe]) -> int:
    own = {(probe.machine, probe.plan["run"]): probe for probe in [*_probes(path), *probes]}
    entries = []
    for (machine, _), probe in sorted(own.items(), key=lambda entry: entry[0]):
        plan = {key: probe.plan[key] for key in _KEPT if key in probe.plan}
        entries.append({"machine": machine, "plan": plan, "result": probe.result})
    files.write_json(path, {"probes": entries})
    return len(entries)


def _probes(path: Path) -> list[Probe]:
    if not path.is_file():
        return []
    entries = files.read_json(path).get("probes")
    if not isinstance(entries, list) or not all(map(_is_whole, entries)):
        raise DataFileError("these are no probes", where=path, fix="delete that file; `ffrepro plan --probe` makes it")
    return [Probe(entry["plan"], entry["result"], entry["machine"]) for entry in entries]


def _is_whole(entry: object) -> bool:
    match entry:
        case {
            "machine": str(),
            "plan": {
                "run": str(), "kind": str(), "paper": str(), "experiment": str(), "variant": str(), "scale": str(),
                "hardware": str(), "dataset": str(), "source": str(), "protocol": dict(), "net": dict(), "data": dict(),
                "method": {"name": str()}, "training": {"max_epochs": int()},
            },
            "result": {
                "epochs": int(), "max_epochs": int(),
                "time": {"train_s": float() | int(), "evaluate_s": float() | int()},
            },
        }:  # fmt: skip
            return entry["plan"]["kind"] in KINDS
    return False
