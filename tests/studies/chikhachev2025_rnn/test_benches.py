"""The benches of this paper: every row, ratios, memory."""

import json
import signal
import subprocess

import pytest
from helpers.method_cases import BP, FF
from helpers.plans import make_plan

from ffrepro.base.errors import FfreproError
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
    rows = bench_parallel.measure(most=2, seconds=0.1, rounds=1, batch_size=4)
    assert [row["processes"] for row in rows] == [1, 2]
    assert rows[0]["ratio"] == 1.0
    assert rows[0]["steps_per_s"] > 0.5
    assert rows[1]["ratio"] == pytest.approx(rows[1]["steps_per_s"] / rows[0]["steps_per_s"])


@pytest.fixture
def parallel_workers(monkeypatch):
    """What the parallel bench starts instead of its workers: a shell's line."""
    started, popen = [], subprocess.Popen

    def install(line):
        def start(command, **options):
            started.append(popen(["sh", "-c", line], **options))
            return started[-1]

        monkeypatch.setattr(bench_parallel.subprocess, "Popen", start)
        return started

    return install


def test_a_worker_of_the_parallel_bench_that_is_killed_is_an_error(parallel_workers):
    parallel_workers("echo ready; kill -9 $$")
    with pytest.raises(FfreproError, match="ended with -9"):
        bench_parallel.together(2, 1.0)


def test_a_stopped_parallel_bench_leaves_no_worker_behind(parallel_workers, monkeypatch):
    started = parallel_workers("echo ready; exec sleep 60")
    monkeypatch.setattr(bench_parallel, "_start", lambda process: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        bench_parallel.together(2, 1.0)
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2


def test_where_memory_cannot_be_measured_its_ratio_is_missing(place, monkeypatch):
    monkeypatch.setattr(memory.Peak, "__exit__", lambda self, *error: self._profile.__exit__(*error))
    result = bench_rnn.run(bench_plan(), place)
    assert {(row["peak_bytes"], row["peak_ratio_to_bp"]) for row in result["rows"]} == {(None, None)}
    assert all(row["name"] in bench_rnn.describe(result) for row in result["rows"])
    assert memory.ratio(6, 4) == 1.5
