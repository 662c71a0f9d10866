"""How long, how much memory, how much disk: from finished records, of runs like it, else workflow/estimates.yaml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from statistics import mean

from ffrepro.base import words, yamlfile
from ffrepro.pipeline import schema, similar
from ffrepro.pipeline.jobs import archives_of, prepared, raw_files
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record
from ffrepro.pipeline.workspace import Workspace

TABLE = "workflow/estimates.yaml"
ANY = "any"  # in the table: every data set, every variant that is not named
_NUMBER = {"type": "number", "minimum": 0}
_NUMBERS = {"type": "object", "additionalProperties": _NUMBER}
_FORM = {
    "type": "object",
    "required": ["train_samples", "seconds_per_epoch", "start_seconds", "memory_mb", "record_kb", "dataset_mb"],
    "properties": {
        "never_measured": {"type": "array", "items": {"type": "string"}},
        "train_samples": _NUMBERS,
        "seconds_per_epoch": {  # hardware -> source -> data set -> variant
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": "object", "additionalProperties": _NUMBERS},
            },
        },
        "start_seconds": _NUMBER,
        "memory_mb": _NUMBER,
        "record_kb": _NUMBERS | {"required": ["train", "sklearn_baseline", "bench"]},
        "dataset_mb": _NUMBERS | {"required": ["standin", "upstream"]},
    },
}
_PLACES = ("runs", "reports/reference")


@dataclass(frozen=True)
class Estimate:
    """Seconds (None: unknown) and where they come from; MB of memory; KB of disk for the record."""

    seconds: float | None
    source: str
    memory_mb: float
    disk_kb: float


@dataclass
class Estimator:
    """Estimates for the runs of a workspace."""

    workspace: Workspace
    _seen: dict[str, list[Record]] = field(default_factory=dict)
    _of_hardware: dict[str, list[Record]] = field(default_factory=dict)

    @cached_property
    def table(self) -> dict:
        """workflow/estimates.yaml.

        Raises:
            FfreproError: it cannot be read, or an entry is missing or no number.
        """
        table, lines = yamlfile.load(self.workspace.root / TABLE)
        schema.raise_problems(schema.check(table, _FORM), TABLE, lines)
        return table

    def of_run(self, plan: Plan) -> Estimate:
        """The estimate for one run."""
        records = self._siblings(plan)
        seconds, source = self._seconds(plan, records)
        peaks = [record.result.get("memory", {}).get("peak_bytes") for record in records]
        memory = max([self.table["memory_mb"], *(peak / 2**20 for peak in peaks if peak)])
        disk = mean(record.size for record in records) / 1024 if records else self.table["record_kb"][plan["kind"]]
        return Estimate(seconds, source, memory, disk)

    def hours(self, plan: Plan) -> float | None:
        """Hours of one run, None where unknown."""
        seconds = self.of_run(plan).seconds
        return None if seconds is None else seconds / 3600

    def data_mb(self, plans: Iterable[Plan]) -> float:
        """Disk of the data sets that runs need: of what is there its size, of the rest the table's figure."""
        raw = self.workspace.params.raw
        needed = {(tuple(archives_of(raw["datasets"][plan["dataset"]])), plan["source"]) for plan in plans}
        total = 0.0
        for archives, source in needed:
            names = [name for name, entry in raw["datasets"].items() if tuple(archives_of(entry)) == archives]
            paths = [path for archive in archives for path in raw_files(archive, source)]
            paths += [path for name in names for path in prepared(name, source)]
            sizes = [
                (self.workspace.root / path).stat().st_size for path in paths if (self.workspace.root / path).is_file()
            ]
            total += sum(sizes) / 2**20 if len(sizes) == len(paths) else self.table["dataset_mb"][source]
        return total

    def _seconds(self, plan: Plan, records: list[Record]) -> tuple[float | None, str]:
        measured = [seconds for seconds in map(duration, records) if seconds is not None]
        if measured:
            return mean(measured), f"mean of {len(measured)} finished"
        found = similar.seconds(
            plan,
            self._on(plan["hardware"]),
            base=self._base,
            samples=self.table["train_samples"],
            scales=list(self.workspace.params.raw["scales"]),
            took=duration,
        )
        if found is not None:
            return self.table["start_seconds"] + found[0], found[1]
        return self._from_table(plan)

    def _from_table(self, plan: Plan) -> tuple[float | None, str]:
        table = self.table["seconds_per_epoch"]
        hardware = plan["hardware"] if plan["hardware"] in table else plan["profile"]["device"]
        of_source = table.get(hardware, {}).get(plan["source"], {})
        by_variant = of_source.get(plan["dataset"], of_source.get(ANY, {}))
        name = _declared(plan["variant"], by_variant)
        if name is None:
            return None, "unknown"
        label = "estimate" if hardware == plan["hardware"] else f"estimate for {hardware}"
        label += ", never measured" if hardware in self.table.get("never_measured", []) else ""
        return self.table["start_seconds"] + self._units(plan) * by_variant[name], label

    def _units(self, plan: Plan) -> float:
        """What the table's number is of: epochs over the whole training part, a baseline, a bench or its image."""
        if plan["kind"] == "bench":
            return plan["bench"].get("bench_images", 1)
        if plan["kind"] == "sklearn_baseline":
            return 1
        part, whole = plan["data"].get("train_samples"), self.table["train_samples"].get(plan["dataset"])
        share = part / whole if part and whole else 1
        return share * (plan["training"]["max_epochs"] + similar.head_epochs(plan))

    def _base(self, plan: Plan) -> str | None:
        """The declared variant that a plan's variant is, or is a grid point of."""
        study = self.workspace.params.raw["papers"].get(plan["paper"], {"variants": {}})
        return _declared(plan["variant"], study["variants"])

    def _on(self, hardware: str) -> list[Record]:
        """Every finished record of a hardware profile."""
        if hardware not in self._of_hardware:
            places = [self.workspace.root / place for place in _PLACES]
            folders = [folder for place in places for folder in sorted(place.glob(f"*/{hardware}/*/*/seed*"))]
            records = [record for record in map(Record, folders) if record.plan is not None]
            self._of_hardware[hardware] = [record for record in records if record.complete(record.plan["kind"])]
        return self._of_hardware[hardware]

    def _siblings(self, plan: Plan) -> list[Record]:
        """Finished records of the same experiment and variant, at this scale and hardware, of any seed."""
        key = plan["run"].rpartition("/")[0]
        if key not in self._seen:
            names = [run.rpartition("/")[0] for run in (plan["run"], *words.older_runs(plan))]
            places = [self.workspace.root / place / name for place in _PLACES for name in names]
            folders = [folder for place in places for folder in sorted(place.glob("seed*"))]
            self._seen[key] = [record for record in map(Record, folders) if record.complete(plan["kind"])]
        return self._seen[key]


def duration(record: Record) -> float | None:
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
    memory_mb: float
    disk_mb: float


def totals(estimates: list[Estimate]) -> Totals:
    """Add estimates up; memory is the largest single run's."""
    known = [estimate.seconds for estimate in estimates if estimate.seconds is not None]
    return Totals(
        runs=len(estimates),
        seconds=sum(known),
        unknown=len(estimates) - len(known),
        longest=max(known, default=0.0),
        memory_mb=max((estimate.memory_mb for estimate in estimates), default=0.0),
        disk_mb=sum(estimate.disk_kb for estimate in estimates) / 1024,
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
    """The table's entry for a variant; a point of a grid (``a_theta0.5``) falls back on what it varies (``a``)."""
    fitting = [name for name in table if variant == name or variant.startswith(f"{name}_")]
    return max(fitting, key=len, default=ANY if ANY in table else None)
