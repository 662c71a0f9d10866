"""Image classifiers through the loop: phases one after the other, every method without labels, early exit."""

import json

import pytest
import torch
from helpers.method_cases import CASES, FF_IMAGES, LOCAL, build, is_image_case, make_images
from helpers.plans import IMAGES, make_image_plan

from ffrepro.training import loop

GREEDY = [case for case in LOCAL if is_image_case(case) and CASES[case][1]["update"] == "simultaneous"]


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
    epoch = loop._Trainer._epoch

    def watched(self, phase):
        ends.setdefault(f"before {phase}", [p.clone() for p in self.method.net.parameters()])
        line = epoch(self, phase)
        ends[phase] = [p.clone() for p in self.method.net.parameters()]
        return line

    monkeypatch.setattr(loop._Trainer, "_epoch", watched)
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


def test_the_vocabulary_of_the_helpers_is_the_tasks():
    from ffrepro.data.images_task import SETTINGS

    assert set(IMAGES) - {"name"} == SETTINGS
