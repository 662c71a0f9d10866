"""Seconds to a target error, of a column with ``reach``: by hand, from epochs of a few made-up runs."""

from types import SimpleNamespace

import pytest

from ffrepro.claims import docs_tables
from ffrepro.claims.records import Evidence


def run(seed, *accuracies, seconds=10.0):
    """A run with a validation accuracy after each epoch; None: an epoch without validation."""
    lines = [{"seconds": seconds} | ({} if a is None else {"val/accuracy": a}) for a in accuracies]
    return SimpleNamespace(plan={"seed": seed}, metrics=lambda: lines)


FF = Evidence((run(0, 0.5, None, 0.8, 0.9), run(1, 0.7, 0.6, 0.65, seconds=4.0)))
BP = Evidence((run(0, 0.85, 0.6), run(1, 0.7, 0.68)))
SOURCES = SimpleNamespace(
    twin=lambda runs: BP if runs is FF else None,
    claim=lambda short: SimpleNamespace(claim={"value": {"025": 80.0, "026": 20.0}[short]}),
    claims=SimpleNamespace(factor=lambda claim: 100),
)


@pytest.mark.parametrize(
    ("runs", "reach", "shown"),
    [
        (FF, {"error": 0.3}, "17"),  # after the third epoch, 30 s, and after the first, 4 s
        (FF, {"error": 0.2}, "30 (1 of 2)"),  # 1 - .8, as it is rounded
        (FF, {"claim": "025"}, "30 (1 of 2)"),  # an accuracy of 80 %
        (FF, {"error": 0.05}, "not reached"),
        (FF, {"twin": "least"}, "22"),  # .15 of seed 0 after 40 s, .3 of seed 1 after 4 s
        (BP, {"twin": "least"}, "10"),  # its own
    ],
)
def test_seconds_to_an_error(runs, reach, shown):
    spec = {"metric": "val/accuracy", "complement": True, "reach": reach, "digits": 0}
    assert docs_tables._reached(SOURCES, spec, runs) == shown


def test_an_error_is_taken_as_it_is():
    runs = Evidence((SimpleNamespace(plan={"seed": 0}, metrics=lambda: [{"seconds": 3.0, "val/error": 0.2}]),))
    spec = {"metric": "val/error", "digits": 1, "reach": {"claim": "026"}}
    assert docs_tables._reached(SOURCES, spec, runs) == "3.0"
