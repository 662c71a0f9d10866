"""The mirror of records in MLflow: content, idempotence, repair, and two processes at once."""

import copy
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime

import pytest

from ffrepro import tracking
from ffrepro.base.errors import FfreproError
from ffrepro.pipeline.workspace import open_workspace

pytestmark = pytest.mark.pipeline
RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"
PARENT = "smoke/cpu/rnn_mcyt_corrected/bptt"
EXPERIMENT = "paper_a smoke"
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


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory):
    """A database with MLflow's tables: making them takes seconds."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def new_store(project):
    """The tracking URI of a database that is not there yet, and a client for it."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{project}/mlflow.db"
    return uri, lambda: MlflowClient(tracking_uri=uri)


@pytest.fixture
def store(project, new_store, empty_database):
    """The same of one that is there."""
    shutil.copy(empty_database, project / "mlflow.db")
    return new_store


def children(client, experiment):
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id])
    return {run.data.tags["ffrepro.run"]: run for run in runs}


def test_a_run_carries_the_claims_that_it_is_evidence_for(project, plans, finish, store, monkeypatch):
    uri, client = store
    finish(plans[RUN])
    tracking.mirror(project, uri, plans.values())
    assert children(client(), EXPERIMENT)[RUN].data.tags["ffrepro.claims"] == ""  # none published
    claims = type(
        "Claims", (), {"content": {"title": "A paper"}, "measured_by": lambda self, plan: ["027", plan["variant"]]}
    )()
    monkeypatch.setattr(tracking, "_claims_of", lambda root, paper: claims)
    finish(plans[RUN], accuracy=0.9)
    tracking.mirror(project, uri, plans.values())
    assert children(client(), EXPERIMENT)[RUN].data.tags["ffrepro.claims"] == "027 bptt"


@pytest.fixture
def mirror(project, plans, store):
    """``mirror()`` writes what is finished into MLflow; what it has written."""
    return lambda: tracking.mirror(project, store[0], plans.values())


@pytest.fixture
def mirrored(plans, finish, mirror):
    """A training and a bench in MLflow."""
    finish(plans[RUN])
    finish(plans[BENCH])
    return mirror()


ALL_FOUR = sorted([BENCH.rpartition("/")[0], BENCH, PARENT, RUN])


def test_a_run_is_written_below_its_parent(mirrored, store):
    assert sorted(mirrored.runs) == [BENCH, RUN] and mirrored.written == 2
    runs = children(store[1](), EXPERIMENT)
    assert sorted(runs) == ALL_FOUR
    run = runs[RUN]
    assert run.data.tags["mlflow.parentRunId"] == runs[PARENT].info.run_id
    assert run.data.tags["mlflow.source.name"] == f"ffrepro train plan/{RUN}.json"


def test_a_run_has_its_times_data_and_tags(project, mirrored, store):
    run = children(store[1](), EXPERIMENT)[RUN]
    about = json.loads((project / "runs" / RUN / "run.json").read_text())
    moments = [round(1000 * datetime.fromisoformat(about[name]).timestamp()) for name in ("started", "finished")]
    assert [run.info.start_time, run.info.end_time] == moments
    data = run.inputs.dataset_inputs[0].dataset
    assert (data.name, data.digest) == ("mcyt", about["data"]["fingerprint"][:36])
    assert run.data.tags["ffrepro.tables"] == "table1 table2"
    assert run.data.tags["ffrepro.protocol"] == "corrected classify ensemble"
    assert run.data.tags["mlflow.source.git.commit"] == "abc0" * 10 and run.data.tags["ffrepro.hardware"] == "cpu"


def test_a_run_has_its_settings_and_metrics(mirrored, store):
    client = store[1]()
    run = children(client, EXPERIMENT)[RUN]
    assert run.data.params["method.clip_norm"] == "1.0" and run.data.params["training.max_epochs"] == "2"
    assert run.data.metrics["test/accuracy"] == 0.75 and run.data.metrics["time.train_s"] == 9.0
    history = client.get_metric_history(run.info.run_id, "val/accuracy")
    assert [(entry.step, entry.value) for entry in history] == [(1, 0.6), (2, 0.7), (2, 0.7)]  # epochs, then the result
    assert run.data.metrics["accuracy"] == 0.75 and run.data.metrics["train_s"] == 9.0


def test_a_bench_has_its_settings_and_rows(mirrored, store):
    bench = children(store[1](), EXPERIMENT)[BENCH]
    assert bench.data.metrics["FF-Std ratio_to_bp"] == 0.5
    assert bench.data.metrics["FF-Std/ratio_to_bp"] == 0.5
    assert bench.data.params["variants.ff_std.method.theta"] == "7.0"


def test_only_a_changed_record_is_written_anew(plans, finish, mirrored, mirror, store):
    again = mirror()
    assert again.written == 0 and again.runs == mirrored.runs
    finish(plans[RUN], accuracy=0.9)  # the old one goes
    changed = mirror()
    assert changed.written == 1
    assert changed.runs[RUN] != mirrored.runs[RUN] and changed.runs[BENCH] == mirrored.runs[BENCH]
    runs = children(store[1](), EXPERIMENT)
    assert runs[RUN].data.metrics["test/accuracy"] == 0.9 and sorted(runs) == ALL_FOUR


