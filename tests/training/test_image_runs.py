"""Image classifiers through the loop: phases one after the other, every method without labels, early exit."""

import json

import numpy as np
import pytest
import torch
from helpers.method_cases import BP_IMAGES, CASES, CWC, FF_IMAGES, LOCAL, build, is_image_case, make_images
from helpers.plans import IMAGES, make_image_plan

from ffrepro.training import evaluate, loop, parts, record_check
from ffrepro.training.record import Record
from ffrepro.training.trainer import Trainer

CNN = {"name": "cnn", "model": "test", "cfse": False, "init": "torch_default"}
KEPT = {
    "cwc": (CWC, CNN, "goodness"),
    "ff": (FF_IMAGES, None, "multi_pass"),
    "backprop": (BP_IMAGES, CNN, "one_pass"),
}
GREEDY = [
    case
    for case in LOCAL
    if is_image_case(case)
    and CASES[case][1].get("update") == "simultaneous"
    and CASES[case][1].get("negatives") != "hard"
]


def lines_of(place, plan):
    return [json.loads(line) for line in (place.runs / plan["run"] / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", GREEDY)
def test_greedy_layers_learn_one_after_the_other(case):
    method, batch = build(case, update="greedy", head="after"), make_images()
    phases = method.phases()
    assert [phase.name for phase in phases] == ["layer0", "layer1", "layer2", "head"]
    for number, phase in enumerate(phases):
        method.begin_phase(phase)
        parts = [*method.net.blocks, method.head]
        before = [[p.clone() for p in part.parameters()] for part in parts]
        method.step(batch)
        moved = [
            not all(torch.equal(a, b) for a, b in zip(old, part.parameters(), strict=True))
            for old, part in zip(before, parts, strict=True)
        ]
        assert moved == [index == number for index in range(4)]


def test_greedy_through_the_loop(place, monkeypatch):
    """What the blocks are at the ends of the phases: each phase moves its own one and leaves the others."""
    plan = make_image_plan("ff", {**FF_IMAGES, "update": "greedy", "head": "after"}, inference="multi_pass")
    ends = {}
    epoch = Trainer.run_epoch

    def watched(self, phase):
        ends.setdefault(f"before {phase}", [p.clone() for p in self.method.net.parameters()])
        line = epoch(self, phase)
        ends[phase] = [p.clone() for p in self.method.net.parameters()]
        return line

    monkeypatch.setattr(Trainer, "run_epoch", watched)
    result = loop.run(plan, place)
    assert [line["phase"] for line in lines_of(place, plan)] == [
        *["layer0"] * 2,
        *["layer1"] * 2,
        *["layer2"] * 2,
        "head",
    ]
    assert result["epochs"] == 7
    for number, phase in enumerate(["layer0", "layer1", "layer2", "head"]):
        same = [torch.equal(a, b) for a, b in zip(ends[f"before {phase}"], ends[phase], strict=True)]
        assert same == [index // 2 != number for index in range(6)]  # a weight and a bias for each block
    metrics = result["metrics"]
    assert 1 <= metrics["test/layers_early_exit"] <= 3
    assert metrics["val/error_early_exit"] <= metrics["val/error_multi_pass"]


@pytest.mark.parametrize("head", ["concurrent", "after"])
@pytest.mark.parametrize("case", ["ff_unsupervised hybrid", "scff", "uff autoencoder", "uff gan", "ff learnt labels"])
def test_record_of_every_new_way_to_learn(place, case, head):
    name, hyperparameters = CASES[case]
    changed = {"patch_side": 7} if "patch_side" in hyperparameters else {}
    inference = "multi_pass" if name == "ff" else "one_pass"
    plan = make_image_plan(name, {**hyperparameters, **changed, "head": head}, inference=inference)
    result = loop.run(plan, place)
    assert result["epochs"] == (3 if head == "after" else 2)
    assert 0 <= result["metrics"]["test/error_one_pass"] <= 1
    assert ("test/error_early_exit" in result["metrics"]) == (name == "ff")


def arrays_of(place, plan):
    with np.load(place.runs / plan["run"] / "arrays.npz") as stored:
        return {name: stored[name] for name in stored.files}


def plan_of(name, **training):
    hyperparameters, net, inference = KEPT[name]
    return make_image_plan(name, hyperparameters, net=net, inference=inference, **training)


@pytest.mark.parametrize("name", KEPT)
def test_the_record_holds_the_final_weights_goodness_and_filters(place, name):
    plan = plan_of(name)
    loop.run(plan, place, keep_weights=True)
    found, weights = arrays_of(place, plan), Record(place.runs / plan["run"], plan).load_weights()
    first = weights["blocks.0.linear.weight" if name == "ff" else "blocks.0.conv.weight"]
    shape = (20, 1, 28, 28) if name == "ff" else (20, 1, 3, 3)
    np.testing.assert_array_equal(found["filters"], first.reshape(shape).numpy().astype(np.float16))
    assert ("filters_class" in found) == (name == "cwc")

    task = parts.make_task(plan, parts.load_data(plan, place.prepared), "cpu", torch.float32)
    method = parts.make_method(plan, task)
    method.load_weights(weights)
    seen = evaluate.evaluate_split(method, task, "test")
    if name == "backprop":
        assert "test_goodness_by_class" not in found
        return
    assert found["test_goodness_by_class"].shape == (3, 10, 10)
    for true in range(10):
        mean_LC = seen["layer_scores"][seen["label"] == true].mean(0)
        np.testing.assert_allclose(found["test_goodness_by_class"][:, true], mean_LC, rtol=1e-5)


@pytest.mark.parametrize("name", KEPT)
def test_an_interrupted_run_ends_with_the_same_arrays(place, monkeypatch, name):
    plan = plan_of(name, max_epochs=3)
    loop.run(plan, place)
    straight = (place.runs / plan["run"] / "arrays.npz").read_bytes()
    epoch = Trainer.run_epoch

    def interrupted(self, phase):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return epoch(self, phase)

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.run(plan, place, force=True)
    assert Record(place.runs / plan["run"], plan).resume()["epoch"] == 2
    monkeypatch.setattr(Trainer, "run_epoch", epoch)
    loop.run(plan, place, force=True)
    assert (place.runs / plan["run"] / "arrays.npz").read_bytes() == straight


def test_the_vocabulary_of_the_helpers_is_the_tasks():
    from ffrepro.data.images_task import SETTINGS

    assert set(IMAGES) - {"name"} == set(SETTINGS)


def test_both_stages_of_interleaved_training_through_the_loop(place):
    settings = {**CWC, "update": "simultaneous", "ilt_patience": 1}
    plan = make_image_plan("cwc", settings, net=CNN, inference="goodness", max_epochs=3)
    result = loop.run(plan, place)
    names = [phase["name"] for phase in result["phases"]]
    assert names == ["find_layer0", "find_layer1", "find_layer2", "train"]
    lines = lines_of(place, plan)
    for layer, phase in enumerate(result["phases"][:3]):
        own = [line[f"val/loss_layer{layer}"] for line in lines if line["phase"] == phase["name"]]
        flat = next((n for n in range(1, len(own)) if own[n] >= min(own[:n])), None)
        assert (phase["stopped_by"], phase["epochs"]) == (
            ("max_epochs", 3) if flat is None else ("early_stopping", flat + 1)
        )
    record_check.check(record_check.read(place.runs / plan["run"]), plan["run"])
