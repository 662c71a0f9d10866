"""The one job list: what runs, from which files, and which files it leaves. Both engines are held to it.

dvc.yaml is generated from this list; the Snakemake rules say the same with wildcards, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ffrepro.base.plans import start_of
from ffrepro.base.records import COMMANDS, LAST, WEIGHTS, files_of
from ffrepro.data import views
from ffrepro.data.archives import ARCHIVES
from ffrepro.pipeline.digest import CodeDigest
from ffrepro.pipeline.plan import Plan, file_of

REPORT = ("report.html", "report.md", "results.csv", "verdicts.csv", "metrics.json", "curves.csv", "bad_records.json")
# A job that ends with 1 loses its outputs under Snakemake. The report is kept; the job `check` ends with 1.
TELL_LATER = " --exit-zero"
PLANNERS = 2  # processes that extract plans; the plans do not depend on it
PARAMS = "params.yaml"
REFERENCE = "reports/reference/index.json"
CLAIMS_SCHEMA = "workflow/schemas/claims.schema.yaml"


@dataclass(frozen=True)
class Job:
    """One command. Paths are relative to the project's folder.

    Attributes:
        name: unique; ``train/<run>``, ``prepare/<source>/<dataset>``, ...
        kind: the part of the name before the first slash.
        command: as a shell runs it.
        inputs: files it reads, code files of jobs without a plan file included.
        outputs: files and folders it leaves (a folder ends in ``/``).
    """

    name: str
    command: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def kind(self) -> str:
        """fetch, prepare, plans, negatives, train, sklearn_baseline, bench, search, table, report, check or track."""
        return self.name.partition("/")[0]


def job_list(
    raw: dict, scale: str, plans: list[Plan], shown: list[Plan], code: CodeDigest, hardware_option: str = ""
) -> list[Job]:
    """Every job of a scale.

    Args:
        raw: params.yaml with its studies, checked.
        plans: the runs that have a job: those whose hardware is here.
        shown: runs without a job whose record is here all the same (imported): reports read them.
        code: the package's import closures.
        hardware_option: what makes `ffrepro report` see hardware that params.yaml does not name.
    """
    source = raw["scales"][scale]["source"]
    datasets = [name for name in raw["datasets"] if any(plan["dataset"] == name for plan in plans)]
    archives = dict.fromkeys(archive for name in datasets for archive in archives_of(raw["datasets"][name]))
    readers = _report_files(code.source.parent)
    jobs = [_fetch(name, source, code) for name in archives]
    jobs += [_prepare(name, raw["datasets"][name], source, code) for name in datasets]
    made = dict.fromkeys((plan["dataset"], level) for plan in plans if (level := views.derived(plan)))
    planned = list(dict.fromkeys(dataset for dataset, _ in made))
    jobs += [_plans(name, source, code) for name in planned]
    jobs += [_negatives(name, level, source, code) for name, level in made]
    jobs += [run_job(plan, raw["hardware_profiles"][plan["hardware"]]["threads"]) for plan in plans]
    for paper, study in raw["papers"].items():
        for table in study["tables"]:
            tagged = [plan for plan in [*plans, *shown] if plan["paper"] == paper and table in plan["tags"]["tables"]]
            jobs.append(_table(scale, paper, table, tagged, readers, hardware_option))
    manifests = tuple(stroke_plans(name, source)[1] for name in planned)
    jobs.append(_report(scale, [*plans, *shown], (*manifests, *readers), hardware_option))
    jobs.append(_check(scale))
    jobs.append(_track(scale, [*plans, *shown]))
    return jobs


def run_job(plan: Plan, threads: int) -> Job:
    """The job of one run. A bench takes one thread whatever its profile says: its rows are compared with each other."""
    run, kind = plan["run"], plan["kind"]
    command = f"{COMMANDS[kind]} {file_of(run)}"
    if kind != "bench" and threads > 1:
        command += f" --threads {threads}"
    inputs = (file_of(run), *prepared(views.prepared_set(plan), plan["source"]))
    if (start := start_of(plan)) is not None:
        inputs += (f"runs/{start}/{WEIGHTS}",)
    return Job(f"{kind}/{run}", command, inputs, tuple(f"runs/{run}/{name}" for name in files_of(plan)))


def archives_of(entry: dict) -> list[str]:
    """The archives of a data set's entry in params.yaml: one, or a list."""
    return [entry["archive"]] if isinstance(entry["archive"], str) else list(entry["archive"])


def raw_files(archive: str, source: str) -> tuple[str, str]:
    """An archive and its provenance."""
    path = f"data/raw/{source}/{ARCHIVES[archive].file}"
    return path, f"{path}.json"