def test_a_child_whose_writer_died_is_written_anew_and_not_doubled(project, mirrored, mirror, store):
    """It died before the hash of its content was set."""
    with sqlite3.connect(project / "mlflow.db") as database:
        database.execute("delete from tags where key = 'ffrepro.content' and run_uuid = ?", [mirrored.runs[RUN][0]])
    assert mirror().written == 1
    assert sorted(children(store[1](), EXPERIMENT)) == ALL_FOUR


def test_a_parent_has_mean_and_spread_of_its_runs_and_follows_them(project, plans, finish, store):
    uri, client = store
    second = copy.deepcopy(plans[RUN]) | {"seed": 1, "run": RUN.replace("seed0", "seed1")}
    both = [plans[RUN], second]
    finish(plans[RUN], accuracy=0.7)
    tracking.mirror(project, uri, both)
    alone = children(client(), EXPERIMENT)[PARENT]
    assert alone.data.metrics["n"] == 1 and "accuracy_std" not in alone.data.metrics

    finish(second, accuracy=0.8)
    assert tracking.mirror(project, uri, both).written == 1  # the first child is kept, under the new parent
    runs = children(client(), EXPERIMENT)
    parent = runs[PARENT]
    assert sorted(runs) == sorted([PARENT, RUN, second["run"]])
    assert {runs[plan["run"]].data.tags["mlflow.parentRunId"] for plan in both} == {parent.info.run_id}
    assert parent.data.metrics["n"] == 2 and parent.data.metrics["accuracy"] == pytest.approx(0.75)
    assert parent.data.metrics["accuracy_std"] == pytest.approx(0.1 / 2**0.5)
    assert parent.data.tags["ffrepro.level"] == "mean over seeds" and "seed" not in parent.data.params
    kept = [runs[plan["run"]].info for plan in both]
    assert parent.info.start_time == min(info.start_time for info in kept)
    assert parent.info.end_time == max(info.end_time for info in kept)


def test_seeds_that_another_folder_tracked_count_too(project, plans, finish, store):
    """Two machines, one store: each has records of its own."""
    uri, client = store
    second = copy.deepcopy(plans[RUN]) | {"seed": 1, "run": RUN.replace("seed0", "seed1")}
    finish(plans[RUN], accuracy=0.7)
    finish(second, accuracy=0.8)
    tracking.mirror(project, uri, [plans[RUN]])
    assert tracking.mirror(project, uri, [second]).written == 1
    runs = children(client(), EXPERIMENT)
    assert runs[PARENT].data.metrics["n"] == 2 and runs[PARENT].data.metrics["accuracy"] == pytest.approx(0.75)
    parents = {runs[plan["run"]].data.tags["mlflow.parentRunId"] for plan in (plans[RUN], second)}
    assert parents == {runs[PARENT].info.run_id}
    assert tracking.mirror(project, uri, [plans[RUN]]).written == 0
    assert children(client(), EXPERIMENT)[PARENT].info.run_id in parents


def test_an_experiment_opens_for_training_and_says_what_it_holds(project, plans, finish, store):
    uri, client = store
    finish(plans[RUN])
    tracking.mirror(project, uri, plans.values())
    found = client().get_experiment_by_name(EXPERIMENT)
    assert found.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "paper_a" in found.tags["mlflow.note.content"] and "`smoke`" in found.tags["mlflow.note.content"]
    client().set_experiment_tag(found.experiment_id, "mlflow.note.content", "older")
    tracking.mirror(project, uri, plans.values())
    assert "paper_a" in client().get_experiment_by_name(EXPERIMENT).tags["mlflow.note.content"]


def test_committed_records_are_mirrored_where_asked_and_a_run_of_this_folder_wins(project, plans, finish, store):
    uri, client = store
    finish(plans[RUN], accuracy=0.6)
    committed = project / "reports" / "reference" / RUN
    committed.parent.mkdir(parents=True)
    shutil.move(project / "runs" / RUN, committed)
    assert tracking.mirror(project, uri, plans.values()).runs == {}
    tracking.mirror(project, uri, plans.values(), committed=True)
    run = children(client(), EXPERIMENT)[RUN]
    assert (run.data.metrics["accuracy"], run.data.tags["ffrepro.evidence"]) == (0.6, "committed")
    finish(plans[RUN], accuracy=0.9)
    tracking.mirror(project, uri, plans.values(), committed=True)
    run = children(client(), EXPERIMENT)[RUN]
    assert (run.data.metrics["accuracy"], run.data.tags["ffrepro.evidence"]) == (0.9, "of this folder")


def test_two_processes_at_once_on_a_new_database_lose_nothing(project, plans, finish, new_store):
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
    found = children(new_store[1](), EXPERIMENT)
    assert {run: found[run].info.run_id for run in runs} == ids[0]
    assert len(found) == len(runs) + len({run.rpartition("/")[0] for run in runs})


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


def test_a_missing_driver_is_to_be_installed(project, plans, finish, monkeypatch):
    finish(plans[RUN])
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(FfreproError) as caught:
        tracking.mirror(project, "postgresql://127.0.0.1:9/none", plans.values())
    assert caught.value.where == "postgresql://127.0.0.1:9/none"
    assert "psycopg2" in caught.value.what and "psycopg2-binary" in caught.value.fix
