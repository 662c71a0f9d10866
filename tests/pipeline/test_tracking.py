"""The mirror of records in MLflow: content, idempotence, repair, and two processes at once."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from ffrepro import tracking
from ffrepro.base.errors import FfreproError
from ffrepro.pipeline.workspace import open_workspace

pytestmark = pytest.mark.pipeline
RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"
BENCH = "smoke/cpu/bench_dollar_corrected/interleaved/seed0"
SECOND = """
import json, sys
from pathlib import Path
from ffrepro import tracking
from ffrepro.base.errors import FfreproError
from ffrepro.training import record_check
record_check.check_measured = lambda *_: None  # the small project's plans have not all settings
plans = json.loads(Path("plans.json").read_text())
mirrored = tracking.mirror(Path("."), "sqlite:///mlflow.db", plans)
print(json.dumps({run: mlflow_id for run, (mlflow_id, _) in mirrored.runs.items()}))
"""


@pytest.fixture
def plans(project):
    """Every planned run."""
    return {plan["run"]: plan for plan in open_workspace(project).plans}


@pytest.fixture
def store(project):
    """The tracking URI, and a client for it."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{project}/mlflow.db"
    return uri, lambda: MlflowClient(tracking_uri=uri)


def children(client, experiment):
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id])
    return {run.data.tags["ffrepro.run"]: run for run in runs}


def test_a_run_carries_the_claims_that_it_is_evidence_for(project, plans, finish, store, monkeypatch):
    uri, client = store
    finish(plans[RUN])
    tracking.mirror(project, uri, plans.values())
    assert children(client(), "paper_a/smoke/rnn_mcyt")[RUN].data.tags["ffrepro.claims"] == ""  # none published
    claims = type("Claims", (), {"measured_by": lambda self, plan: ["027", plan["variant"]]})()
    monkeypatch.setattr(tracking, "_claims_of", lambda root, paper: claims)
    finish(plans[RUN], accuracy=0.9)
    tracking.mirror(project, uri, plans.values())
    assert children(client(), "paper_a/smoke/rnn_mcyt")[RUN].data.tags["ffrepro.claims"] == "027 bptt"


def test_settings_metrics_and_tags_and_idempotence(project, plans, finish, store):
    uri, client = store
    finish(plans[RUN])
    finish(plans[BENCH])
    first = tracking.mirror(project, uri, plans.values())
    assert sorted(first.runs) == [BENCH, RUN] and first.written == 2

    runs = children(client(), "paper_a/smoke/rnn_mcyt")
    assert sorted(runs) == ["smoke/cpu/rnn_mcyt_corrected", RUN]
    run = runs[RUN]
    assert run.data.tags["mlflow.parentRunId"] == runs["smoke/cpu/rnn_mcyt_corrected"].info.run_id
    assert run.data.tags["ffrepro.tables"] == "table1 table2"
    assert run.data.tags["ffrepro.protocol"] == "corrected classify ensemble"
    assert run.data.tags["ffrepro.commit"] == "abc0" * 10 and run.data.tags["ffrepro.hardware"] == "cpu"
    assert run.data.params["method.clip_norm"] == "1.0" and run.data.params["training.max_epochs"] == "2"
    assert run.data.metrics["test/accuracy"] == 0.75 and run.data.metrics["time.train_s"] == 9.0
    history = client().get_metric_history(run.info.run_id, "val/accuracy")
    assert [(entry.step, entry.value) for entry in history] == [(1, 0.6), (2, 0.7), (2, 0.7)]  # epochs, then the result
    bench = children(client(), "paper_a/smoke/bench")[BENCH]
    assert bench.data.metrics["FF-Std/ratio_to_bp"] == 0.5
    assert bench.data.params["variants.ff_std.method.theta"] == "7.0"

    again = tracking.mirror(project, uri, plans.values())
    assert again.written == 0 and again.runs == first.runs

    finish(plans[RUN], accuracy=0.9)  # the record changed: written anew, the old one gone
    changed = tracking.mirror(project, uri, plans.values())
    assert changed.written == 1 and changed.runs[RUN] != first.runs[RUN] and changed.runs[BENCH] == first.runs[BENCH]
    assert children(client(), "paper_a/smoke/rnn_mcyt")[RUN].data.metrics["test/accuracy"] == 0.9

    # A child whose writer died before the hash was set is written anew, not counted and not doubled.
    with sqlite3.connect(project / "mlflow.db") as database:
        database.execute("delete from tags where key = 'ffrepro.content' and run_uuid = ?", [changed.runs[RUN][0]])
    repaired = tracking.mirror(project, uri, plans.values())
    assert repaired.written == 1
    assert sorted(children(client(), "paper_a/smoke/rnn_mcyt")) == ["smoke/cpu/rnn_mcyt_corrected", RUN]


def test_two_processes_at_once_on_a_new_database_lose_nothing(project, plans, finish, store):
    runs = [run for run in plans if "/rnn_mcyt_corrected/" in run]
    for run in runs:
        finish(plans[run])
    (project / "plans.json").write_text(json.dumps(list(plans.values())))
    command = [sys.executable, "-c", SECOND]
    both = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    ids = [json.loads(out.splitlines()[-1]) for out, _ in printed]
    assert ids[0] == ids[1] and sorted(ids[0]) == sorted(runs)
    found = children(store[1](), "paper_a/smoke/rnn_mcyt")
    assert {run: found[run].info.run_id for run in runs} == ids[0]
    assert len(found) == len(runs) + 1


def test_a_store_that_cannot_be_reached_says_so(project, plans, finish):
    finish(plans[RUN])
    with pytest.raises(FfreproError, match="MLflow failed") as caught:
        tracking.mirror(project, "nonsense://nowhere", plans.values())
    assert caught.value.where == "nonsense://nowhere"


def test_a_database_that_another_program_holds_is_to_be_closed_not_deleted(project, plans, finish, store, monkeypatch):
    finish(plans[RUN])
    monkeypatch.setattr(tracking, "PATIENCE", 0.1)
    with closing(sqlite3.connect(project / "mlflow.db")) as other:
        other.execute("create table t (x)")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(FfreproError) as caught:
            tracking.mirror(project, store[0], plans.values())
    assert caught.value.where == store[0]
    assert "close" in caught.value.fix and "delete" not in caught.value.fix
    with closing(sqlite3.connect(project / "mlflow.db")) as other:
        assert other.execute("select count(*) from t").fetchone() == (0,)


def test_a_database_that_cannot_be_written_is_to_be_made_writable(project, plans, finish, store, monkeypatch):
    def refuse(uri):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    finish(plans[RUN])
    monkeypatch.setattr(tracking, "_require_free", refuse)  # root may write to any
    with pytest.raises(FfreproError) as caught:
        tracking.mirror(project, store[0], plans.values())
    assert "writable" in caught.value.fix
