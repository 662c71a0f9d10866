"""How long, how much memory, how much disk: from finished records, of runs like it, else a probe, else unknown.

A probe of this machine comes before a committed one, which may be another machine's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import mean

from ffrepro.base import words
from ffrepro.pipeline import hardware, probes, similar
from ffrepro.pipeline.jobs import archives_of, prepared, raw_files
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.probes import Probe
from ffrepro.pipeline.status import Record
from ffrepro.pipeline.workspace import Workspace

_PLACES = ("runs", "reports/reference")


@dataclass(frozen=True)
class Estimate:
    """Seconds and where they come from; MB of memory; KB of disk for the record. None: unknown."""

    seconds: float | None
    source: str
    memory_mb: float | None
    disk_kb: float | None


@dataclass
class Estimator:
    """Estimates for the runs of a workspace.

    Attributes:
        committed: by committed records and probes alone, so that every checkout says the same.
    """

    workspace: Workspace
    committed: bool = False
    _seen: dict[str, list[Record]] = field(default_factory=dict)
    _of_hardware: dict[str, list[Record]] = field(default_factory=dict)

    @cached_property
    def probes(self) -> list[Probe]:
        """What was tried on this machine.

        Raises:
            DataFileError: their file cannot be read.
        """
        return [] if self.committed else probes.read(self.workspace.root, hardware.this_machine().cpu)

    @cached_property
    def committed_probes(self) -> list[Probe]:
        """What was tried on the machines whose times are committed.

        Raises:
            DataFileError: their file cannot be read.
        """
        return probes.committed(self.workspace.root)

    def learn(self, probe: Probe) -> None:
        """Keep a new probe, here and for later commands."""
        known = self.probes
        probes.add(self.workspace.root, hardware.this_machine().cpu, probe)
        known.append(probe)

    def keep(self) -> int:
        """Put this machine's probes among the committed ones; how many there are then."""
        return probes.keep(self.workspace.root, hardware.this_machine().cpu)

    def of_run(self, plan: Plan) -> Estimate:
        """The estimate for one run."""
        records = self._siblings(plan)
        seconds, source = self._seconds(plan, records)
        peaks = [record.result.get("memory", {}).get("peak_bytes") for record in records]
        memory = max((peak / 2**20 for peak in peaks if peak), default=None)
        sizes = [record.size / 1024 for record in records or self._of_kind(plan)]
        return Estimate(seconds, source, memory, mean(sizes) if sizes else None)

    def hours(self, plan: Plan) -> float | None:
        """Hours of one run, None where unknown."""
        seconds = self.of_run(plan).seconds
        return None if seconds is None else seconds / 3600

    def data_mb(self, plans: Iterable[Plan]) -> float | None:
        """Disk of the data sets that runs need; None where they are not all here."""
        datasets = self.workspace.params.raw["datasets"]
        names = {
            path
            for dataset, source in {(plan["dataset"], plan["source"]) for plan in plans}
            for files in (
                prepared(dataset, source),
                *(raw_files(archive, source) for archive in archives_of(datasets[dataset])),
            )
            for path in files
        }
        paths = [self.workspace.root / name for name in names]
        return sum(path.stat().st_size for path in paths) / 2**20 if all(path.is_file() for path in paths) else None

    @property
    def _places(self) -> tuple[str, ...]:
        return _PLACES[1:] if self.committed else _PLACES

    def _seconds(self, plan: Plan, records: list[Record]) -> tuple[float | None, str]:
        measured = [seconds for seconds in map(duration, records) if seconds is not None]
        if measured:
            return mean(measured), f"mean of {len(measured)} finished"
        found = self._like(plan, self._on(plan["hardware"]))
        if found is not None:
            return found
        for source, tried in (("a probe", self.probes), ("a committed probe", self.committed_probes)):
            found = self._like(plan, tried)
            if found is not None:
                return found[0], source
        return None, "unknown"

    def _like(self, plan: Plan, records: list[Record] | list[Probe]) -> tuple[float, str] | None:
        raw = self.workspace.params.raw
        counted = {name: entry["train_samples"] for name, entry in raw["datasets"].items() if "train_samples" in entry}
        return similar.seconds(
            plan, records, base=self._base, samples=counted, scales=list(raw["scales"]), took=duration
        )

    def _of_kind(self, plan: Plan) -> list[Record]:
        """Every finished record of the plan's kind and hardware."""
        return [record for record in self._on(plan["hardware"]) if record.plan["kind"] == plan["kind"]]

    def _base(self, plan: Plan) -> str | None:
        """The declared variant that a plan's variant is, or is a grid point of."""
        study = self.workspace.params.raw["papers"].get(plan["paper"], {"variants": {}})
        return _declared(plan["variant"], study["variants"])

    def _on(self, hardware: str) -> list[Record]:
        """Every finished record of a hardware profile."""
        if hardware not in self._of_hardware:
            places = [self.workspace.root / place for place in self._places]
            folders = [folder for place in places for folder in sorted(place.glob(f"*/{hardware}/*/*/seed*"))]
            records = [record for record in self._records(folders) if record.plan is not None]
            self._of_hardware[hardware] = [record for record in records if record.complete(record.plan["kind"])]
        return self._of_hardware[hardware]

    def _records(self, folders: Iterable[Path]) -> Iterator[Record]:
        return (Record(folder, self.workspace.root) for folder in folders)

    def _siblings(self, plan: Plan) -> list[Record]:
        """Finished records of the same experiment and variant, at this scale and hardware, of any seed."""
        key = plan["run"].rpartition("/")[0]
        if key not in self._seen:
            names = [run.rpartition("/")[0] for run in (plan["run"], *words.older_runs(plan))]
            places = [self.workspace.root / place / name for place in self._places for name in names]
            folders = [folder for place in places for folder in sorted(place.glob("seed*"))]
            self._seen[key] = [record for record in self._records(folders) if record.complete(plan["kind"])]
        return self._seen[key]


