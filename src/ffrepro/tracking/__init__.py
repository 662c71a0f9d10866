"""MLflow mirrors the run records: to look at and compare, never to depend on. It can be rebuilt at any time.

One MLflow experiment per paper and scale; in it a parent run per experiment, variant and hardware, with mean and
standard deviation, and a child per seed. A child carries a hash of its record, a parent one of its children's: what is
unchanged is skipped, what changed is deleted and written anew. The hash is set last, so that a run that was being
written when the process ended counts as changed.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.lock import locked
from ffrepro.claims import load, reference
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record, record_of
from ffrepro.tracking import entries
from ffrepro.tracking.entries import CONTENT, KEY

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 1000  # most metrics that MLflow takes at once
PARAMETERS = 100  # most parameters that it takes at once
PATIENCE = 10.0  # seconds that another process may hold the database
ATTEMPTS = 5  # where another machine writes the same experiment or data set at the same moment; what is there is kept
_RACES = ("IntegrityError", "already exists", "Current state is deleted")
_SQLITE, _POSTGRES = "sqlite:///", "postgresql"
_LOCK = 0x666672657072  # of the server's advisory locks, ours; "ffrepr"
_LOCK_S = 600  # that a machine waits for the others
# What a database says -> what mends it.
_REBUILD = "check params.yaml: mlflow; a local database may be deleted, `ffrepro track` rebuilds it"
_CURES = {
    "is locked": "close the program that holds the database (a browser of databases, another `ffrepro track`), then "
    "run the same command again",
    "readonly": "make the database and its folder writable for this user",
    "ModuleNotFoundError": "install the database's driver; PostgreSQL's: pip install psycopg2-binary",
    "unable to open": "make the database and its folder writable for this user",
}
PARENT = "mlflow.parentRunId"
HERE, COMMITTED = "of this folder", "committed"  # where a record lies


@dataclass(frozen=True)
class Mirrored:
    """Run -> (MLflow run id, content hash), how many of them were written now, and (run, reason) of bad records."""

    runs: dict[str, tuple[str, str]]
    written: int
    bad: tuple[tuple[str, str], ...] = ()


class Child(NamedTuple):
    """A finished run, with the hash of its record."""

    plan: Plan
    record: Record
    content: str


def _claims(root: Path, plan: Plan) -> str:
    """Short ids of the published numbers that a run is evidence for."""
    found = _claims_of(root, plan["paper"])
    return " ".join(found.measured_by(plan)) if found else ""


@cache
def _claims_of(root: Path, paper: str) -> load.Claims | None:
    return load.load(root, paper) if paper in load.papers() else None


def mirror(root: Path, uri: str, plans: Iterable[Plan], *, committed: bool = False) -> Mirrored:
    """Bring an MLflow store up to date with the finished records of planned runs.

    Args:
        root: the project's folder.
        uri: MLflow tracking URI.
        committed: take the committed record of a run that has none in ``runs`` (``reports/reference``).

    Raises:
        FfreproError: the store cannot be reached or refuses.
    """
    records = [(plan["kind"], _record(root, plan, committed)) for plan in plans]
    # The plan that a record was made from: it may be older than the one in plan/.
    finished = [(record.plan, record) for kind, record in records if record.complete(kind)]
    bad = tuple(("/".join(record.folder.parts[-5:]), record.bad) for _, record in records if record.bad)
    # Two processes that create a database or an experiment at once crash each other: one writes, the other waits
    # and then finds everything there.
    with locked(root / "mlflow.db.lock"):
        for attempt in range(ATTEMPTS):
            try:
                _require_free(uri)
                with _alone_on_server(uri):
                    return replace(_mirror(_client(uri), root, finished), bad=bad)
            except (OSError, FfreproError):
                raise
            except Exception as error:  # MLflow, SQLAlchemy and requests share no base class
                said = f"{type(error).__name__}: {error}"
                if attempt + 1 < ATTEMPTS and any(sign in said for sign in _RACES):
                    continue
                fix = next((cure for symptom, cure in _CURES.items() if symptom in said), _REBUILD)
                raise FfreproError(f"MLflow failed: {said}", where=uri, fix=fix) from error
    raise AssertionError("the last attempt returns or raises")


def _require_free(uri: str) -> None:
    """Wait until nobody else writes to a local database, for seconds; MLflow itself would try for minutes.

    Raises:
        sqlite3.OperationalError: somebody still does, or it cannot be written to.
    """
    path = Path(uri.removeprefix(_SQLITE))
    if uri.startswith(_SQLITE) and path.is_file():
        with closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()


@contextmanager
def _alone_on_server(uri: str) -> Iterator[None]:
    """Let one machine at a time write to a PostgreSQL server: a lock of its own, which ends with the connection."""
    if not uri.startswith(_POSTGRES):
        yield
        return
    from sqlalchemy import NullPool, create_engine, text  # MLflow's; takes a moment

    engine = create_engine(uri, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{_LOCK_S}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        yield


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient  # takes seconds: only when it is needed

    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def _record(root: Path, plan: Plan, committed: bool) -> Record:
    """A run's record; where it has none here and that is asked for, the committed one."""
    here = record_of(root, plan)
    there = record_of(root, plan, reference.FOLDER) if committed else here
    return here if here.complete(plan["kind"]) or not there.complete(plan["kind"]) else there


