"""Records that survive: a stop or a full disk at every file operation, damaged checkpoints, two processes at once."""

import errno
import json
import os
import shutil
import signal
import threading

import numpy as np
import pytest
import torch
from helpers.faults import FULL, KILL, Disk, Killed
from helpers.method_cases import FF
from helpers.plans import make_baseline_plan, make_plan

from ffrepro.base import records
from ffrepro.base.errors import FfreproError, explain_os_error
from ffrepro.base.files import read_json, write_json
from ffrepro.training import loop, sklearn_baseline
from ffrepro.training.record import Record

EPOCHS = 2
PLANS = {
    "train": make_plan("ff_rnn", FF, max_epochs=EPOCHS),
    "sklearn_baseline": make_baseline_plan({"name": "logreg"}),
    "bench": make_plan("ff_rnn", FF) | {"kind": "bench"},
}


@pytest.fixture(autouse=True)
def no_flush(monkeypatch):
    """No power is lost here."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def at_work(record, *, again=False, weights=True):
    """What the loop does with a record, without any training: the numbers depend on the epochs done before."""
    plan = record.plan

    def work():
        result = {"schema": 1, "run": plan["run"], "sum": 7.0}
        if plan["kind"] == "train":
            state = record.resume() or {"epoch": 0, "sum": 0.0}
            for epoch in range(state["epoch"] + 1, EPOCHS + 1):
                state = {"epoch": epoch, "sum": state["sum"] * 3 + epoch}
                record.add_metrics({"epoch": epoch, "val/loss": state["sum"]})
                record.save_state(state)
            result |= {"epochs": EPOCHS, "sum": state["sum"]}
        facts = {"run": plan["run"], "plan": plan, "plan_sha256": record.plan_sha256}
        arrays = None if plan["kind"] == "bench" else {"test_logit": np.arange(5.0)}
        kept = {"w": torch.arange(3)} if weights and plan["kind"] == "train" else None
        record.finish(facts, result, arrays, kept)
        return result

    return record.once(work, again=again)


def content(folder):
    """Name -> bytes of everything in a run's folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def undisturbed(tmp_path, plan, **options):
    """(files, result) of a run that nothing happens to."""
    record = Record(tmp_path / "undisturbed/seed0", plan)
    result = at_work(record, **options)
    return content(record.folder), result


@pytest.mark.parametrize("kind", [KILL, FULL])
@pytest.mark.parametrize(
    ("of", "there"),
    [
        ("train", "nothing"),
        ("train", "its record"),
        ("train", "an older record"),
        ("sklearn_baseline", "nothing"),
        ("sklearn_baseline", "its record"),
        ("bench", "an older record"),
    ],
)
def test_a_fault_at_any_file_operation_loses_nothing(ram, of, there, kind, record_property):
    """Of a first run, of one done again over its record, and of one over the record of a plan since edited."""
    plan, again = PLANS[of], there == "its record"
    expected, result = undisturbed(ram, plan)
    number = 0
    while True:
        record = Record(ram / f"{number}/seed0", plan)
        if there != "nothing":
            at_work(Record(record.folder, plan if again else plan | {"code": "older"}))
        before = record.finished()
        with Disk(record.folder.parent, number, kind) as disk:
            try:
                assert at_work(record, again=again) == result
            except Killed:
                pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
                assert str(record.folder.parent) in str(explain_os_error(error).where)
        if not disk.struck:
            break
        found = record.finished()
        assert found in (None, result) and (found or not before or record.partial.exists())
        assert at_work(record, again=again) == result
        assert content(record.folder) == expected
        assert set(os.listdir(record.folder.parent)) <= {"seed0", ".seed0.lock"}
        number += 1
    assert number > 10
    record_property("campaign", (f"record of a {of} over {there}: {kind}", number))


def checkpointed(tmp_path, epochs=2):
    """A record that was stopped after some epochs."""
    record = Record(tmp_path / "seed0", PLANS["train"])
    record.resume()
    total = 0.0
    for epoch in range(1, epochs + 1):
        total = total * 3 + epoch
        record.add_metrics({"epoch": epoch, "val/loss": total})
    record.save_state({"epoch": epochs, "sum": total})
    return record


LINE = '{"epoch": %d, "val/loss": 1.0}\n'
DAMAGED = {
    "fewer": LINE % 1,
    "none": "",
    "torn": (LINE % 1) + (LINE % 2)[:-8],
    "no last newline": (LINE % 1) + (LINE % 2).rstrip(),
    "twice": LINE % 1 * 2,
    "out of order": (LINE % 2) + (LINE % 1),
    "not of JSON": (LINE % 1) + "epoch 2\n",
    "of other things": (LINE % 1) + "[]\n",
    "not of text": "\udcff\n\n",
}


