"""Runs that start from another run's weights: blocks get them, the head does not, frozen blocks stay."""

import copy
import json

import pytest
import torch
from helpers.method_cases import BP_BLOCKS, SFF
from helpers.plans import IMAGES, make_image_plan, prepare_standin

from ffrepro.base.errors import FfreproError
from ffrepro.base.plans import start_of
from ffrepro.training import loop, parts, plan_check, probe

NET = {"name": "conv_stack", "channels": [10, 12], "batch_norm": True, "cut": "blocks"}
SOURCE = "smoke/cpu/test_mnist_as_published/backprop_blocks/seed0"


def make_plan(method="backprop_blocks", start=None, variant=None, **changed):
    settings = {"backprop_blocks": BP_BLOCKS, "sff": SFF}[method]
    plan = make_image_plan(method, {**settings}, net=NET, inference="ensemble", max_epochs=1)
    plan |= {"data": IMAGES | {"train_samples": 60, "normalisation": "channel"}, **changed}
    if variant:
        plan |= {"variant": variant, "run": plan["run"].replace(f"/{method}/", f"/{variant}/")}
    return plan_check.check(plan | ({"start": start} if start else {}), "plan.json")


def start(frozen, variant="backprop_blocks"):
    return {"experiment": "test_mnist_as_published", "variant": variant, "frozen": frozen}


@pytest.fixture(scope="module")
def source(prepared, tmp_path_factory):
    """A place with a finished run that kept its weights."""
    folder = tmp_path_factory.mktemp("source")
    place = parts.Place(folder, folder / "runs", prepared)
    loop.run(make_plan(keep_weights=True), place)
    return place


def blocks_and_head(weights):
    head = {name: value for name, value in weights.items() if name.startswith("model.head")}
    return {k: v for k, v in weights.items() if k not in head and not k.startswith("extra.")}, head


def begun(plan, place):
    task = parts.make_task(plan, parts.load_data(plan, place.prepared), "cpu", torch.float32)
    return parts.make_method(plan, task, start=parts.start_weights(plan, place)), task


@pytest.mark.parametrize("method", ["backprop_blocks", "sff"])
def test_blocks_begin_with_the_weights_and_the_head_with_its_own(source, method):
    plan = make_plan(method, start(False))
    assert start_of(plan) == SOURCE
    kept = torch.load(source.runs / SOURCE / "weights.pt", weights_only=True)
    blocks, head = blocks_and_head(begun(plan, source)[0].weights())
    drawn = blocks_and_head(begun(make_plan(method), source)[0].weights())[1]
    assert len(blocks) == 14 and len(head) == 2
    assert all(torch.equal(value, kept[name]) for name, value in blocks.items())
    assert all(torch.equal(value, drawn[name]) and not torch.equal(value, kept[name]) for name, value in head.items())


@pytest.fixture(scope="module")
def hundred(tmp_path_factory):
    """A place with both sets of CIFAR and a finished run on the hundred classes."""
    folder = tmp_path_factory.mktemp("hundred")
    for name in ("cifar10", "cifar100"):
        prepared = prepare_standin(folder, name)
    place = parts.Place(folder, folder / "runs", prepared)
    loop.run(of_photographs("cifar100", make_plan(keep_weights=True)), place)
    return place


def of_photographs(name, plan):
    plan = json.loads(json.dumps(plan).replace("test_mnist_", f"test_{name}_"))
    return plan_check.check(plan | {"dataset": name, "data": plan["data"] | {"train_samples": 200}}, "plan.json")


