"""The inference bench: every scheme of every net, over the images it says, with ratios inside one net."""

import json

import pytest
import torch
from helpers.method_cases import BP_IMAGES, CWC, FF_IMAGES
from helpers.plans import MLP, make_image_plan

from ffrepro.base.errors import FfreproError
from ffrepro.core import early_exit, updates
from ffrepro.methods.base import Phase
from ffrepro.training import bench_inference, parts


def bench_plan(**variants):
    plan = make_image_plan("ff", FF_IMAGES)
    for key in ("net", "method", "training"):
        del plan[key]
    tiny = {"name": "cnn", "model": "ff_tiny", "cfse": False, "init": "torch_default"}
    variants = variants or {
        "mlp_ff": {"net": MLP, "method": {"name": "ff", **FF_IMAGES}},
        "mlp_bp": {"net": MLP, "method": {"name": "backprop", **BP_IMAGES}},
        "tiny_cwc": {"net": tiny, "method": {"name": "cwc", **CWC}},
        "tiny_bp": {"net": tiny, "method": {"name": "backprop", **BP_IMAGES}},
    }
    bench = {"name": "inference", "bench_images": 7, "bench_batch": 5, "bench_singles": 3, "bench_rounds": 3}
    run = "smoke/cpu/inference_bench_mnist_as_published/interleaved/seed0"
    return {**plan, "kind": "bench", "run": run, "variants": variants, "bench": bench}


def first_batch(plan, place):
    """The bench's task and its first batch, of 5 images."""
    data = parts.load_data(plan, place.prepared)
    task = parts.make_task({**plan, "training": {"batch_size": 5}}, data, "cpu", torch.float32)
    return task, next(iter(task.in_order("val")))


def test_bench_record(place):
    plan = bench_plan()
    result = bench_inference.run(plan, place)
    at = place.runs / plan["run"]
    assert sorted(p.name for p in at.iterdir()) == ["result.json", "run.json"]
    assert json.loads((at / "result.json").read_text()) == result
    rows = {row["name"]: row for row in result["rows"]}
    schemes = {net: ["BP", "one-pass", "multi-pass", "early exit"] for net in ("mlp", "tiny")}
    schemes["mlp"] += ["one-pass, all", "one-pass, last 1", "one-pass, last 2", "multi-pass, from second"]
    schemes["tiny"] += ["multi-pass, last 1", "multi-pass, last 3", "multi-pass, all"]
    assert set(rows) == {
        f"{net}, {scheme}{fed}" for net in schemes for scheme in schemes[net] for fed in ("", ", singly")
    } | {"mlp, softmax layer's training", "tiny, softmax layer's training"}
    assert (result["config"]["images"], result["config"]["singles"], result["config"]["weights"]) == (7, 3, "untrained")
    for name, row in rows.items():
        assert row["images"] == (3 if "singly" in name else 7)
        assert row["ms_per_image"] == pytest.approx(row["ms_median"] / row["images"])
        assert row["ms_min"] <= row["ms_median"] <= row["ms_max"]
        assert row["one_pass_low"] <= row["ratio_to_one_pass"] <= row["one_pass_high"]
    assert result["baseline"] in rows and rows[result["baseline"]]["ratio_to_bp"] == 1.0
    assert rows["mlp, one-pass"]["ratio_to_one_pass"] == rows["mlp, BP, singly"]["ratio_to_bp"] == 1.0
    assert rows["mlp, BP"]["layers_used"] is None
    assert 1 <= rows["tiny, early exit"]["layers_used"] <= 4
    table = bench_inference.describe(result)
    assert all(name in table for name in rows)


