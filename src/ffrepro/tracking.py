"""MLflow mirrors the run records: to look at and compare, never to depend on. It can be rebuilt at any time.

One MLflow experiment per experiment family, data set and scale; in it a parent run per experiment and hardware, and
a child per variant and seed. A child carries a hash of its record: an unchanged record is skipped, a changed one is
deleted and written anew. The hash is set last, so that a child that was being written when the process ended counts
as changed.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ffrepro.base import files, words
from ffrepro.base.errors import FfreproError
from ffrepro.base.lock import locked
from ffrepro.base.records import RECORD
from ffrepro.claims import load
from ffrepro.pipeline.dvcfiles import group_of
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record, flatten, record_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

BATCH = 1000  # most metrics that MLflow takes at once
PARAMETERS = 100  # most parameters that it takes at once
PATIENCE = 10.0  # seconds that another process may hold the database
_SQLITE = "sqlite:///"
# What a database says -> what mends it.
_REBUILD = "check params.yaml: mlflow; a local database may be deleted, `ffrepro track` rebuilds it"
_CURES = {
    "is locked": "close the program that holds the database (a browser of databases, another `ffrepro track`), then "
    "run the same command again",
    "readonly": "make the database and its folder writable for this user",
    "unable to open": "make the database and its folder writable for this user",
}
KEY, CONTENT = "ffrepro.run", "ffrepro.content"


@dataclass(frozen=True)
class Mirrored:
    """Run -> (MLflow run id, content hash), how many of them were written now, and (run, reason) of bad records."""

    runs: dict[str, tuple[str, str]]
    written: int
    bad: tuple[tuple[str, str], ...] = ()


def _claims(root: Path, plan: Plan) -> str:
    """Short ids of the published numbers that a run is evidence for."""
    found = _claims_of(root, plan["paper"])
    return " ".join(found.measured_by(plan)) if found else ""


@cache
def _claims_of(root: Path, paper: str) -> load.Claims | None:
    return load.load(root, paper) if paper in load.papers() else None


def mirror(root: Path, uri: str, plans: Iterable[Plan]) -> Mirrored:
    """Bring an MLflow store up to date with the finished records of planned runs.

    Args:
        root: the project's folder.
        uri: MLflow tracking URI.

    Raises:
        FfreproError: the store cannot be reached or refuses.
    """
    records = [(plan["kind"], record_of(root, plan)) for plan in plans]
    # The plan that a record was made from: it may be older than the one in plan/.
    finished = [(record.plan, record) for kind, record in records if record.complete(kind)]
    bad = tuple(("/".join(record.folder.parts[-5:]), record.bad) for _, record in records if record.bad)
    # Two processes that create a database or an experiment at once crash each other: one writes, the other waits
    # and then finds everything there.
    with locked(root / "mlflow.db.lock"):
        try:
            _require_free(uri)
            return replace(_mirror(_client(uri), root, finished), bad=bad)
        except (OSError, FfreproError):
            raise
        except Exception as error:  # MLflow, SQLAlchemy and requests share no base class
            fix = next((cure for symptom, cure in _CURES.items() if symptom in str(error)), _REBUILD)
            raise FfreproError(f"MLflow failed: {type(error).__name__}: {error}", where=uri, fix=fix) from error


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


def _client(uri: str) -> MlflowClient:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow import MlflowClient  # takes seconds: only when it is needed

    for noisy in ("alembic", "mlflow"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)


def _mirror(client: MlflowClient, root: Path, finished: list[tuple[Plan, Record]]) -> Mirrored:
    mirrored: dict[str, tuple[str, str]] = {}
    written = 0
    for name, members in groupby(sorted(finished, key=_order), key=lambda pair: _experiment_name(pair[0])):
        experiment = client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
        there = _existing(client, experiment_id)
        for parent_key, children in groupby(members, key=lambda pair: _parent_key(pair[0])):
            parent_id = None
            for plan, record in children:
                content = _content(plan, record)
                old = there.get(plan["run"], [])
                kept = next((run for run in old if run.data.tags.get(CONTENT) == content), None)
                if kept is None:
                    parent_id = parent_id or _parent(client, experiment_id, parent_key, there, plan)
                    claims = _claims(root, plan)
                    written_as = _write(client, experiment_id, parent_id, plan, record, content, claims)
                    mirrored[plan["run"]] = (written_as, content)
                    written += 1
                else:
                    mirrored[plan["run"]] = (kept.info.run_id, content)
                for run in old:
                    if run is not kept:
                        client.delete_run(run.info.run_id)
    return Mirrored(mirrored, written)


def _experiment_name(plan: Plan) -> str:
    return f"{plan['paper']}/{plan['scale']}/{group_of(plan)}"


def _parent_key(plan: Plan) -> str:
    return f"{plan['scale']}/{plan['hardware']}/{plan['experiment']}"


def _order(pair: tuple[Plan, Record]) -> tuple[str, str]:
    return _experiment_name(pair[0]), _parent_key(pair[0])


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


def _content(plan: Plan, record: Record) -> str:
    """Hash of a record's files."""
    return files.sha256_json({name: files.sha256_file(record.folder / name) for name in RECORD[plan["kind"]]})