@pytest.mark.parametrize(("method", "frozen"), [("backprop_blocks", False), ("sff", False), ("sff", True)])
def test_a_run_starts_from_another_data_set_with_other_classes(hundred, method, frozen):
    """Blocks that learned a hundred classes go on with ten: head and auxiliary maps are of ten."""
    plan = of_photographs("cifar10", make_plan(method, start(frozen), variant=f"{method}_hundred_{frozen}"))
    plan["start"]["experiment"] = "test_cifar100_as_published"
    kept = torch.load(hundred.runs / start_of(plan) / "weights.pt", weights_only=True)
    begun_with = begun(plan, hundred)[0].weights()
    blocks, head = blocks_and_head(begun_with)
    assert len(blocks) == 14 and all(torch.equal(value, kept[name]) for name, value in blocks.items())
    assert {len(value) for value in head.values()} == {10} and {len(kept[name]) for name in head} == {100}
    maps = [value for name, value in begun_with.items() if name.startswith("extra.")]
    assert {len(value) for value in maps} == ({10} if method == "sff" else set())
    result = loop.run(plan | {"keep_weights": True}, hundred)
    after = torch.load(hundred.runs / plan["run"] / "weights.pt", weights_only=True)
    assert frozen == all(torch.equal(after[name], value) for name, value in blocks.items())
    assert not any(torch.equal(after[name], value) for name, value in head.items())
    assert result["epochs"] == 1 and 0 <= result["metrics"]["test/accuracy"] <= 1


@pytest.mark.parametrize("method", ["backprop_blocks", "sff"])
def test_frozen_blocks_stay_and_what_reads_them_learns(source, method):
    place, plan = source, make_plan(method, start(True), variant=f"{method}_on_bp", keep_weights=True)
    result = loop.run(plan, place)
    kept = torch.load(place.runs / SOURCE / "weights.pt", weights_only=True)
    found = torch.load(place.runs / plan["run"] / "weights.pt", weights_only=True)
    blocks, head = blocks_and_head(found)
    assert all(torch.equal(value, kept[name]) for name, value in blocks.items())  # BatchNorm's statistics among them
    first = begun(plan, place)[0].weights()
    learnt = [name for name, value in found.items() if not torch.equal(value, first[name])]
    assert all(name in learnt for name in head)
    assert (len(learnt) > len(head)) == (method == "sff")  # the auxiliary maps
    assert result["epochs"] == 1
    about = json.loads((place.runs / plan["run"] / "run.json").read_text())
    assert about["start"]["run"] == SOURCE and len(about["start"]["sha256"]) == 64


def test_a_run_without_the_weights_it_starts_from_says_how_to_make_them(source):
    with pytest.raises(FfreproError) as caught:
        loop.run(make_plan(start=start(False, "nobody"), variant="other"), source)
    assert "ffrepro train plan/smoke/cpu/test_mnist_as_published/nobody/seed0.json" in caught.value.fix


def test_weights_of_another_net_are_refused(source):
    plan = make_plan(start=start(False), variant="other")
    plan["net"] = NET | {"channels": [10, 16]}
    with pytest.raises(FfreproError, match="another net"):
        begun(plan, source)


def test_a_net_without_cuts_is_refused(source):
    plan = make_image_plan("backprop", {"weight_decay": 0.0, "checkpoint": False, "micro_batches": 1})
    plan |= {"start": start(False), "data": IMAGES | {"train_samples": 60}}
    with pytest.raises(FfreproError, match="no cuts"):
        begun(plan, source)


def test_weights_that_got_lost_are_made_again(source, tmp_path):
    place = parts.Place(tmp_path, tmp_path / "runs", source.prepared)
    plan = make_plan(keep_weights=True)
    first = loop.run(plan, place)
    path = place.runs / plan["run"] / "weights.pt"
    content = torch.load(path, weights_only=True)
    path.unlink()
    assert loop.run(plan, place)["metrics"] == first["metrics"]
    again = torch.load(path, weights_only=True)
    assert all(torch.equal(content[name], again[name]) for name in content)


def test_a_probe_needs_no_weights(source):
    assert probe.measure(make_plan(start=start(True, "nobody")), source, limit=0.1)["time"]["train_s"] > 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("start", []),
        ("start", {"experiment": "a"}),
        ("start", start(True) | {"frozen": 1}),
        ("start", start(True) | {"variant": "../x"}),
        ("start", start(True) | {"experiment": "A/b"}),
        ("keep_weights", False),
        ("keep_weights", "yes"),
    ],
)
def test_a_plan_with_another_start_is_refused(key, value):
    with pytest.raises(FfreproError) as caught:
        plan_check.check(copy.deepcopy(make_plan()) | {key: value}, "plan.json")
    assert key in str(caught.value.where) or key in caught.value.what