@pytest.fixture
def counted(place, monkeypatch):
    """``counted(net, method, copies)``: the net's ways to infer, a batch of 5 images so many times, the samples of each
    call of the first block (filled as it is called), and the method."""
    plan, calls, methods = bench_plan(), [], []
    built = bench_inference._method

    def counting(plan, variant, task, **options):
        method = built(plan, variant, task, **options)
        method.net.blocks[0].register_forward_hook(lambda module, x, y: calls.append(len(y)))
        methods.append(method)
        return method

    monkeypatch.setattr(bench_inference, "_method", counting)

    def ways_of(net, method, copies):
        task, batch = first_batch(plan, place)
        ways, _ = bench_inference._ways(plan, task, f"{net}_{method}", f"{net}_bp", batch)
        return ways, {name: torch.cat([value] * copies) for name, value in batch.items()}, calls, methods[-1]

    return ways_of


@pytest.mark.parametrize(
    ("net", "method", "copies", "multi"),
    [
        ("mlp", "ff", 1, [50]),  # all labels at once
        ("mlp", "ff", 4, [20] * 10),
        ("tiny", "cwc", 1, [5]),
    ],
)
def test_multi_pass_of_a_net_without_groups_sees_every_label(counted, net, method, copies, multi):
    """Counted, not timed: calls of the first block."""
    ways, fed, calls, _ = counted(net, method, copies)
    size = len(fed["label"])
    for scheme, expected in (("one-pass", [size]), ("multi-pass", multi), ("BP", [size])):
        calls.clear()
        ways[scheme](fed)
        assert calls == expected, scheme


@pytest.mark.parametrize(("net", "method", "copies"), [("mlp", "ff", 1), ("mlp", "ff", 4), ("tiny", "cwc", 1)])
def test_training_the_softmax_layer_takes_one_pass_and_changes_nothing_else(counted, net, method, copies):
    ways, fed, calls, trained = counted(net, method, copies)
    before = {name: value.clone() for name, value in trained.weights().items()}
    calls.clear()
    ways["softmax layer's training"](fed)
    changed = {name for name, value in trained.weights().items() if not torch.equal(value, before[name])}
    assert calls == [len(fed["label"])] and changed and all("head." in name for name in changed)
    if method == "ff":
        assert changed == {"extra.head.layers.1.weight", "extra.head.layers.1.bias"}  # no other readout's


@pytest.mark.parametrize(
    ("name", "schemes"),
    [
        ("mlp_ff", {"one-pass": "one_pass", "one-pass, last 1": "one_pass_last_1", "one-pass, all": "one_pass_all",
                    "multi-pass": "multi_pass", "multi-pass, from second": "from_second"}),
        ("tiny_cwc", {"one-pass": "one_pass", "multi-pass": "goodness", "multi-pass, last 1": "last1",
                      "multi-pass, last 3": "last3", "multi-pass, all": "all"}),
    ],
)  # fmt: skip
def test_a_scheme_is_the_one_its_row_names(name, schemes, place):
    plan = bench_plan()
    task, batch = first_batch(plan, place)
    ways, _ = bench_inference._ways(plan, task, name, f"{name.partition('_')[0]}_bp", batch)
    method = bench_inference._method(plan, name, task)  # the same weights: one seed
    method.begin_phase(Phase(updates.HEAD))
    observed, seen = method.evaluate_batch(batch), []
    for scheme, inference in schemes.items():
        torch.testing.assert_close(ways[scheme](batch), observed[f"scores_{inference}"], rtol=1e-5, atol=1e-6)
        assert not any(torch.equal(ways[scheme](batch), other) for other in seen), scheme
        seen.append(ways[scheme](batch))


def test_half_of_the_layers_are_used():
    scores_BLC = torch.randn(200, 4, 10, generator=torch.Generator().manual_seed(0))
    threshold = bench_inference._halving(scores_BLC)
    assert float(early_exit.leave(scores_BLC, threshold)[1].double().mean()) == pytest.approx(2.5, abs=0.3)


def test_a_net_without_its_twin_is_refused(place):
    with pytest.raises(FfreproError, match="no twin"):
        bench_inference.run(bench_plan(mlp_ff={"net": MLP, "method": {"name": "ff", **FF_IMAGES}}), place)
