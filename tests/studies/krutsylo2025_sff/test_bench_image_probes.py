"""The bench of image probes: its rows, what their two changes change, and what corrupted images leave alone."""

import json

import pytest
import torch
from helpers.method_cases import BP_BLOCKS, CWC_BLOCKS, SFF
from helpers.plans import make_image_plan

from ffrepro.core import gradients
from ffrepro.studies.krutsylo2025_sff import bench_image_probes as bench
from ffrepro.training import parts, record_check

NET = {"name": "conv_stack", "channels": [10, 12], "batch_norm": True, "cut": "blocks"}
DATA = {
    "name": "drawn_images", "validation": 0.2, "split_seed": "run", "train_samples": 60, "val_samples": 20,
    "class_half": "all", "watch": "accuracy", "normalisation": "channel", "augmentation": "none", "crop_padding": 0,
}  # fmt: skip
METHODS = {
    "bp": {"name": "backprop_blocks", **BP_BLOCKS},
    "sff": {"name": "sff", **SFF},
    "cwc": {"name": "cwc_blocks", **CWC_BLOCKS},
}
PROBES = {
    "name": "image_probes", "bench_batch": 20, "bench_epochs": 2, "bench_lr": 1e-2, "bench_images": 30,
    "bench_alike": 12, "noise_std": 0.1, "blur_sigma": 1.0, "contrast": 0.3, "original_theta": 1.0,
}  # fmt: skip


@pytest.fixture
def plan():
    plan = make_image_plan("backprop", {})
    for key in ("method", "net", "training"):
        del plan[key]
    run = "smoke/cpu/image_probes_mnist_as_published/interleaved/seed0"
    return {
        **plan, "kind": "bench", "paper": "krutsylo2025_sff", "run": run, "variant": "interleaved",
        "experiment": run.split("/")[2], "protocol": {"treatment": "as_published"}, "data": DATA, "bench": PROBES,
        "variants": {name: {"net": NET, "method": method} for name, method in METHODS.items()},
    }  # fmt: skip


@pytest.fixture
def subject(plan, place):
    return bench.Subject(plan, parts.load_data(plan, place.prepared), "cpu", torch.float32)


def test_rows_and_columns_of_a_record(plan, place):
    result = bench.run(plan, place)
    record_check.check(record_check.read(place.runs / plan["run"]), plan["run"])
    content = json.loads((place.runs / plan["run"] / "result.json").read_text())
    rows = {row["name"]: row for row in content["rows"]}
    trained = ["bp", "sff", "cwc", "sff, fixed maps", "sff, original loss"]
    assert list(rows) == [*trained, "drawn"] and content["baseline"] == "bp"
    for name in trained:
        row = rows[name]
        assert row["gradient_apart"] >= 1 and row["gradient_first"] > 0 and row["gradient_spread"] > 0
        assert 0 <= row["accuracy"] <= 1 and 0.1 < row["confidence"] <= 1 and 0 <= row["ece"] <= 1
    for name in METHODS:
        worse = [rows[name][f"accuracy_{kind}"] for kind in ("noise", "blur", "contrast")]
        assert rows[name]["accuracy_corrupted"] == pytest.approx(sum(worse) / 3)
    # Which nets have another one to be compared with.
    told = {
        name: {k[4:] for k, v in row.items() if k.startswith("cka_") and v is not None} for name, row in rows.items()
    }
    assert told["bp"] == {"own", "drawn"} and told["sff"] == {"own", "bp", "drawn"} and told["cwc"] == {"bp", "drawn"}
    assert told["drawn"] == {"own", "bp"} and told["sff, fixed maps"] == set()
    assert rows["drawn"]["cka_bp"] == pytest.approx(rows["bp"]["cka_drawn"])
    assert all(name in bench.describe(result) for name in rows)


def test_the_two_changes_change_what_they_say(subject):
    task = subject.task()
    maps, losses = {}, {}
    for change in (None, *bench._CHANGES):
        method = bench._method(subject, task, "sff", "first")
        if change:
            bench._CHANGES[change](method, PROBES)
        before = [p.clone() for p in method.maps.parameters()]
        batch = next(task.in_order("train"))
        g = method.forward(batch, method.goodness, head=False)[0][0]
        losses[change] = method.loss(0, method.cut.model.units[0](batch["x"]), batch["label"]).item()
        method.step(batch)
        maps[change] = [bool((a != b).any()) for a, b in zip(before, method.maps.parameters(), strict=True)]
        assert g.shape == (20, 10)
    assert all(maps[None]) and all(maps["original loss"]) and not any(maps["fixed maps"])
    assert losses["fixed maps"] == losses[None] != losses["original loss"]


def test_the_original_loss_is_that_of_the_true_class_and_the_mean_of_the_others(subject):
    """Goodness 3 of the true class, 1 and 2 of two others and 0 of seven: softplus(1 - 3) + softplus(1/3 - 1)."""
    method = bench._method(subject, subject.task(), "sff", "first")
    bench._CHANGES["original loss"](method, PROBES)
    method.goodness = lambda block, h: torch.tensor([[3.0, 1.0, 2.0] + 7 * [0.0]])
    softplus = torch.nn.functional.softplus
    expected = softplus(torch.tensor(-2.0)) + softplus(torch.tensor(1 / 3 - 1))
    assert float(method.loss(0, torch.zeros(1), torch.tensor([0]))) == pytest.approx(float(expected))


def test_corruption_reaches_test_images_alone_and_no_statistic(subject):
    clean = subject.task()
    first = {split: next(iter(clean.in_order(split))) for split in ("train", "val", "test")}
    kinds = []
    for kind, worse in bench.corrupted(subject):
        kinds.append(kind)
        for split, batch in first.items():
            other = next(iter(worse.in_order(split)))
            assert torch.equal(batch["index"], other["index"])
            assert torch.equal(batch["x"], other["x"]) == (split != "test"), (kind, split)
        assert torch.equal(worse.mean, clean.mean) and torch.equal(worse.std, clean.std)
    assert kinds == ["noise", "blur", "contrast"]


def test_draws_differ_in_weights_and_order_and_variants_begin_alike(subject):
    task = subject.task()
    weights = {
        (name, draw): next(bench._method(subject, task, name, draw).cut.parameters()).detach()
        for name in METHODS for draw in bench.DRAWS
    }  # fmt: skip
    assert torch.equal(weights["bp", "first"], weights["sff", "first"])
    assert not torch.equal(weights["bp", "first"], weights["bp", "second"])
    assert subject.seed("order", "first").initial_seed() != subject.seed("order", "second").initial_seed()
    run = torch.Generator().manual_seed(subject.seed("init", "first").initial_seed())
    assert run.initial_seed() == parts.seeds.generator("init", "mnist", 0).initial_seed()


def test_gradients_are_those_of_the_blocks_before_an_update(subject, monkeypatch):
    """Two epochs of three updates on two blocks, of which the second half counts; afterwards nothing is left behind."""
    task, seen = subject.task(), []
    real = gradients.norms
    monkeypatch.setattr(bench.gradients, "norms", lambda blocks: seen.append(real(blocks)) or seen[-1])
    method = bench._method(subject, task, "sff", "first")
    found = bench._train(subject, task, method, "sff", "first")
    assert len(seen) == 2 * 3 and all(len(update) == 2 and min(update) > 0 for update in seen)
    assert found["gradient_first"] == pytest.approx(gradients.middle(update[0] for update in seen[3:]))
    assert not method.optimizers[0]._optimizer_step_pre_hooks
