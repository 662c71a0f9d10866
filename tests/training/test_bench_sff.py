"""The bench of cut nets: every way of a step makes one."""

import pytest
import torch

from ffrepro.training import bench_sff
from ffrepro.training.bench_sff import BASELINES, WAYS, Case


def test_ways_make_steps_and_the_smallest_memory_is_found(monkeypatch):
    kept = [f"{bench_sff.BP}, channels last", "SFF mean(Z^2), low memory"]
    monkeypatch.setattr(bench_sff, "WAYS", {name: WAYS[name] for name in kept})
    monkeypatch.setattr(bench_sff, "PLAIN", {"plain script, channels last, fused": (True, {"fused": True})})
    monkeypatch.setattr(bench_sff, "BASELINES", [kept[0], *bench_sff.PLAIN])
    threads = torch.get_num_threads()
    # Smaller images or batches, and the copies of weights that AVX-512 kernels make would outweigh the activations.
    rows = {row["name"]: row for row in bench_sff.measure(Case("mobilenet_v3_small", 64, 16), 1, 1)}
    torch.set_num_threads(threads)
    assert len(rows) == 3 and {row["baseline"] for row in rows.values()} <= set(bench_sff.BASELINES)
    assert min(row["ratio_to_bp"] for name, row in rows.items() if name in bench_sff.BASELINES) == 1.0
    low = rows[kept[1]]
    assert low["activation_ratio_to_bp"] < 0.6
    assert low["total_bytes"] > low["peak_bytes"] > low["activation_bytes"] > 0
    assert low["total_ms"] == pytest.approx(low["ms_median"] + 0.25 * low["evaluate_ms"])


def test_every_baseline_is_a_way():
    assert set(BASELINES) <= {*WAYS, *bench_sff.PLAIN}


def test_a_hundred_classes_leave_out_groups_and_show_what_cuts_the_cost(monkeypatch):
    case = Case("mobilenet_v3_small", 32, 8, classes=100)
    names = bench_sff.ways_of(case)
    assert not any(method == "cwc_blocks" for method, _ in names.values()) and bench_sff.COSTS.items() <= names.items()
    monkeypatch.setattr(bench_sff, "WAYS", {})
    monkeypatch.setattr(bench_sff, "PLAIN", {})
    steps, evaluations, _ = bench_sff.ways(case, "cpu")
    assert list(steps) == list(bench_sff.COSTS)
    for name, step in steps.items():
        assert torch.isfinite(step()["loss"]) and evaluations[name]().shape == (8, 100), name
