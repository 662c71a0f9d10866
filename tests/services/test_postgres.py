"""MLflow on a PostgreSQL server that the test starts: the same content as on SQLite, and four writers at once."""

import copy
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import small_project, true_record
from helpers.fixtures import chosen_numbers  # noqa: F401

from ffrepro import tracking
from ffrepro.pipeline import hardware
from ffrepro.pipeline.workspace import open_workspace

RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"
BENCH = "smoke/cpu/bench_dollar_corrected/interleaved/seed0"
WRITER = """
import json, sys
from pathlib import Path
from ffrepro import tracking
from ffrepro.training import record_check
record_check.check_measured = lambda *_: None  # the small project's plans have not all settings
tracking.mirror(Path("."), sys.argv[1], json.loads(Path("plans.json").read_text()))
"""


@pytest.fixture(autouse=True)
def a_cpu_machine(monkeypatch):
    machine = hardware.Machine("Test CPU")
    monkeypatch.setattr(hardware, "this_machine", lambda: machine)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The host and port of a PostgreSQL server of this test's own."""
    pytest.importorskip("psycopg2", reason="no psycopg2: `make services-test` installs it")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(p).parent for p in [shutil.which("initdb")] if p]
    if not found:
        pytest.skip("no PostgreSQL server (Debian: postgresql)")
    # The server refuses to be run by root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path("/tmp") / f"ffrepro_postgres_{os.getpid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(program, *arguments):
        subprocess.run(
            [*as_user, found[-1] / program, *arguments], check=True, capture_output=True, timeout=120, cwd="/"
        )

    try:
        run("initdb", "-D", folder / "data", "-A", "trust", "-U", "ffrepro")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "start")
        yield "127.0.0.1", port, lambda name: run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "ffrepro", name)
        run("pg_ctl", "-D", folder / "data", "-m", "fast", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server, request):
    """The URI of an empty database."""
    host, port, create = server
    name = request.node.name.lower()
    create(name)
    return f"postgresql+psycopg2://ffrepro@{host}:{port}/{name}"


def make(folder, runs):
    """A project with finished records; its plans."""
    folder.mkdir(exist_ok=True)
    project = small_project.make(folder)
    plans = {plan["run"]: plan for plan in open_workspace(project).plans}
    for seed in (1, 2, 3):
        other = RUN.replace("seed0", f"seed{seed}")
        plans.setdefault(other, copy.deepcopy(plans[RUN]) | {"seed": seed, "run": other})
    for run, accuracy in runs.items():
        target = project / "runs" / run
        target.mkdir(parents=True)
        for name, content in true_record.files_of(plans[run], accuracy, 10.0).items():
            (target / name).write_bytes(content)
    return project, [plans[run] for run in runs]


def content(uri):
    """Everything in a store but ids and moments of writing."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    kept = {}
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id]):
            tags = {key: value for key, value in run.data.tags.items() if key != tracking.PARENT}
            parent = run.data.tags.get(tracking.PARENT)
            above = client.get_run(parent).data.tags[tracking.KEY] if parent else None
            moments = (run.info.start_time, run.info.end_time)
            key = experiment.name, run.data.tags[tracking.KEY]
            assert key not in kept, f"twice: {key}"
            kept[key] = tags, run.data.params, run.data.metrics, moments, above, experiment.tags
    return kept


def test_postgresql_and_sqlite_hold_the_same(tmp_path, database):
    project, plans = make(tmp_path / "project", {RUN: 0.7, RUN.replace("seed0", "seed1"): 0.8, BENCH: 0.0})
    sqlite = f"sqlite:///{project}/mlflow.db"
    for uri in (sqlite, database):
        assert tracking.mirror(project, uri, plans).written == 3
        assert tracking.mirror(project, uri, plans).written == 0
    found = content(database)
    assert found == content(sqlite) and len(found) == 5
    assert found["paper_a smoke", RUN.rpartition("/")[0]][2]["accuracy"] == pytest.approx(0.75)


def test_four_machines_write_to_one_server_at_once(tmp_path, database):
    runs = {RUN.replace("seed0", f"seed{seed}"): 0.6 + 0.1 * seed for seed in range(4)}
    folders = []
    for number, (run, accuracy) in enumerate(runs.items()):
        project, plans = make(tmp_path / str(number), {run: accuracy})
        (project / "plans.json").write_text(json.dumps(plans))
        folders.append((project, plans))
    command = [sys.executable, "-c", WRITER, database]
    writers = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for project, _ in folders
    ]
    printed = [writer.communicate(timeout=300)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, printed
    for project, plans in folders:  # whoever came last settles the mean over all seeds
        assert tracking.mirror(project, database, plans).written == 0
    found = content(database)
    print(f"4 writers on {database.partition('@')[2]}, empty before: {len(found)} entries, none twice")
    parent = RUN.rpartition("/")[0]
    assert sorted(run for _, run in found) == sorted([parent, *runs])
    assert found["paper_a smoke", parent][2]["n"] == 4
    assert found["paper_a smoke", parent][2]["accuracy"] == pytest.approx(0.75)
    assert {entry[4] for (_, run), entry in found.items() if run != parent} == {parent}
