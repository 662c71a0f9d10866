"""The benches measure what they say: interleaving, ratios, every row, memory."""

import time

import pytest
import torch
from scipy.stats import binom

from ffrepro.training import timing


def test_interleaving_runs_every_step_each_round_and_starts_with_another_one():
    order = []
    steps = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds = timing.interleave(steps, rounds=3, warmup=1)
    assert order == list("abc" + "bca" + "cab" + "abc")
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_step_on_a_gpu_is_over_when_all_that_it_started_is(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("end"))
    timing.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=1, warmup=1)
    assert calls == ["a", "end", "b", "end", "b", "end", "a", "end"]


def test_rows_by_hand():
    seconds = {"bp1": [0.2, 0.4, 0.3], "bp2": [0.2, 0.2, 0.1], "ff": [0.1, 0.3, 0.1]}
    baseline, rows = timing.rows(seconds, ["bp1", "bp2"])
    assert baseline == "bp2"
    ff = rows[2]
    assert (ff["ms_median"], ff["ms_min"], ff["ms_max"]) == pytest.approx((100.0, 100.0, 300.0))
    assert (ff["ratio_to_bp"], ff["ratio_low"], ff["ratio_high"]) == pytest.approx((1.0, 0.5, 1.5))
    assert rows[1]["ratio_to_bp"] == 1.0


@pytest.mark.parametrize(("n", "k"), [(3, 1), (6, 1), (10, 2), (30, 10)])
def test_interval_of_the_median_is_scipys(n, k):
    """k: the published order statistics for 95 %; the interval must be the one of scipy's quantile test."""
    values = [float(v) for v in range(1, n + 1)]
    assert timing.median_interval(values[::-1]) == (k, n + 1 - k)
    assert binom.cdf(k - 1, n, 0.5) <= 0.025 or k == 1
    assert binom.cdf(k, n, 0.5) > 0.025


def test_slow_is_measured_as_slow():
    seconds = timing.interleave({"fast": lambda: None, "slow": lambda: time.sleep(0.01)}, rounds=3, warmup=0)
    assert min(seconds["slow"]) >= 0.01