def _mirror(client: MlflowClient, root: Path, finished: list[tuple[Plan, Record]]) -> Mirrored:
    mirrored: dict[str, tuple[str, str]] = {}
    written = 0
    for name, members in groupby(sorted(finished, key=_order), key=lambda pair: entries.experiment_name(pair[0])):
        found = list(members)
        experiment_id = _experiment(client, root, name, found[0][0])
        there = _existing(client, experiment_id)
        for parent_key, group in groupby(found, key=lambda pair: entries.parent_key(pair[0])):
            children = [Child(plan, record, entries.content(plan, record)) for plan, record in group]
            parent_id = _parent(client, experiment_id, parent_key, there, children)
            for plan, record, content in children:
                kept = _keep(client, there.get(plan["run"], []), content)
                run_id = kept.info.run_id if kept else _write(client, root, experiment_id, plan, record)
                written += kept is None
                if kept is None or kept.data.tags.get(PARENT) != parent_id:
                    _tag(client, run_id, {PARENT: parent_id, CONTENT: content})  # the hash last
                mirrored[plan["run"]] = (run_id, content)
    return Mirrored(mirrored, written)


def _order(pair: tuple[Plan, Record]) -> tuple[str, str, int]:
    return entries.experiment_name(pair[0]), entries.parent_key(pair[0]), pair[0]["seed"]


def _experiment(client: MlflowClient, root: Path, name: str, plan: Plan) -> str:
    """The id of an experiment, made where it is not there; its description is brought up to date."""
    claims = _claims_of(root, plan["paper"])
    about = entries.about_experiment(plan, claims.content["title"] if claims else plan["paper"])
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        return client.create_experiment(name, tags=about)
    for key, value in about.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)
    return experiment.experiment_id


def _existing(client: MlflowClient, experiment_id: str) -> dict[str, list]:
    """Run key -> MLflow runs that carry it (several only after a crash)."""
    found: dict[str, list] = {}
    token = None
    while True:
        page = client.search_runs([experiment_id], max_results=BATCH, page_token=token)
        for run in page:
            found.setdefault(run.data.tags.get(KEY, ""), []).append(run)
        token = page.token
        if not token:
            return found


def _keep(client: MlflowClient, there: list[Run], content: str) -> Run | None:
    """The run whose content this is, None where there is none; the others are deleted."""
    kept = next((run for run in there if run.data.tags.get(CONTENT) == content), None)
    for run in there:
        if run is not kept:
            client.delete_run(run.info.run_id)
    return kept


def _parent(client: MlflowClient, experiment_id: str, key: str, there: dict[str, list[Run]], own: list[Child]) -> str:
    """The id of the run that holds mean and standard deviation of a variant's seeds.

    Seeds that another folder put into the same store count too, and move under a new parent.
    """
    mine = {child.plan["run"] for child in own}
    others = [
        next(run for run in runs if CONTENT in run.data.tags)
        for name, runs in there.items()
        if name not in mine and name.rpartition("/")[0] == key and any(CONTENT in run.data.tags for run in runs)
    ]
    content = files.sha256_json(sorted([child.content for child in own] + [run.data.tags[CONTENT] for run in others]))
    kept = _keep(client, there.get(key, []), content)
    if kept is not None:
        return kept.info.run_id
    plan, records = own[0].plan, [child.record for child in own]
    numbers = [entries.headline(record) for record in records]
    numbers += [{name: value for name, value in run.data.metrics.items() if name in numbers[0]} for run in others]
    spans = [entries.span(record) for record in records] + [(run.info.start_time, run.info.end_time) for run in others]
    start, end = min(first for first, _ in spans), max(last for _, last in spans)
    run_id = _create(
        client, experiment_id, entries.parent_name(plan), start, entries.tags(plan, entries.SEEDS) | {KEY: key}
    )
    _log_dataset(client, run_id, plan, records[0])
    settings = {name: value for name, value in entries.settings(plan).items() if name != "seed"}
    summary = [entries.Metric(name, value, end, 0) for name, value in entries.over_seeds(numbers).items()]
    _fill(client, run_id, settings, summary, end)
    _tag(client, run_id, {CONTENT: content})
    for run in others:
        _tag(client, run.info.run_id, {PARENT: run_id})
    return run_id


def _write(client: MlflowClient, root: Path, experiment_id: str, plan: Plan, record: Record) -> str:
    start, end = entries.span(record)
    committed = record.folder.is_relative_to(root / reference.FOLDER)
    tags = entries.tags_of_run(plan, record, _claims(root, plan), COMMITTED if committed else HERE)
    run_id = _create(client, experiment_id, entries.run_name(plan), start, tags)
    _log_dataset(client, run_id, plan, record)
    _fill(client, run_id, entries.settings(plan), list(entries.metrics(record)), end)
    return run_id


def _log_dataset(client: MlflowClient, run_id: str, plan: Plan, record: Record) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    used = Dataset(schema=None, **entries.dataset(plan, record))
    client.log_inputs(run_id, datasets=[DatasetInput(used, tags=[InputTag("mlflow.data.context", plan["kind"])])])


def _create(client: MlflowClient, experiment_id: str, name: str, start: int, tags: dict[str, str]) -> str:
    return client.create_run(experiment_id, start_time=start, run_name=name, tags=tags).info.run_id


def _fill(client: MlflowClient, run_id: str, settings: dict[str, str], numbers: list[entries.Metric], end: int) -> None:
    """Settings and metrics, as many at once as MLflow takes, and the true end."""
    from mlflow.entities import Metric, Param

    parameters = [Param(key, value) for key, value in settings.items()]
    for first in range(0, len(parameters), PARAMETERS):
        client.log_batch(run_id, params=parameters[first : first + PARAMETERS])
    metrics = [Metric(*number) for number in numbers]
    for first in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + BATCH])
    client.set_terminated(run_id, end_time=end)


def _tag(client: MlflowClient, run_id: str, tags: dict[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