@pytest.mark.parametrize("damage", [*DAMAGED, "missing"])
def test_metrics_that_do_not_go_with_the_checkpoint_start_the_run_again(tmp_path, damage, capsys):
    expected, result = undisturbed(tmp_path, PLANS["train"])
    record = checkpointed(tmp_path)
    path = record.partial / "metrics.jsonl"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(DAMAGED[damage].encode(errors="surrogateescape"))
    assert at_work(record) == result
    assert content(record.folder) == expected
    assert record.plan["run"] in capsys.readouterr().err


def test_lines_after_the_checkpoint_are_done_again_silently(tmp_path, capsys):
    expected, _ = undisturbed(tmp_path, PLANS["train"])
    record = checkpointed(tmp_path)
    with open(record.partial / "metrics.jsonl", "a") as file:
        file.write((LINE % 3)[:-5])
    at_work(record)
    assert content(record.folder) == expected and capsys.readouterr().err == ""


def test_a_checkpoint_of_another_plan_is_refused(tmp_path):
    record = checkpointed(tmp_path)
    other = Record(tmp_path / "seed0", PLANS["train"] | {"seed": 1})
    record.partial.rename(other.partial)
    with pytest.raises(FfreproError) as error:
        at_work(other)
    assert error.value.where == other.partial / "state.pt"
    assert (other.partial / "state.pt").exists()


def test_a_checkpoint_that_does_not_name_its_plan_is_taken(tmp_path):
    """Those of older versions."""
    record = checkpointed(tmp_path)
    state = torch.load(record.partial / "state.pt")
    del state["plan_sha256"]
    torch.save(state, record.partial / "state.pt")
    assert record.resume() == {"epoch": 2, "sum": 5.0}


def test_a_checkpoint_of_another_net_is_refused(place):
    plan = make_plan("ff_rnn", FF, max_epochs=2)
    record = Record(place.runs / plan["run"], plan)
    record.resume()
    record.add_metrics({"epoch": 1})
    record.save_state({"method": {"net": {}}, "epoch": 1})
    with pytest.raises(FfreproError) as error:
        loop.run(plan, place)
    assert error.value.where == record.partial / "state.pt"


@pytest.mark.parametrize("name", records.RECORD["train"])
def test_a_record_without_one_of_its_files_is_not_finished(tmp_path, name):
    _, result = undisturbed(tmp_path, PLANS["train"])
    record = Record(tmp_path / "undisturbed/seed0", PLANS["train"])
    assert record.finished() == result
    (record.folder / name).unlink()
    assert record.finished() is None


@pytest.mark.parametrize("metrics", [LINE % 1, LINE % 1 * 4, ((LINE % 1) + (LINE % 2))[:-1]])
def test_a_record_with_other_lines_than_epochs_is_not_finished(tmp_path, metrics):
    undisturbed(tmp_path, PLANS["train"])
    record = Record(tmp_path / "undisturbed/seed0", PLANS["train"])
    (record.folder / "metrics.jsonl").write_text(metrics)
    assert record.finished() is None


def test_lines_that_somebody_else_wrote_never_become_a_record(tmp_path):
    record = Record(tmp_path / "seed0", PLANS["train"])
    whole = record.add_metrics

    def twice(line):
        whole(line)
        whole(line)

    record.add_metrics = twice
    with pytest.raises(FfreproError) as error:
        at_work(record)
    assert error.value.where == record.partial / "metrics.jsonl"
    assert not (record.folder / "result.json").exists() and (record.partial / "state.pt").exists()


def test_files_that_an_engine_removes_meanwhile_are_noticed_and_nothing_is_lost(tmp_path, monkeypatch):
    """An engine removes declared outputs before it starts a job, also while a trainer that outlived another writes."""
    expected, result = undisturbed(tmp_path, PLANS["train"])
    record = Record(tmp_path / "seed0", PLANS["train"])
    whole = Record.finished

    def remove_first(self):
        (self.folder / "run.json").unlink(missing_ok=True)
        return whole(self)

    monkeypatch.setattr(Record, "finished", remove_first)
    with pytest.raises(FfreproError) as error:
        at_work(record)
    assert error.value.where == record.folder
    monkeypatch.undo()
    monkeypatch.setattr(record, "add_metrics", lambda line: pytest.fail("trained again"))
    assert at_work(record) == result
    assert content(record.folder) == expected


def test_weights_of_an_older_record_do_not_outlive_it(tmp_path):
    record = Record(tmp_path / "seed0", PLANS["train"])
    at_work(record)
    assert "weights.pt" in content(record.folder)
    at_work(record, again=True, weights=False)
    assert "weights.pt" not in content(record.folder)


