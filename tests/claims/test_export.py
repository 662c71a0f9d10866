"""The numbers of the report as files for other tools."""

from types import SimpleNamespace

from ffrepro.claims import export


def test_metrics_of_a_bench_hold_the_ratios_that_it_measured():
    rows = [
        {"name": "MLP, one-pass", "ratio_to_bp": 1.5},
        {"name": "FF-Std", "ratio_to_bp": 0.7, "peak_ratio_to_bp": 0.3},
    ]
    bench = SimpleNamespace(plan={"kind": "bench", "experiment": "b"}, result={"rows": rows})
    assert export.metrics([bench]) == {
        "b": {"MLP, one-pass": {"time_ratio": 1.5}, "FF-Std": {"time_ratio": 0.7, "memory_ratio": 0.3}}
    }
