"""Benches in several fresh processes, and what is made of their rows."""

import os

from ffrepro.training import bench_layers, fresh_processes


def test_every_process_is_another_one():
    ids = fresh_processes.repeated(os.getpid, processes=2)
    assert len({*ids, os.getpid()}) == 3


def test_rows_are_merged_by_their_medians():
    results = [result(1.0, 0.9, "BP"), result(5.0, 0.7, "BP, foreach"), result(2.0, 0.8, "BP")]
    (row,) = fresh_processes.merged([one["rows"] for one in results])
    assert row["ms_median"] == 2.0 and row["ratio_to_bp"] == 0.8
    assert (row["ratio_low"], row["ratio_high"]) == (0.7, 0.9)
    assert row["name"] == "FF" and row["bytes"] is None

    whole = fresh_processes.together(results)
    assert whole["rows"] == [row] and whole["processes"] == results
    assert whole["baseline"] == "BP, BP, foreach" and whole["net"] == "mlp"


def test_layers_in_parallel_are_compared_within_a_round(monkeypatch):
    """Speed-ups 4 / 2, 6 / 2 and 5 / 5 of the rounds: median 2; the bound of stages of 3 and 1 seconds is 4 / 3."""
    alone, both = iter([4.0, 6.0, 5.0]), iter([2.0, 2.0, 5.0])
    ways = {"one": lambda: (next(alone), {}), "two": lambda: (next(both), {"stages_s": [3.0, 1.0]})}
    monkeypatch.setattr(bench_layers, "ways", lambda case: ways)
    found = bench_layers.measure("rnn", 3)
    one, two = found["rows"]
    assert (one["speedup"], one["epoch_s_median"]) == (1.0, 5.0)
    assert (two["speedup"], two["speedup_low"], two["speedup_high"]) == (2.0, 1.0, 3.0)
    assert abs(found["bound"] - 4 / 3) < 1e-12
    other = found | {"bound": 1.5, "rows": [one, two | {"speedup": 1.8, "speedup_low": 0.5}]}
    whole = bench_layers.together([found, other, other])
    assert whole["bound"] == 1.5 and whole["fresh"] == [found, other, other] and whole["net"] == "rnn"
    assert [line.split()[-3:] for line in bench_layers.describe(whole).splitlines()[-2:-1]] == [
        ["1.80", "0.50", "3.00"]
    ]


def result(ms, ratio, baseline):
    row = {"name": "FF", "ms_median": ms, "ratio_to_bp": ratio, "ratio_low": 0.0, "ratio_high": 9.0, "bytes": None}
    return {"net": "mlp", "baseline": baseline, "rows": [row]}