def prepared(name: str, source: str) -> tuple[str, str]:
    """A prepared data set (``dollar``, or ``dollar_close`` with negatives made here) and its manifest."""
    return f"data/prepared/{source}/{name}.npz", f"data/prepared/{source}/{name}.json"


def stroke_plans(dataset: str, source: str) -> tuple[str, str]:
    """The stroke plans of a data set's human samples, and their manifest."""
    return f"data/plans/{source}/{dataset}.npz", f"data/plans/{source}/{dataset}.json"


def results(plans: Iterable[Plan]) -> tuple[str, ...]:
    """What stands for a record as an input: the file that is written last."""
    return tuple(f"runs/{plan['run']}/{LAST}" for plan in plans)


def _fetch(archive: str, source: str, code: CodeDigest) -> Job:
    # A stand-in is made by code. An upstream archive is what it is: no edit here may download it again.
    inputs = _sources(code, f"ffrepro.data.{ARCHIVES[archive].standin}") if source == "standin" else ()
    return Job(
        f"fetch/{source}/{archive}", f"ffrepro fetch {archive} --source {source}", inputs, raw_files(archive, source)
    )


def _prepare(dataset: str, entry: dict, source: str, code: CodeDigest) -> Job:
    inputs = (
        *(path for archive in archives_of(entry) for path in raw_files(archive, source)),
        *_sources(code, f"ffrepro.data.{dataset}", f"ffrepro.data.{entry['family']}"),
    )
    command = f"ffrepro prepare {dataset} --source {source}"
    return Job(f"prepare/{source}/{dataset}", command, inputs, prepared(dataset, source))


def _plans(dataset: str, source: str, code: CodeDigest) -> Job:
    inputs = (*prepared(dataset, source), *_sources(code, "ffrepro.data.negatives.planning"))
    command = f"ffrepro kinematics plan {dataset} --source {source} --workers {PLANNERS}"
    return Job(f"plans/{source}/{dataset}", command, inputs, stroke_plans(dataset, source))


def _negatives(dataset: str, level: str, source: str, code: CodeDigest) -> Job:
    inputs = (
        *prepared(dataset, source),
        *stroke_plans(dataset, source),
        *_sources(code, "ffrepro.data.negatives.duplicates"),
    )
    # Beside the set that they stand in for: a run that takes them reads one prepared set like every other.
    command = f"ffrepro negatives {dataset} --level {level} --source {source}"
    name = f"{dataset}_{level}"
    return Job(f"negatives/{source}/{name}", command, inputs, prepared(name, source))


def _table(scale: str, paper: str, table: str, plans: list[Plan], readers: tuple[str, ...], option: str) -> Job:
    stem = f"reports/{scale}/tables/{paper}/{table}"
    return Job(
        f"table/{scale}/{paper}/{table}",
        f"ffrepro report --scale {scale} --table {paper}/{table}{option}{TELL_LATER}",
        (*results(plans), *readers),
        tuple(f"{stem}.{suffix}" for suffix in ("csv", "md", "tex")),
    )


def _report(scale: str, plans: list[Plan], readers: tuple[str, ...], option: str) -> Job:
    outputs = (*(f"reports/{scale}/{name}" for name in REPORT), f"reports/{scale}/figures/")
    command = f"ffrepro report --scale {scale}{option}{TELL_LATER}"
    return Job(f"report/{scale}", command, (*results(plans), *readers), outputs)


def _check(scale: str) -> Job:
    inputs, outputs = (f"reports/{scale}/bad_records.json",), (f"reports/{scale}/check.txt",)
    return Job(f"check/{scale}", f"ffrepro report --scale {scale} --check", inputs, outputs)


def _track(scale: str, plans: list[Plan]) -> Job:
    return Job(f"track/{scale}", f"ffrepro track --scale {scale}", results(plans), (f"reports/{scale}/mlflow.json",))


def _sources(code: CodeDigest, *modules: str) -> tuple[str, ...]:
    return tuple(f"src/{file}" for file in code.files(modules))


def _report_files(root: Path) -> tuple[str, ...]:
    """What a report is made from besides records.

    That is: what is planned at any scale and how it is called, committed evidence, published numbers, and the code
    that compares, and the nets whose parameters it counts.
    """
    package = root / "src/ffrepro"
    found = [path for name in ("claims", "studies") for path in (package / name).rglob("*")]
    files = [path for path in found if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md"]
    files = sorted([*files, *(package / "nets").glob("*.py")])
    return (PARAMS, REFERENCE, CLAIMS_SCHEMA, *(path.relative_to(root).as_posix() for path in files))