def duration(record: Record | Probe) -> float | None:
    """Seconds that a run took: training and evaluation; where it does not say, from its first to its last second."""
    time = record.result.get("time")
    if time:
        return time["train_s"] + time["evaluate_s"]
    try:
        started, finished = (datetime.fromisoformat(record.run[key]) for key in ("started", "finished"))
        return (finished - started).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Totals:
    """Sums over runs that are still to do: seconds of the known ones, how many are unknown, the longest."""

    runs: int
    seconds: float
    unknown: int
    longest: float
    memory_mb: float | None
    disk_mb: float | None


def totals(estimates: list[Estimate]) -> Totals:
    """Add up what is known; memory is the largest single run's."""
    known = [estimate.seconds for estimate in estimates if estimate.seconds is not None]
    return Totals(
        runs=len(estimates),
        seconds=sum(known),
        unknown=len(estimates) - len(known),
        longest=max(known, default=0.0),
        memory_mb=max((e.memory_mb for e in estimates if e.memory_mb is not None), default=None),
        disk_mb=sum(disks) / 1024 if (disks := [e.disk_kb for e in estimates if e.disk_kb is not None]) else None,
    )


def over_limits(workspace: Workspace, estimator: Estimator) -> list[str]:
    """Where the scale breaks its limits: a run too long, too many hours in all, a paper above its share."""
    raw, scale = workspace.params.raw, workspace.scale
    limits = raw["scales"][scale].get("limits")
    hours: dict[str, float] = {}
    findings = []
    for plan in workspace.plans:
        if plan["profile"]["device"] != "cpu":  # the limits are CPU hours
            continue
        estimate = estimator.of_run(plan)
        own = (estimate.seconds or 0.0) / 3600
        hours[plan["paper"]] = hours.get(plan["paper"], 0.0) + own
        if limits and own > limits["run_hours"]:
            findings.append(f"{plan['run']}: {own:.2f} h, a run at scale {scale} may take {limits['run_hours']} h")
    if limits and sum(hours.values()) > limits["total_hours"]:
        findings.append(f"scale {scale}: {sum(hours.values()):.1f} h in all, limit {limits['total_hours']} h")
    for paper, study in raw["papers"].items():
        limit = study.get("limit_hours", {}).get(scale)
        if limit is not None and hours.get(paper, 0.0) > limit:
            findings.append(f"{paper}: {hours[paper]:.1f} h at scale {scale}, its share is {limit} h")
    return findings


def _declared(variant: str, table: dict) -> str | None:
    """The declared variant of this name; a point of a grid (``a_theta0.5``) is of what it varies (``a``)."""
    fitting = [name for name in table if variant == name or variant.startswith(f"{name}_")]
    return max(fitting, key=len, default=None)
