"""The bench of cut nets: every way of a step makes one."""

import json

import pytest
import torch
from helpers.method_cases import FF_IMAGES
from helpers.plans import make_image_plan

from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import complete
from ffrepro.nets import conv_stack
from ffrepro.training import bench_sff
from ffrepro.training.bench_sff import BASELINES, WAYS, Case


def test_ways_make_steps_and_the_smallest_memory_is_found(monkeypatch):
    kept = [f"{bench_sff.BP}, channels last", "SFF mean(Z^2), low memory"]
    monkeypatch.setattr(bench_sff, "WAYS", {name: WAYS[name] for name in kept})
    monkeypatch.setattr(bench_sff, "PLAIN", {"plain script, channels last, fused": (True, {"fused": True})})
    monkeypatch.setattr(bench_sff, "BASELINES", [kept[0], *bench_sff.PLAIN])
    threads = torch.get_num_threads()
    # Smaller images or batches, and the copies of weights that AVX-512 kernels make would outweigh the activations.
    result = bench_sff.measure(Case("mobilenet_v3_small", 64, 16), 1, 1)
    rows = {row["name"]: row for row in result["rows"]}
    torch.set_num_threads(threads)
    assert len(rows) == 3 and result["baseline"] in bench_sff.BASELINES
    assert all(set(bench_sff.COLUMNS) <= row.keys() for row in rows.values())
    assert {"net": "mobilenet_v3_small", "side": 64, "batch": 16, "classes": 10}.items() <= result["config"].items()
    assert min(row["ratio_to_bp"] for name, row in rows.items() if name in bench_sff.BASELINES) == 1.0
    low = rows[kept[1]]
    assert low["activation_ratio_to_bp"] < 0.6
    assert low["total_bytes"] > low["peak_bytes"] > low["activation_bytes"] > 0
    assert low["total_ms"] == pytest.approx(low["ms_median"] + 0.25 * low["evaluate_ms"])


def test_every_baseline_is_a_way():
    assert set(BASELINES) <= {*WAYS, *bench_sff.PLAIN}


def test_the_plain_script_has_both_layouts_with_each_form_of_adamw():
    ways = [(last, *form.items()) for last, form in bench_sff.PLAIN.values()]
    forms = (("fused", True), ("foreach", True), ("foreach", False))
    assert sorted(ways) == sorted((last, form) for last in (True, False) for form in forms)


def test_a_hundred_classes_leave_out_groups_and_show_what_cuts_the_cost(monkeypatch):
    case = Case("mobilenet_v3_small", 32, 8, classes=100)
    names = bench_sff.ways_of(100)
    assert not any(method == "cwc_blocks" for method, _ in names.values()) and bench_sff.COSTS.items() <= names.items()
    monkeypatch.setattr(bench_sff, "WAYS", {})
    monkeypatch.setattr(bench_sff, "PLAIN", {})
    steps, evaluations, _ = bench_sff.ways(bench_sff.subject(case, "cpu"))
    assert list(steps) == list(bench_sff.COSTS)
    for name, step in steps.items():
        assert torch.isfinite(step()["loss"]) and evaluations[name]().shape == (8, 100), name


def planned(*channels, place):
    """A bench plan of BP and of SFF on a small stack each, and its result."""
    plan = make_image_plan("ff", FF_IMAGES)
    for key in ("net", "method", "training"):
        del plan[key]

    def variant(name, width):
        net = complete(conv_stack.SETTINGS, {"channels": [width]}, what="net conv_stack")
        method = complete(methods.module(name).SETTINGS, {}, what=f"method {name}")
        return {"net": {"name": "conv_stack", **net}, "method": {"name": name, **method}}

    names = ("backprop_blocks", "sff")
    variants = {f"stack_{name}": variant(name, width) for name, width in zip(names, channels, strict=True)}
    bench = {"name": "sff", "bench_batch": 5, "bench_rounds": 3}
    plan |= {"kind": "bench", "run": "smoke/cpu/step_mnist_as_published/interleaved/seed0"}
    plan |= {"variants": variants, "bench": bench}
    return plan, bench_sff.run(plan, place)


def test_a_planned_bench_leaves_the_ways_of_its_methods_in_a_record(place):
    plan, result = planned(4, 4, place=place)
    assert json.loads((place.runs / plan["run"] / "result.json").read_text()) == result
    rows = {row["name"]: row for row in result["rows"]}
    expected = {name for name, (method, _) in WAYS.items() if method != "cwc_blocks"} | set(bench_sff.PLAIN)
    assert set(rows) == expected
    assert {"net": "conv_stack", "side": 28, "batch": 5, "classes": 10, "rounds": 3}.items() <= result["config"].items()
    assert rows[result["baseline"]]["total_ratio_to_bp"] == rows[result["baseline"]]["ratio_to_bp"] == 1.0
    assert result["baseline"] in bench_sff.describe(result)


def test_different_nets_in_a_planned_bench_are_refused(place):
    with pytest.raises(FfreproError, match="stack_sff"):
        planned(4, 6, place=place)
