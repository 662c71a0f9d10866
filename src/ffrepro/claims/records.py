"""Run records as evidence: which there are, which may be used, and which speak for a claim.

Records come from ``runs/`` (those of planned runs) and from ``reports/reference/`` (those its index lists, see
``ffrepro.claims.reference``). One is left out, with its reason, when its settings are not those of the plan any more
or it does not fulfil what is asked of committed evidence. Nothing is looked for by globbing: a run that is planned
nowhere is no evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffrepro.base import words
from ffrepro.base.errors import DataFileError
from ffrepro.base.files import read_json_lines
from ffrepro.base.plans import migrate
from ffrepro.base.proofs import Proofs
from ffrepro.base.reading import parse_json
from ffrepro.base.records import BEFORE_SHOWN, LAST
from ffrepro.base.shapes import check_lines
from ffrepro.claims import array_metrics, reference
from ffrepro.data import npz
from ffrepro.training import method_versions, record_check

SCALES = ("smoke", "lite", "paper")  # from least to most work
PLAIN = "float32"  # the precision that goes without saying
_SCALE = "scale "  # how the source of a setting begins that the scale, not the paper, asks for
ENOUGH = 3  # runs without which nothing is concluded
# What two plans may differ in and still be the same experiment: where it ran, which seed, notes, and the code.
_SAME_EXPERIMENT = ("schema", "run", "hardware", "profile", "seed", "origin", "tags", "code", "keep_weights")


@dataclass(frozen=True)
class Record:
    """One finished run, in current words whatever its files say."""

    folder: Path
    about: dict[str, Any]
    result: dict[str, Any]
    committed: bool

    @property
    def plan(self) -> dict[str, Any]:
        return self.about["plan"]

    @property
    def run(self) -> str:
        return self.plan["run"]

    @property
    def standin(self) -> bool:
        return self.about["data"]["source"] == "standin"

    @property
    def dirty(self) -> bool:
        """Whether it is of real data and of code that no commit holds; not known of an archive: taken for clean."""
        return bool(self.about["git"]["dirty"]) and not self.standin

    @property
    def train_samples(self) -> int | None:
        """How many training samples the run had, None where it had all of them."""
        return self.plan.get("data", {}).get("train_samples")

    @property
    def cut_to(self) -> int | None:
        """``train_samples`` where the scale cut the run down; None where the paper's own protocol has so few."""
        source = self.plan.get("origin", {}).get("data.train_samples", _SCALE)
        return self.train_samples if source.startswith(_SCALE) else None

    @property
    def shown(self) -> tuple[str, ...]:
        """Test metrics that stand in tables of runs: those that its task names, of an older record ``BEFORE_SHOWN``."""
        return tuple(f"test/{name}" for name in self.result.get("shown", BEFORE_SHOWN))

    @property
    def precision(self) -> str:
        """Of the hardware profile that it ran under: ``float32``, ``bfloat16_mixed``."""
        return self.plan["profile"]["precision"]

    @property
    def other_version(self) -> str | None:
        """``made by version 1 of ff_rnn, now 2``; None where the current methods give this record's numbers."""
        changed = method_versions.changes(self.about)
        return method_versions.describe(changed) if changed else None

    def value(self, metric: str, row: str | None = None) -> float | None:
        """A number of the result, None where the run has none of that name.

        Args:
            metric: ``test/accuracy`` and the like, ``time/...``, ``memory/...``, ``epochs``, ``bench/<column>``, or
                what follows from its arrays (``ffrepro.claims.array_metrics``).
            row: whose row, for a bench.
        """
        group, _, name = metric.partition("/")
        if metric.startswith(array_metrics.PREFIX):
            return array_metrics.value(self.arrays(), metric)
        if group == "bench":
            return next((found for found in self.result.get("rows", []) if found["name"] == row), {}).get(name)
        if group in ("time", "memory"):
            return self.result.get(group, {}).get(name)
        return self.result.get("metrics", {}).get(metric) if name else self.result.get(metric)

    def capped_at(self, budget: int) -> int | None:
        """The number of epochs at which the run was cut short, None if it ended by itself or had ``budget``."""
        cut = self.result.get("stopped_by") == "max_epochs" and self.result["max_epochs"] < budget
        return self.result["max_epochs"] if cut else None

    def metrics(self) -> list[dict[str, Any]]:
        """Its epochs.

        Raises:
            DataFileError: they cannot be read, with the line.
        """
        path = self.folder / "metrics.jsonl"
        lines = read_json_lines(path)
        check_lines(lines, path)
        return [words.translate_names(self.plan, line) for line in lines]

    def arrays(self) -> dict[str, np.ndarray]:
        """Its per-sample arrays, none where the run left none.

        Raises:
            DataFileError: they cannot be read.
        """
        path = self.folder / "arrays.npz"
        if not path.is_file():
            return {}
        found = npz.load(path, fix="remove the run's folder and run it again, or import its record again")
        return words.translate_names(self.plan, found)