def _tags(plan: Plan) -> dict[str, str]:
    return {
        "ffrepro.paper": plan["paper"],
        "ffrepro.tables": " ".join(plan["tags"]["tables"]),
        "ffrepro.protocol": " ".join(plan["protocol"].values()),
        "ffrepro.scale": plan["scale"],
        "ffrepro.hardware": plan["hardware"],
        "ffrepro.experiment": plan["experiment"],
        "ffrepro.data": f"{plan['dataset']} ({plan['source']})",
    }


def _parent(client: MlflowClient, experiment_id: str, key: str, there: dict[str, list], plan: Plan) -> str:
    if key in there:
        return there[key][0].info.run_id
    run = client.create_run(experiment_id, run_name=plan["experiment"], tags={KEY: key} | _tags(plan))
    client.set_terminated(run.info.run_id)
    return run.info.run_id


def _write(
    client: MlflowClient, experiment_id: str, parent_id: str, plan: Plan, record: Record, content: str, claims: str
) -> str:
    from mlflow.entities import Metric, Param, RunTag

    about, result = record.run, record.result
    start, end = _milliseconds(about["started"]), _milliseconds(about["finished"])
    tags = _tags(plan) | {
        "mlflow.parentRunId": parent_id,
        KEY: plan["run"],
        "ffrepro.variant": plan["variant"],
        "ffrepro.seed": str(plan["seed"]),
        "ffrepro.claims": claims,
        "ffrepro.plan_sha256": about["plan_sha256"],
        "ffrepro.fingerprint": str(about["data"]["fingerprint"]),
        "ffrepro.commit": str(about["git"]["commit"]),
        "mlflow.source.git.commit": str(about["git"]["commit"]),
    }
    name = f"{plan['variant']} seed {plan['seed']}"
    run_id = client.create_run(experiment_id, start_time=start, run_name=name, tags=tags).info.run_id
    parameters = [Param(key, _text(value)) for key, value in flatten(_settings(plan)).items()]
    for first in range(0, len(parameters), PARAMETERS):
        client.log_batch(run_id, params=parameters[first : first + PARAMETERS])
    metrics = [Metric(key, value, time, step) for key, value, time, step in _metrics(record, result, start, end)]
    for first in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[first : first + BATCH])
    client.set_terminated(run_id, end_time=end)
    client.log_batch(run_id, tags=[RunTag(CONTENT, content)])
    return run_id


def _settings(plan: Plan) -> dict[str, Any]:
    """The parts of a plan that are settings: what a user compares runs by."""
    parts = (
        "profile",
        "protocol",
        "dataset",
        "source",
        "data",
        "net",
        "method",
        "training",
        "classifier",
        "bench",
        "variants",
        "seed",
    )
    return {part: plan[part] for part in parts if part in plan}


def _metrics(record: Record, result: dict, start: int, end: int) -> Iterator[tuple[str, float, int, int]]:
    """(name, value, milliseconds, step): every epoch's numbers, then the final ones."""
    epochs = record.folder / "metrics.jsonl"
    time, last = float(start), 0
    for entry in files.read_json_lines(epochs) if epochs.is_file() else []:
        last = entry["epoch"]
        time += 1000 * entry.get("seconds", 0.0)
        for key, value in words.translate_names(record.plan, entry).items():
            if key != "epoch" and _is_number(value):
                yield key, value, round(time), last
    final = words.translate_names(record.plan, result.get("metrics", {}))
    final |= flatten({part: result[part] for part in ("time", "memory") if part in result})
    final |= {f"{row['name']}/{key}": value for row in result.get("rows", []) for key, value in row.items()}
    for key, value in final.items():
        if _is_number(value):
            yield _metric_name(key), value, end, last


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _metric_name(name: str) -> str:
    """MLflow takes letters, digits and ``_-. /``."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
