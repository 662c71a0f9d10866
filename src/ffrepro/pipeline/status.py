"""What is done, failed, half done, out of date or still to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ffrepro.base import records, words
from ffrepro.base.files import read_json
from ffrepro.base.plans import migrate, result_hash
from ffrepro.base.proofs import Proofs
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.workspace import Workspace
from ffrepro.training import record_check

NOT_HERE = "not run: no such hardware here"
STATES = ("done", "stale", "bad", "partial", "failed", "todo", NOT_HERE)
_TAIL = 4000  # bytes of a log that are looked at


@dataclass(frozen=True)
class Status:
    """A run's state (one of ``STATES``) and, where it helps, why."""

    state: str
    detail: str = ""


def of_run(workspace: Workspace, plan: Plan) -> Status:
    """The state of one planned run.

    - done: a complete record of this plan; stale: a complete record of another plan (settings or code changed);
    - bad: a record that is damaged, or says what no run can have left;
    - partial: work in progress, or stopped, that the same command goes on from;
    - failed: its last log ends in an error and nothing has moved since.
    """
    root = workspace.root
    record = record_of(root, plan)
    if record.complete(plan["kind"]):
        if result_hash(record.run["plan"]) == result_hash(plan):
            return Status("done")
        return Status("stale", ", ".join(differences(record.plan, plan)))
    if record.bad is not None:
        return Status("bad", record.bad)
    if plan["hardware"] in workspace.absent:
        return Status(NOT_HERE)
    partial = records.partial(root / "runs" / plan["run"], result_hash(plan))
    log = root / "logs" / f"{plan['run']}.log"
    error = _error_in(log)
    if error and not (_newest(partial) > log.stat().st_mtime):
        return Status("failed", f"{error} (logs/{plan['run']}.log)")
    if partial.is_dir():
        epochs = _lines(partial / records.METRICS)
        return Status("partial", f"{epochs} of at most {plan['training']['max_epochs']} epochs" if epochs else "")
    return Status("todo")


@dataclass(frozen=True)
class Record:
    """A run's folder, read leniently: what is not there or unreadable is None.

    ``root``: the project's folder, where it is kept which records were found good; None: every one is checked.
    """

    folder: Path
    root: Path | None = None

    def complete(self, kind: str) -> bool:
        """Whether this is a finished record of a run of this kind."""
        return (self.folder / records.LAST).is_file() and self.bad is None and self.plan["kind"] == kind

    @cached_property
    def bad(self) -> str | None:
        """What makes a record that has its last file no evidence; None of a good one, or where there is none."""
        if not (self.folder / records.LAST).is_file():
            return None
        try:
            entry = record_check.read(self.folder)
        except OSError as error:
            return str(error)
        found = record_check.problem(entry, "/".join(self.folder.parts[-5:]), Proofs(self.root) if self.root else None)
        return f"{found.what} ({Path(str(found.where)).name})" if found else None

    @cached_property
    def run(self) -> dict[str, Any] | None:
        """run.json."""
        return _json(self.folder / "run.json")

    @cached_property
    def plan(self) -> Plan | None:
        """The plan that the record was made from, in current words; hashes are of ``run["plan"]``."""
        plan = (self.run or {}).get("plan")
        return migrate(plan) if isinstance(plan, dict) else None

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """result.json."""
        return _json(self.folder / records.LAST)

    @cached_property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


def record_of(root: Path, plan: Plan, place: str = "runs") -> Record:
    """The folder of a planned run: the one of its name, unless only one of an older name holds a finished record.

    Args:
        place: where records lie, from the project's folder.
    """
    found = [Record(root / place / run, root) for run in (plan["run"], *words.older_runs(plan))]
    complete = (record for record in found if record.complete(plan["kind"]))
    return next(complete, next((record for record in found if record.bad), found[0]))


def differences(old: Plan, new: Plan) -> list[str]:
    """Keys that decide numbers and differ between two plans: ``training.lr``, ``code``."""
    flat_old, flat_new = flatten(old), flatten(new)
    keys = [key for key in {**flat_old, **flat_new} if key.partition(".")[0] not in ("origin", "tags")]
    return [key for key in keys if flat_old.get(key) != flat_new.get(key)]


def flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as dotted key -> value."""
    flat = {}
    for key, entry in value.items():
        if isinstance(entry, dict):
            flat |= flatten(entry, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = entry
    return flat


def _json(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def _error_in(log: Path) -> str | None:
    """The error that a log ends with, if it does: ffrepro's own line, or the last line of a traceback."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if line.startswith("ffrepro: error: "):
            return line.removeprefix("ffrepro: error: ")
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else None


def _newest(folder: Path) -> float:
    return max((path.stat().st_mtime for path in folder.iterdir()), default=0.0) if folder.is_dir() else 0.0


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