@dataclass(frozen=True)
class Evidence:
    """Runs of one experiment and variant that differ by seed alone."""

    records: tuple[Record, ...]

    @property
    def scale(self) -> str:
        return self.records[0].plan["scale"]

    @property
    def hardware(self) -> str:
        return self.records[0].plan["hardware"]

    @property
    def train_samples(self) -> int | None:
        """How many training samples the runs had, None where they had all of them."""
        return self.records[0].train_samples

    @property
    def cut_to(self) -> int | None:
        """How many training samples the scale cut the runs down to."""
        return self.records[0].cut_to

    @property
    def reduced(self) -> str | None:
        """The precision of runs that were not computed in float32 throughout, None where all were."""
        return ", ".join(dict.fromkeys(r.precision for r in self.records if r.precision != PLAIN)) or None

    @property
    def standin(self) -> bool:
        return any(record.standin for record in self.records)

    @property
    def dirty(self) -> bool:
        return any(record.dirty for record in self.records)

    def __len__(self) -> int:
        return len(self.records)


class Store:
    """The records of the planned runs, and the committed ones.

    Args:
        root: the project's folder.
        plans: content of the plan files, of every scale that may serve as evidence.
        hardware: profiles in order of preference; empty: no preference.
        local: whether records under ``runs/`` count beside the committed ones.

    Attributes:
        left_out: (run, reason) of records that may not be used.
        bad: those of them that no run can have left, or that lost something: somebody has to look at them.
    """

    def __init__(self, root: str | Path, plans: Iterable[dict], hardware: Iterable[str] = (), *, local: bool = True):
        self.root = Path(root)
        self.plans = {plan["run"]: plan for plan in plans}
        self.hardware = list(hardware)
        self.left_out: list[tuple[str, str]] = []
        self.bad: list[tuple[str, str]] = []
        self._proofs = Proofs(root)
        self._planned = {_experiment_key(plan): plan for plan in self.plans.values()}
        self.records = {record.run: record for record in [*self._committed(), *(self._local() if local else ())]}
        # A report asks thousands of times, of thousands of plans and records.
        self._plans_of = _grouped(self.plans.values(), lambda plan: plan["experiment"])
        self._records_of = _grouped(self.records.values(), lambda r: (r.plan["experiment"], r.plan["variant"]))
        committed = (record for record in self.records.values() if record.committed)
        self._committed_of = _grouped(committed, lambda r: (r.plan["experiment"], r.plan["scale"]))

    def planned(self, experiment: str, variant: str | None = None, scale: str | None = None) -> list[dict]:
        """Plan files of an experiment."""
        plans = self._plans_of.get(experiment, [])
        return [p for p in plans if variant in (None, p["variant"]) and scale in (None, p["scale"])]

    def committed_on(self, experiment: str, scale: str, devices: Container[str]) -> set[str]:
        """The hardware profiles, of some devices, on which the committed runs of an experiment were made."""
        plans = [record.plan for record in self._committed_of.get((experiment, scale), [])]
        return {plan["hardware"] for plan in plans if plan["profile"]["device"] in devices}

    def missing(self, scale: str) -> list[str]:
        """Runs of a scale, planned on the preferred hardware, without a usable record."""
        return [run for run in self.wanted(scale) if run not in self.records]

    def wanted(self, scale: str) -> list[str]:
        """Runs of a scale that are planned on the preferred hardware."""
        plans = self.plans.values()
        return [p["run"] for p in plans if p["scale"] == scale and p["hardware"] in (self.hardware or [p["hardware"]])]

    def groups(self, experiment: str, variant: str) -> list[Evidence]:
        """All evidence, by scale and hardware, in no particular order."""
        by_place: dict[tuple[str, str], list[Record]] = {}
        for record in self._records_of.get((experiment, variant), []):
            by_place.setdefault((record.plan["scale"], record.plan["hardware"]), []).append(record)
        return [Evidence(tuple(sorted(found, key=lambda r: r.plan["seed"]))) for found in by_place.values()]

    def at_scale(self, experiment: str, variant: str, scale: str) -> Evidence | None:
        """The evidence of one scale; of several machines, one with enough runs, then the preferred one."""
        return self._first((group for group in self.groups(experiment, variant) if group.scale == scale), ENOUGH)

    def best(self, experiment: str, variant: str, enough: int = ENOUGH) -> Evidence | None:
        """The best evidence there is: real data before stand-ins, enough runs before too few, then the larger scale.

        Runs from a checkout with uncommitted changes are none.
        """
        clean = [tuple(r for r in group.records if not r.dirty) for group in self.groups(experiment, variant)]
        return self._first((Evidence(records) for records in clean if records), enough)

    def has_dirty(self, experiment: str, variant: str) -> bool:
        """Whether runs exist that are no evidence, since no commit holds their code."""
        return any(group.dirty for group in self.groups(experiment, variant))

    def of_scale(self, scale: str) -> list[Record]:
        """All records of a scale, in the order of their names."""
        return sorted((r for r in self.records.values() if r.plan["scale"] == scale), key=lambda record: record.run)

    def _first(self, groups: Iterable[Evidence], enough: int) -> Evidence | None:
        def order(group: Evidence) -> tuple:
            preferred = self.hardware.index(group.hardware) if group.hardware in self.hardware else len(self.hardware)
            scale = SCALES.index(group.scale)
            return (group.standin, len(group) < enough, -scale, preferred, -len(group), group.hardware)

        return min(groups, key=order, default=None)

    def _local(self) -> Iterator[Record]:
        # One walk: there are ten times as many plans, of all scales and profiles, as anyone has records.
        runs = self.root / "runs"
        finished = {path.parent.relative_to(runs).as_posix() for path in runs.rglob(LAST)}
        for run, plan in self.plans.items():
            name = next((name for name in [run, *words.older_runs(plan)] if name in finished), None)
            if name is not None:
                record = self._read(run, runs / name, committed=False)
                if record is not None and self._fits(record, plan):
                    yield record

    def _committed(self) -> Iterator[Record]:
        wrong = reference.problems(self.root)
        for run, reasons in wrong.items():
            self._leave_out(run, f"committed record: {'; '.join(reasons)}", bad=True)
        for run in sorted(set(reference.index(self.root)) - set(wrong)):
            record = self._read(run, self.root / reference.FOLDER / run, committed=True)
            if record is None:
                continue
            plan = self._planned.get(_experiment_key(record.plan))
            if plan is None:
                self._leave_out(run, "params.yaml does not declare it any more")
            elif self._fits(record, plan):
                yield record

    def _read(self, run: str, folder: Path, *, committed: bool) -> Record | None:
        """A record, None where it cannot be used; ``run``: what is planned, under whichever name its folder has."""
        try:
            # ``reference.problems`` saw the committed ones
            return read(folder, None if committed else self._proofs, committed=committed)
        except DataFileError as error:
            self._leave_out(run, f"{error.what} ({Path(str(error.where)).name})", bad=True)
        except (OSError, KeyError) as error:
            self._leave_out(run, f"the record cannot be read ({type(error).__name__}: {error})", bad=True)
        return None

    def _leave_out(self, run: str, reason: str, *, bad: bool = False) -> None:
        self.left_out.append((run, reason))
        self.bad += [(run, reason)] * bad

    def _fits(self, record: Record, plan: dict) -> bool:
        changed = differences(record.plan, plan)
        if changed:
            self._leave_out(record.run, f"its settings are not the plan's: {', '.join(changed)}")
        return not changed