def test_a_second_process_waits_and_takes_what_the_first_left(tmp_path, capsys):
    record, began, go_on = Record(tmp_path / "seed0", PLANS["bench"]), threading.Event(), threading.Event()

    def slow():
        began.set()
        assert go_on.wait(30)
        facts = {"plan": record.plan, "plan_sha256": record.plan_sha256}
        record.finish(facts, {"made by": "the first"})
        return {"made by": "the first"}

    first = threading.Thread(target=record.once, args=(slow,))
    first.start()
    assert began.wait(30)
    second = Record(record.folder, record.plan)
    second._say_waiting = lambda holder: (Record._say_waiting(second, holder), go_on.set())
    assert second.once(lambda: pytest.fail("worked too"), again=True) == {"made by": "the first"}
    first.join()
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and record.plan["run"] in said and f"process {os.getpid()} " in said
    assert second.once(lambda: {"made by": "the second"}, again=True) == {"made by": "the second"}


def test_two_trainers_of_one_plan_leave_one_record(place, prepared, tmp_path, forks):
    """The second waits for the first, which is stopped meanwhile, names it, and takes its record."""
    plan = make_plan("ff_rnn", FF, max_epochs=12, early_stop_epochs=12)
    write_json(tmp_path / "plan.json", plan)
    folder = place.runs / plan["run"]
    partial = Record(folder, plan).partial
    command = ("train", tmp_path / "plan.json", "--runs", place.runs, "--prepared", prepared)
    first = forks.start(*command, cwd=tmp_path)
    first.until(
        lambda: (partial / "metrics.jsonl").exists() and (partial / "metrics.jsonl").read_bytes().count(b"\n") > 1
    )
    os.kill(first.pid, signal.SIGSTOP)
    second = forks.start(*command, cwd=tmp_path)
    second.until(lambda: second.output)
    assert f"process {first.pid} " in second.output and plan["run"] in second.output
    assert not (folder / "result.json").exists()
    os.kill(first.pid, signal.SIGCONT)
    assert (first.wait(), second.wait()) == (0, 0), first.output + second.output
    assert first.output.splitlines()[-1] == second.output.splitlines()[-1]
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 13))
    assert read_json(folder / "result.json")["epochs"] == 12
    assert sorted(path.name for path in folder.iterdir()) == sorted(records.RECORD["train"])
    assert [path.name for path in folder.parent.iterdir()] == ["seed0"]


def test_the_lock_of_a_killed_trainer_is_free(place, prepared, tmp_path, forks):
    plan = make_plan("ff_rnn", FF, max_epochs=12, early_stop_epochs=12)
    write_json(tmp_path / "plan.json", plan)
    command = ("train", tmp_path / "plan.json", "--runs", place.runs, "--prepared", prepared)
    first = forks.start(*command, cwd=tmp_path)
    first.until(records.lock(place.runs / plan["run"]).exists)
    first.kill()
    second = forks.start(*command, cwd=tmp_path)
    assert second.wait() == 0 and "waiting" not in second.output


def test_a_fit_is_done_by_one_process_at_a_time(place, monkeypatch):
    plan = make_baseline_plan({"name": "logreg", "inverse_penalty": 1.0, "iterations": 50})
    folder = place.runs / plan["run"]
    whole = Record.finish
    monkeypatch.setattr(
        Record,
        "finish",
        lambda self, *args: (records.lock(folder).exists() or pytest.fail("no lock"), whole(self, *args)),
    )
    sklearn_baseline.run(plan, place)
    assert Record(folder, plan).finished() is not None and not records.lock(folder).exists()


@pytest.mark.parametrize("damage", ["torn result", "lost arrays", "of nothing"])
def test_damaged_staged_files_never_replace_anything_and_are_made_again(tmp_path, damage, capsys):
    expected, result = undisturbed(tmp_path, PLANS["train"])
    record = checkpointed(tmp_path)
    shutil.copytree(tmp_path / "undisturbed/seed0", record._staged)
    if damage == "lost arrays":
        (record._staged / "arrays.npz").unlink()
    else:
        (record._staged / "result.json").write_text('{"epo' if damage == "torn result" else "")
    assert at_work(record) == result
    assert content(record.folder) == expected
    assert record.plan["run"] in capsys.readouterr().err


def test_forced_work_is_done_though_an_earlier_one_was_only_half_published(tmp_path):
    undisturbed(tmp_path, PLANS["train"])
    record = checkpointed(tmp_path)
    shutil.copytree(tmp_path / "undisturbed/seed0", record._staged)
    assert record.once(lambda: {"made": "anew"}, again=True) == {"made": "anew"}
    assert record.finished() is not None and not record.partial.exists()
