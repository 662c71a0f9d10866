"""The benches of blocks: their rows, what they count, and a chunk of all layers, which is backpropagation."""

import copy
import json
import math

import pytest
import torch
from helpers.method_cases import BP, CWC, FF_IMAGES, build
from helpers.plans import IMAGES, MLP, make_image_plan

from ffrepro.base.errors import FfreproError
from ffrepro.core import gradients
from ffrepro.studies.ortiz2025_advancements import bench_block_memory, bench_block_training
from ffrepro.training import parts, record_check
from ffrepro.training.trainer import Trainer

TINY = {"name": "cnn", "model": "ff_tiny", "cfse": False, "init": "torch_default"}
BACKPROP = {"name": "backprop", **{key: BP[key] for key in ("weight_decay", "checkpoint", "micro_batches")}}
TRAINING = {
    "name": "block_training", "bench_batch": 20, "bench_epochs": 4, "bench_lr": 1e-3, "bench_milestones": [2],
    "bench_gamma": 0.1,
}  # fmt: skip
TRAINED = {
    "tiny_cwc": {"net": TINY, "method": {"name": "cwc", **CWC, "update": "alternating"}},
    "mlp_ff": {"net": MLP, "method": {"name": "ff", **FF_IMAGES}},
    "tiny_bp": {"net": TINY, "method": BACKPROP},
}
AFTER = {"name": "cwc", **CWC, "head": "after"}
HELD = {
    "mlp_after": {"net": MLP, "method": {"name": "ff", **FF_IMAGES, "head": "after"}},
    "mlp_bp": {"net": MLP, "method": BACKPROP},
    "tiny_single": {"net": TINY, "method": {**AFTER, "update": "simultaneous"}},
    "tiny_two": {"net": TINY, "method": {**AFTER, "update": "alternating"}},
    "tiny_whole": {"net": TINY, "method": {**AFTER, "update": "chunked", "block_layers": 4}},
    "tiny_bp": {"net": TINY, "method": BACKPROP},
}


def bench_plan(settings, variants):
    plan = make_image_plan("backprop", {})
    for key in ("method", "net", "training"):
        del plan[key]
    run = f"smoke/cpu/{settings['name']}_mnist_as_published/interleaved/seed0"
    return {
        **plan, "kind": "bench", "paper": "ortiz2025_advancements", "run": run, "variant": "interleaved",
        "experiment": run.split("/")[2], "protocol": {"treatment": "as_published"}, "bench": settings,
        "data": {**IMAGES, "train_samples": 60}, "variants": variants,
    }  # fmt: skip


def recorded(bench, plan, place):
    result = bench.run(plan, place)
    record_check.check(record_check.read(place.runs / plan["run"]), plan["run"])
    content = json.loads((place.runs / plan["run"] / "result.json").read_text())
    rows = {row["name"]: row for row in content["rows"]}
    assert all(name in bench.describe(result) for name in rows)
    return rows


def test_rows_of_the_trainings(place, monkeypatch):
    """The row at a constant rate is the first variant without milestones; every one ends with its last epoch."""
    made, real = [], Trainer.__init__

    def watched(self, method, task, settings, **more):
        made.append((settings["milestones"], settings["final_weights"], task.evaluation["inference"]))
        real(self, method, task, settings, **more)

    monkeypatch.setattr(Trainer, "__init__", watched)
    rows = recorded(bench_block_training, bench_plan(TRAINING, TRAINED), place)
    assert list(rows) == [*TRAINED, "tiny_cwc, constant rate"]
    last = [(falls, "last", scheme) for falls, scheme in
            (([2], "goodness"), ([2], "multi_pass"), ([2], "multi_pass"), ([], "goodness"))]  # fmt: skip
    assert made == last
    for name, row in rows.items():
        layers = [row[f"unrest_layer{layer}"] for layer in range(3 if name == "mlp_ff" else 4)]
        assert 0 <= row["error"] <= 1 and row["unsteady"] >= 0 and all(0 < unrest < 10 for unrest in layers)
    assert rows["tiny_bp"]["error"] == rows["tiny_bp"]["error_one_pass"]
    assert rows["tiny_cwc"]["unrest_layer0"] != rows["tiny_cwc, constant rate"]["unrest_layer0"]


