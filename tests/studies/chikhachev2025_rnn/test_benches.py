"""The benches of this paper: every row, ratios, memory."""

import json

import pytest
from helpers.method_cases import BP, FF
from helpers.plans import make_plan

from ffrepro.studies.chikhachev2025_rnn import bench_parallel, bench_rnn
from ffrepro.training import memory


def bench_plan(seed=0):
    plan = make_plan("ff_rnn", FF, seed=seed)
    net = plan.pop("net")
    for key in ("method", "training"):
        del plan[key]
    variants = {
        "bptt": {"net": {**net, "init": "torch_default"}, "method": {"name": "backprop_rnn", **BP}},
        "ff_rms": {"net": net, "method": {"name": "ff_rnn", **FF}},
        "ff_std": {"net": net, "method": {"name": "ff_rnn", **FF, "norm": "standardize"}},
    }
    bench = {"name": "rnn", "hidden": 16, "layers": 3, "bench_batch": 30, "bench_rounds": 3}
    run = "smoke/cpu/bench_dollar_corrected/interleaved/seed0"
    return {**plan, "kind": "bench", "run": run, "variants": variants, "bench": bench}


def test_bench_record(place):
    plan = bench_plan()
    result = bench_rnn.run(plan, place)
    at = place.runs / plan["run"]
    assert sorted(p.name for p in at.iterdir()) == ["result.json", "run.json"]
    assert json.loads((at / "result.json").read_text()) == result
    rows = {row["name"]: row for row in result["rows"]}
    assert {"BPTT, plain script", "BPTT, written by hand", "BPTT, checkpointed", "FF-Norm", "FF-Std"} < rows.keys()
    base = rows[result["baseline"]]
    assert base["ratio_to_bp"] == base["peak_ratio_to_bp"] == 1.0
    assert base["ms_median"] == min(rows[f"BPTT, {adam} Adam"]["ms_median"] for adam in bench_rnn.ADAMS)
    assert rows["BPTT, 4 micro-batches"]["peak_bytes"] < base["peak_bytes"]
    assert rows["FF-Norm"]["peak_bytes"] < rows["FF-Norm, plain autograd"]["peak_bytes"]
    assert result["config"]["batch"] == 30 and result["config"]["steps"] == 20
    table = bench_rnn.describe(result)
    assert all(name in table for name in rows)


def test_parallel_bench_counts_steps_of_real_processes():
    rows = bench_parallel.measure(most=2, seconds=0.3, rounds=1)
    assert [row["processes"] for row in rows] == [1, 2]
    assert rows[0]["ratio"] == 1.0
    assert rows[0]["steps_per_s"] > 0.5
    assert rows[1]["ratio"] == pytest.approx(rows[1]["steps_per_s"] / rows[0]["steps_per_s"])


def test_where_memory_cannot_be_measured_its_ratio_is_missing(place, monkeypatch):
    monkeypatch.setattr(memory.Peak, "__exit__", lambda self, *error: self._profile.__exit__(*error))
    result = bench_rnn.run(bench_plan(), place)
    assert {(row["peak_bytes"], row["peak_ratio_to_bp"]) for row in result["rows"]} == {(None, None)}
    assert all(row["name"] in bench_rnn.describe(result) for row in result["rows"])
    assert memory.ratio(6, 4) == 1.5
