"""What every learning method must do. A new file in methods/ needs a case in conftest.CASES."""

import copy

import pytest
import torch
from helpers.method_cases import CASES, OF_CUTS, WORD_CASES, batch_for, build, is_classifier, is_token_case

from ffrepro import methods
from ffrepro.core import schedules

pytestmark = pytest.mark.parametrize("case", CASES)

CHECKED = ("one_pass", "multi_pass", "goodness", "ensemble", "head")  # inference schemes that learn the task


def inference_of(case):
    if case in OF_CUTS:
        return "head"
    if is_token_case(case) and not case.startswith(("backprop", "hybrid")):
        return "goodness"
    return "one_pass" if is_classifier(case) else "ensemble"


def learnt(method):
    """A copy of the weights without BatchNorm's running statistics, which follow the data at any learning rate."""
    return {
        name: value.clone() for name, value in method.weights().items() if "running" not in name and "num_b" not in name
    }


def equal(a, b):
    return all(torch.equal(a[k], b[k]) for k in a) and a.keys() == b.keys()


def test_loss_falls_and_the_task_is_learnt(case, batch):
    method = build(case)
    before = method.evaluate_batch(batch)["loss"].mean()
    first = float(method.step(batch)["loss"])
    for _ in range(6):  # most need one or two of them
        for _ in range(25):
            last = float(method.step(batch)["loss"])
        after = method.evaluate_batch(batch)
        fallen = last < 0.7 * first and after["loss"].mean() < 0.7 * before
        shares = right_answers(case, after, batch["label"])
        if fallen and all(share >= least for share, least in shares.values()):
            break
    assert fallen, (first, last, before, after["loss"].mean())
    for name, (share, least) in shares.items():
        assert share >= least, name


def right_answers(case, outputs, labels):
    """Share of right answers under each reading, and the least that it may be."""
    if not is_classifier(case):
        order = outputs["logit"].argsort()
        return {"positives on top": (float(labels[order[len(order) // 2 :]].double().mean()), 0.9)}
    shares = {}
    for name, scores in outputs.items():
        beside = case.startswith("hybrid") and name == "scores_goodness"  # of half of its sublayers
        if name.removeprefix("scores_") in CHECKED and not beside:
            shares[name] = float((scores.argmax(1) == labels).double().mean()), 0.75  # of ten classes
    return shares


def test_same_seed_same_bytes(case, batch):
    runs = []
    for _ in range(2):
        method = build(case)
        losses = [float(method.step(batch)["loss"]) for _ in range(5)]
        runs.append((losses, copy.deepcopy(method.weights())))
    assert runs[0][0] == runs[1][0]
    assert equal(runs[0][1], runs[1][1])


def test_another_seed_another_start(case):
    assert not equal(build(case, seed=0).weights(), build(case, seed=1).weights())


def test_uneven_last_batch_leaves_no_trace_of_the_full_one(case):
    """A small batch after a large one gives what it gives on its own: no stale workspace."""
    small = batch_for(case, 6, seed=5, masked=True)
    fresh, used = build(case), build(case)
    used.evaluate_batch(batch_for(case, 20, seed=6))
    used.evaluate_batch(batch_for(case, 20, seed=7, masked=True))
    assert equal(fresh.evaluate_batch(small), used.evaluate_batch(small))
    fresh.step(small)
    used.step(small)
    assert equal(fresh.weights(), used.weights())


def test_observing_changes_nothing(case, batch):
    method = build(case)
    method.step(batch)
    state, rng = copy.deepcopy(method.state_dict()), torch.get_rng_state()
    first = {k: v.clone() for k, v in method.evaluate_batch(batch).items()}
    method.scores(batch, inference_of(case))
    assert equal(state["weights"], method.state_dict()["weights"])
    assert str(state["optimizers"]) == str(method.state_dict()["optimizers"])
    assert torch.equal(rng, torch.get_rng_state())
    assert equal(first, method.evaluate_batch(batch))


def test_save_and_load_go_on_bit_for_bit(case, batch, tmp_path):
    method = build(case)
    for _ in range(3):
        method.step(batch)
    torch.save(method.state_dict(), tmp_path / "state.pt")
    again = build(case, seed=9)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(3):
        assert float(method.step(batch)["loss"]) == float(again.step(batch)["loss"])
    assert equal(method.weights(), again.weights())


def test_learning_rate_is_followed(case, batch):
    method = build(case, weight_decay=0.0)
    before = learnt(method)
    method.set_lr(0.0)
    method.step(batch)
    assert equal(before, learnt(method))
    method.set_lr(1e-3)
    method.step(batch)
    assert not equal(before, learnt(method))


def test_observation_has_one_value_a_sample(case, batch):
    method = build(case)
    out = method.evaluate_batch(batch)
    n = len(batch["label"])
    assert out["loss"].ndim == 2
    assert all(len(v) == n and v.isfinite().all() and not v.requires_grad for v in out.values())
    scores = method.scores(batch, inference_of(case))
    if is_classifier(case):
        assert scores.shape == (n, 10)
        assert torch.equal(scores, out[f"scores_{inference_of(case)}"])
    else:
        assert scores.shape == (n,)
        assert torch.equal(scores, out["logit"])


def test_hyperparameters_are_those_that_the_method_declares(case):
    name, settings = CASES[case]
    declared = methods.module(name).SETTINGS
    assert set(declared) == set(settings)
    assert all(declared[key].allows(value) for key, value in settings.items())


def test_every_method_has_a_case(case):
    assert {name for name, _ in CASES.values()} | set(WORD_CASES) == set(methods.names())


@pytest.mark.parametrize("settings", [
    {"schedule": "plateau", "lr": 0.1, "plateau_on": "train", "plateau_epochs": 1, "plateau_factor": 0.5,
     "plateau_threshold": 0.0},
    {"schedule": "multistep", "lr": 0.1, "milestones": [1, 2], "gamma": 0.5},
    {"schedule": "cosine", "lr": 0.1, "warmup_epochs": 1},
], ids=lambda settings: settings["schedule"])  # fmt: skip
def test_an_epochs_end_sets_the_schedules_rate_on_every_optimizer(case, settings):
    """Methods that do not say otherwise: one schedule, as ``core.schedules`` has it, whatever validation says."""
    method, alone = build(case), schedules.build(settings, 4)
    if case in OF_CUTS and len(method.parts) > 2:
        pytest.skip("every part has a schedule of its own: test_cuts.py")
    method.begin_schedule(settings, 4)
    expected, found = [alone.lr], [method.rates()["lr"]]
    for loss in (1.0, 2.0, 0.5):
        method.end_epoch({"loss": loss}, {"loss": -loss, "accuracy": 0.1})
        expected.append(alone.update(loss))
        found.append(method.rates()["lr"])
        rates = {group["lr"] for optimizer in method.optimizers for group in optimizer.param_groups}
        assert rates == ({expected[-1]} if method.optimizers else set())
    assert found == expected and len(set(expected)) > 1