def test_steadiness_by_hand():
    """Of six epochs the last three count: |.2 - .5| and |.4 - .2|."""
    assert bench_block_training.unsteady([0.9, 0.1, 0.8, 0.5, 0.2, 0.4]) == pytest.approx(0.25)


@pytest.mark.parametrize("name", list(TRAINED))
def test_norms_are_those_of_each_layer_at_its_own_update(place, name):
    plan = bench_plan(TRAINING, TRAINED)
    asked = {**plan, **TRAINED[name], "training": {"lr": 1e-3, "batch_size": 20}}
    asked["protocol"] = plan["protocol"] | {"inference": "goodness" if name == "tiny_cwc" else "multi_pass"}
    task = parts.make_task(asked, parts.load_data(plan, place.prepared), "cpu", torch.float32)
    method = parts.make_method(asked, task)
    norms, expected = bench_block_training.watch(method), [[] for _ in method.net.blocks]
    for optimizer in method.optimizers:
        optimizer.register_step_pre_hook(lambda o, *_: seen.append(id(o)))
    seen: list[int] = []
    for batch in list(task.in_order("train"))[:2]:
        method.begin_phase(method.phases()[0])
        method.step(batch)
    assert [len(of_layer) for of_layer in norms] == [2] * len(expected)
    assert all(norm > 0 and math.isfinite(norm) for of_layer in norms for norm in of_layer)
    assert len(seen) == 2 * len(method.optimizers)
    if name == "tiny_bp":  # its gradients are still there
        assert [of_layer[-1] for of_layer in norms] == gradients.norms(b.parameters() for b in method.net.blocks)


def test_what_a_step_holds(place):
    """Layers alone less than chunks of two, these less than one chunk; a twin's ratio is 1."""
    rows = recorded(
        bench_block_memory, bench_plan({"name": "block_memory", "bench_batch": 50}, HELD), place
    )  # no map of a weight's size
    assert set(rows) == {*HELD, "mlp_after, passes apart"}
    assert 0.4 < rows["mlp_after, passes apart"]["activation_mb"] / rows["mlp_after"]["activation_mb"] < 0.6
    assert rows["mlp_bp"]["activation_to_bp"] == rows["tiny_bp"]["activation_to_bp"] == 1.0
    held = [rows[f"tiny_{way}"]["activation_mb"] for way in ("single", "two", "whole")]
    assert held == sorted(held) and held[0] < held[2]
    mlp, bp = rows["mlp_after"], rows["mlp_bp"]
    assert mlp["activation_to_bp"] == pytest.approx(mlp["activation_mb"] / bp["activation_mb"])
    image, units = 784 * 50 * 4 / 1e6, 20 * 50 * 4 / 1e6
    assert 3 * units < bp["activation_mb"] < 3 * image  # the batch itself was there before


def test_a_variant_needs_its_twin(place):
    alone = {name: variant for name, variant in HELD.items() if name != "mlp_bp"}
    with pytest.raises(FfreproError, match="mlp_after"):
        bench_block_memory.run(bench_plan({"name": "block_memory", "bench_batch": 40}, alone), place)


@pytest.mark.parametrize(("size", "alike"), [(1, [False, False, True]), (2, [False, False, True]), (3, [True] * 3)])
def test_a_chunk_of_all_layers_is_backpropagation_of_its_last_loss(size, alike):
    """Every layer's gradient is autograd's through the whole net; in smaller chunks that of the lower layers is not."""
    batch = {"x": torch.randn(20, 3, 10, 10), "label": torch.arange(20) % 10}
    method = build("cwc alternating", update="chunked", block_layers=size, head="after")
    method.begin_phase(method.phases()[0])
    net, seen = copy.deepcopy(method.net).train(), {}

    def keep(optimizer, *_):
        layer = method.optimizers.index(optimizer)
        seen[layer] = [parameter.grad.clone() for parameter in method.net.blocks[layer].parameters()]

    for optimizer in method.optimizers:
        optimizer.register_step_pre_hook(keep)
    method.step(batch)
    h = batch["x"]
    for block in net.blocks:
        h = block(h)
    method._loss(method._goodness(h), batch["label"]).mean().backward()
    assert alike == [
        all(torch.allclose(a, p.grad, atol=1e-6) for a, p in zip(seen[layer], block.parameters(), strict=True))
        for layer, block in enumerate(net.blocks)
    ]
