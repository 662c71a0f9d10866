"""The training loop: records, resume, stopping, and what a user can do to it."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers.method_cases import BP, CASES, FF, is_classifier
from helpers.plans import make_plan

from ffrepro.base.errors import FfreproError, explain_os_error
from ffrepro.data.trajectories_task import Task
from ffrepro.training import loop
from ffrepro.training.parts import Place
from ffrepro.training.record import Record
from ffrepro.training.trainer import Trainer


def folder(place, plan):
    return place.runs / plan["run"]


def numbers(place, plan):
    """What a run measured, without what it took."""
    at = folder(place, plan)
    lines = [json.loads(line) for line in (at / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["seconds"]
    result = json.loads((at / "result.json").read_text())
    return lines, result["metrics"], (at / "arrays.npz").read_bytes()


@pytest.mark.parametrize("case", [case for case in CASES if not is_classifier(case)])
def test_record_of_every_method(place, case):
    name, hyperparameters = CASES[case]
    plan = make_plan(name, hyperparameters, max_epochs=2)
    result = loop.run(plan, place)
    at = folder(place, plan)
    assert sorted(p.name for p in at.iterdir()) == ["arrays.npz", "metrics.jsonl", "result.json", "run.json"]
    assert result == json.loads((at / "result.json").read_text())
    assert (result["epochs"], result["max_epochs"], result["stopped_by"]) == (2, 2, "max_epochs")
    lines, metrics, _ = numbers(place, plan)
    assert [line["epoch"] for line in lines] == [1, 2]
    run = json.loads((at / "run.json").read_text())
    counts = run["data"]["counts"]
    assert run["plan"] == plan
    assert run["data"]["source"] == "standin"
    assert len(run["data"]["fingerprint"]) == 64
    with np.load(at / "arrays.npz") as arrays:
        assert len(arrays["test_logit"]) == counts["test"]
        accuracy = ((arrays["test_logit"] > 0) == (arrays["test_label"] == 1)).mean()
        assert metrics["test/accuracy"] == pytest.approx(accuracy, abs=1e-12)
        if name == "ff_rnn":
            theta = hyperparameters["theta"]
            np.testing.assert_allclose(arrays["test_goodness"] - theta, arrays["test_layer_logit"], atol=1e-5)
            np.testing.assert_allclose(arrays["test_layer_logit"].mean(1), arrays["test_logit"], atol=1e-5)


def test_same_seed_same_numbers_and_another_seed_others(place):
    plan = make_plan("ff_rnn", FF, max_epochs=2)
    loop.run(plan, place)
    first = numbers(place, plan)
    loop.run(plan, place, force=True)
    assert numbers(place, plan) == first
    other = make_plan("ff_rnn", FF, max_epochs=2, seed=1)
    loop.run(other, place)
    assert numbers(place, other)[1] != first[1]


def test_both_methods_see_the_same_split_for_the_same_seed(place):
    runs = [make_plan("ff_rnn", FF, max_epochs=1), make_plan("backprop_rnn", BP, max_epochs=1)]
    for plan in runs:
        loop.run(plan, place)
    first, second = (np.load(folder(place, plan) / "arrays.npz")["test_index"] for plan in runs)
    np.testing.assert_array_equal(first, second)


def test_finished_run_is_not_repeated(place, monkeypatch):
    plan = make_plan("ff_rnn", FF, max_epochs=1)
    result = loop.run(plan, place)
    monkeypatch.setattr(loop, "load_data", lambda *_: pytest.fail("trained again"))
    assert loop.run({**plan, "origin": {"net.hidden": "better words"}}, place) == result


@pytest.mark.parametrize(("method", "hyperparameters"), [("ff_rnn", FF), ("backprop_rnn", BP)])
def test_killed_run_resumes_to_the_same_bytes(place, prepared, tmp_path, method, hyperparameters, monkeypatch):
    """kill -9 in the middle, then the same command: metrics and arrays as if nothing had happened."""
    plan = make_plan(method, hyperparameters, max_epochs=40, early_stop_epochs=40)
    straight = Place(tmp_path, tmp_path / "straight", prepared)
    loop.run(plan, straight)
    plan_file = tmp_path / "plan.json"
    plan_file.write_text(json.dumps(plan))
    code = (
        "import sys; from ffrepro.training import loop; loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0\n"
        "from ffrepro.cli.main import main\n"
        f"sys.exit(main(['train', {str(plan_file)!r}, '--runs', {str(place.runs)!r}, '--prepared', {str(prepared)!r}]))"
    )
    partial = Record(folder(place, plan), plan).partial
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        metrics = partial / "metrics.jsonl"
        if (partial / "state.pt").exists() and len(metrics.read_text().splitlines()) >= 3:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done_before = len((partial / "metrics.jsonl").read_text().splitlines())
    assert 3 <= done_before < 40
    assert not (folder(place, plan) / "result.json").exists()
    state = Record(folder(place, plan), plan).resume()
    assert state["epoch"] >= 2
    loop.run(plan, place)
    assert numbers(place, plan) == numbers(straight, plan)
    assert not partial.exists()


def test_resume_does_not_start_again(place, monkeypatch):
    """A run stopped after its third epoch trains the missing epochs only."""
    plan = make_plan("ff_rnn", FF, max_epochs=5)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = Trainer.run_epoch
    trained = []

    def stop_in_the_fourth(self, phase):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(self.phase_epoch + 1)
        return whole(self, phase)

    monkeypatch.setattr(Trainer, "run_epoch", stop_in_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        loop.run(plan, place)
    trained.clear()
    monkeypatch.setattr(
        Trainer, "run_epoch", lambda self, phase: (trained.append(self.phase_epoch + 1), whole(self, phase))[1]
    )
    assert loop.run(plan, place)["epochs"] == 5
    assert trained == [4, 5]


def test_edited_plan_does_not_resume_the_old_run(place, monkeypatch):
    plan = make_plan("ff_rnn", FF, max_epochs=3)
    record = Record(folder(place, plan), plan)
    record.save_state({"epoch": 1})
    edited = make_plan("ff_rnn", {**FF, "theta": 3.0}, max_epochs=3)
    assert Record(folder(place, edited), edited).resume() is None
    loop.run(edited, place)
    assert not record.partial.exists()  # left over work of a plan that is no more


def test_broken_checkpoint_says_what_to_do(place):
    plan = make_plan("ff_rnn", FF)
    record = Record(folder(place, plan), plan)
    record.partial.mkdir(parents=True)
    (record.partial / "state.pt").write_bytes(b"half a checkpoint")
    with pytest.raises(FfreproError, match="checkpoint cannot be read") as error:
        loop.run(plan, place)
    assert "delete that file" in str(error.value)
    assert "state.pt" in str(error.value)


def test_nan_stops_the_run_and_names_the_learning_rate(place):
    plan = make_plan("ff_rnn", FF, lr=1e30)
    with pytest.raises(FfreproError, match="diverged") as error:
        loop.run(plan, place)
    assert "1e+30" in str(error.value)
    assert not (folder(place, plan) / "result.json").exists()


def test_full_disk_loses_nothing(place, monkeypatch):
    plan = make_plan("ff_rnn", FF, max_epochs=3)
    straight = make_plan("ff_rnn", FF, max_epochs=3)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device", "runs/state.pt")
        return real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError) as error:
            loop.run(plan, place)
    message = str(explain_os_error(error.value))
    assert "no space left" in message
    assert "run the same command again" in message
    partial = Record(folder(place, plan), plan).partial
    assert [p.name for p in partial.iterdir() if p.name.startswith(".")] == []  # no half-written files
    loop.run(plan, place)
    after = numbers(place, plan)
    loop.run(straight, place, force=True)
    assert numbers(place, straight) == after


def test_early_stop_restores_the_best_epoch(place):
    plan = make_plan("backprop_rnn", BP, max_epochs=40, early_stop_epochs=2, lr=0.05)
    result = loop.run(plan, place)
    lines, metrics, _ = numbers(place, plan)
    val = [line["val/loss"] for line in lines]
    assert result["stopped_by"] == "early_stopping"
    assert result["epochs"] == len(lines) < 40
    assert result["best_epoch"] == int(np.argmin(val)) + 1 == result["epochs"] - 2
    assert metrics["val/loss"] == pytest.approx(min(val), rel=1e-12)


def test_the_test_split_is_read_once(place, monkeypatch):
    plan = make_plan("ff_rnn", FF, max_epochs=3)
    seen = []
    whole = Task.in_order
    monkeypatch.setattr(Task, "in_order", lambda self, name: (seen.append(name), whole(self, name))[1])
    loop.run(plan, place)
    assert seen.count("test") == 1
    assert seen[-1] == "test"


def test_plan_and_data_must_have_one_source(place, prepared, tmp_path):
    plan = make_plan("ff_rnn", FF)
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/upstream").symlink_to(prepared / "standin")
    wrong = Place(tmp_path, tmp_path / "runs", tmp_path / "wrong")
    with pytest.raises(FfreproError) as error:
        loop.run({**plan, "source": "upstream"}, wrong)
    assert error.value.where == tmp_path / "wrong/upstream/dollar.npz"
    assert "--source upstream" in error.value.fix


def test_absent_device_is_refused(place):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    plan = make_plan("ff_rnn", FF) | {"profile": {"device": "cuda", "precision": "float32", "memory_cap_gb": 4}}
    with pytest.raises(FfreproError, match="no cuda device"):
        loop.run(plan, place)


def test_kept_weights_evaluate_to_the_same_numbers(place):
    plan = make_plan("ff_rnn", FF, max_epochs=2)
    result = loop.run(plan, place, keep_weights=True)
    again = loop.evaluate_again(plan, place, "test")
    assert {f"test/{k}": v for k, v in again.items()} == {
        k: v for k, v in result["metrics"].items() if k.startswith("test")
    }


def test_evaluating_without_weights_says_how_to_keep_them(place):
    plan = make_plan("ff_rnn", FF, max_epochs=1)
    loop.run(plan, place)
    with pytest.raises(FfreproError, match="--keep-weights"):
        loop.evaluate_again(plan, place, "test")


def test_a_batch_of_one_has_no_batch_statistics(place):
    """The released code's standardisation is undefined there; that is said, not written down as a result."""
    hyperparameters = CASES["ff_rnn standardize published"][1]
    plan = make_plan("ff_rnn", hyperparameters, batch_size=50, max_epochs=1)
    with pytest.raises(FfreproError, match="test/loss is not finite") as error:
        loop.run(plan, place)
    assert "more than one sample in the last batch" in str(error.value)