def read(folder: Path, proofs: Proofs | None, *, committed: bool) -> Record:
    """A record in current words.

    Args:
        proofs: of the records that were found good before; None: the record was checked already.

    Raises:
        DataFileError: it is not what its run can have left. OSError: a file of it cannot be read.
    """
    entry = record_check.read(folder)
    if proofs is not None:
        record_check.check(entry, name_of(folder), proofs)
    about, result = (parse_json(entry[name], folder / name) for name in ("run.json", LAST))
    plan = migrate(about["plan"])
    if "metrics" in result:
        result["metrics"] = words.translate_names(plan, result["metrics"])
    return Record(folder, about | {"plan": plan}, result, committed)


def differences(recorded: dict, planned: dict) -> list[str]:
    """The settings in which two plan files are different experiments, as ``training.max_epochs``."""
    recorded, planned = migrate(recorded), migrate(planned)
    found = []
    for key in dict.fromkeys([*recorded, *planned]):
        if key in _SAME_EXPERIMENT or recorded.get(key) == planned.get(key):
            continue
        old, new = recorded.get(key), planned.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [f"{key}.{name}" for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
        else:
            found.append(key)
    return found


def _grouped(entries: Iterable[Any], key: Callable[[Any], Hashable]) -> dict[Hashable, list]:
    found: dict[Hashable, list] = {}
    for entry in entries:
        found.setdefault(key(entry), []).append(entry)
    return found


def name_of(folder: Path) -> str:
    """The run that a record's folder is of."""
    return "/".join(folder.parts[-5:])


def _experiment_key(plan: dict) -> tuple[str, str, str]:
    return plan["scale"], plan["experiment"], plan["variant"]
