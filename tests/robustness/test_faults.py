"""A stop or a full disk at the file operations of every command that writes: no traceback, and again ends the same.

The shorter campaign tries some of a command's operations, chosen by a seed; FFREPRO_CAMPAIGN=long tries all.
"""

from functools import cache
from types import SimpleNamespace

import pytest
from helpers.campaign import PLANS, copy, make_project, some, view
from helpers.faults import FULL, KILL, Disk, Killed

from ffrepro.base.errors import explain_os_error
from ffrepro.claims import report
from ffrepro.claims.figures import movement
from ffrepro.cli import main
from ffrepro.cli import report as report_command
from ffrepro.data import standin_images
from ffrepro.data.archives import ARCHIVES
from ffrepro.data.negatives import planning
from ffrepro.pipeline import archive, transfer
from ffrepro.training import loop

TRIALS = 10  # of a command in the shorter campaign
FEWER = {"bench": 2, "report": 4, "table": 4}  # of those that take longest
SOURCE = ("--source", "standin")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A checkpoint after every epoch; and what takes long and touches no file is computed once a test."""
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    for module, name in ((planning, "extract_set"), (planning, "extract_all"), (movement, "draw"), (report, "_study")):
        monkeypatch.setattr(module, name, once(getattr(module, name)))
    for name in {found.build for found in ARCHIVES.values() if hasattr(standin_images, found.build)}:
        monkeypatch.setattr(standin_images, name, cache(getattr(standin_images, name)))
    project, plans = SimpleNamespace(scale="smoke", hardware=["cpu"]), [PLANS["train"], PLANS["sklearn_baseline"]]
    monkeypatch.setattr(report_command, "all_plans", lambda *_: (project, plans))
    monkeypatch.setattr(report_command, "plans_behind_table", lambda *_: (project.scale, project.hardware, plans))


def once(function):
    """A function that is only called with the same arguments."""
    made = []

    def call(*args, **kwargs):
        if not made:
            made.append(function(*args, **kwargs))
        return made[0]

    return call


def nothing(folder):
    pass


def run(*argv):
    """A command of the working folder."""

    def call(folder):
        return main.main([str(part) for part in argv])

    return call


def trained(folder):
    for command, kind in (("train", "train"), ("baseline", "sklearn_baseline")):
        assert run(command, f"{kind}.json")(folder) == 0


def packed(folder):
    trained(folder)
    export(folder)
    (folder / "runs").rename(folder / "packed")


def export(folder):
    archive.pack(
        folder / "records.tar.gz",
        {PLANS[kind]["run"]: folder / "runs" / PLANS[kind]["run"] for kind in ("train", "sklearn_baseline")},
    )
    return 0


def take_in(reference):
    def call(folder):
        content = archive.unpack(folder / "records.tar.gz")
        taken = transfer.take_in(content, folder, {}, replace=False, reference=reference)
        return 0 if not taken.refused and not taken.busy else 3

    return call


def begun_elsewhere(folder):
    """An archive of an unfinished run."""
    partial = folder / "runs" / PLANS["train"]["run"] / ".partial-0123456789ab"
    partial.mkdir(parents=True)
    (partial / "state.pt").write_text("state")
    (partial / "metrics.jsonl").write_text("{}\n")
    archive.pack(folder / "records.tar.gz", {PLANS["train"]["run"]: partial.parent}, state=True)
    (folder / "runs").rename(folder / "packed")


COMMANDS = {
    "train": (nothing, run("train", "train.json", "--keep-weights")),
    "baseline": (nothing, run("baseline", "sklearn_baseline.json")),
    "baseline again": (trained, run("baseline", "--force", "sklearn_baseline.json")),
    "bench": (nothing, run("bench", "--plan", "bench.json")),
    "kinematics plan": (nothing, run("kinematics", "plan", "dollar", *SOURCE)),
    "negatives": (nothing, run("negatives", "dollar", "--level", "close", *SOURCE)),
    "kinematics show": (nothing, run("kinematics", "show", "dollar/s01", *SOURCE)),
    "fetch": (nothing, run("fetch", "mnist", *SOURCE)),
    "prepare": (run("fetch", "mnist", *SOURCE), run("prepare", "mnist", *SOURCE)),
    "report": (trained, run("report")),
    "table": (trained, run("report", "--table", "chikhachev2025_rnn/table1")),
    "export": (trained, export),
    "import": (packed, take_in(False)),
    "import as evidence": (packed, take_in(True)),
    "import of unfinished runs": (begun_elsewhere, take_in(False)),
}


def interrupted(world, folder, command, monkeypatch, capsys, most):
    """Run the campaign of one command; how many faults struck."""
    copy(world, folder)
    monkeypatch.chdir(folder)
    initial = view(folder)
    with Disk(folder) as counted:
        assert command(folder) == 0, capsys.readouterr().err
    expected = view(folder)
    trials = some([(at, kind) for at in range(counted.count) for kind in (KILL, FULL)], most)
    for at, kind in trials:
        monkeypatch.chdir(world)
        copy(world, folder)
        monkeypatch.chdir(folder)
        capsys.readouterr()
        with Disk(folder, at, kind) as disk:
            try:
                code = command(folder)
            except Killed:
                code = None
            except OSError as error:  # of a function below the command line, which explains it
                code = 1
                print(explain_os_error(error))
        said = "".join(capsys.readouterr())
        assert disk.struck
        if kind == FULL:
            assert code == 0 or (code == 1 and "no space left" in said and "Traceback" not in said), (at, said)
        if code is None or code == 1:
            for path, content in view(folder).items():
                assert content in (initial.get(path), expected.get(path)), (at, kind, path)
        with Disk(folder):
            assert command(folder) == 0, (at, kind, capsys.readouterr().err)
        assert view(folder) == expected, (at, kind)
    return len(trials)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_fault_in_a_command(ram, name, monkeypatch, capsys, record_property):
    world = make_project(ram / "world")
    prepare, command = COMMANDS[name]
    monkeypatch.chdir(world)
    with Disk(world):
        prepare(world)
    count = interrupted(world, ram / "at-work", command, monkeypatch, capsys, FEWER.get(name, TRIALS))
    record_property("campaign", (f"{name}: kill, full disk", count))
