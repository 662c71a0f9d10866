"""Epochs to a target: computed by hand, and as the operands of a conclusion."""

from types import SimpleNamespace

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.claims import check, compare, conclusions, curves, load, verdict

PAPER = "kim2025_transformer"


def run(seed, *accuracies):
    """A run of two seconds an epoch."""
    lines = [{"epoch": e + 1, "seconds": 2.0, "val/accuracy": a} for e, a in enumerate(accuracies)]
    plan = {"seed": seed, "experiment": "sentiment_imdb_corrected", "variant": "x", "dataset": "imdb",
            "protocol": {"treatment": "corrected"}, "scale": "paper", "hardware": "cpu"}  # fmt: skip
    return SimpleNamespace(plan=plan, metrics=lambda: lines, value={"val/accuracy": max(accuracies)}.get, run=f"{seed}",
                           capped_at=lambda budget: None)  # fmt: skip


def test_a_target_is_reached_in_the_first_epoch_at_or_above_it():
    record = run(0, 0.5, 0.7, 0.6, 0.8)
    assert curves.best(record, "val/accuracy") == 0.8
    assert curves.reached(record, "val/accuracy", 0.7) == (2, 4.0)
    assert curves.reached(record, "val/accuracy", 0.75) == (4, 8.0)
    assert curves.reached(record, "val/accuracy", 0.81) == (None, None)


def test_a_target_lies_between_a_start_and_the_mean_of_the_best():
    base = SimpleNamespace(records=(run(0, 0.9, 0.6), run(1, 0.6, 0.7)))
    assert curves.target(base, "val/accuracy", 0.5, 0.5) == pytest.approx(0.65)


def test_a_run_that_never_gets_there_is_cut_at_its_last_epoch():
    assert curves.epochs([run(0, 0.6, 0.8), run(1, 0.6, 0.6, 0.6)], "val/accuracy", 0.7) == ([2.0, 3.0], [None, 3])


@pytest.fixture
def claims(project_root):
    return load.load(project_root, PAPER)


def convergence(claims, bp, ff):
    """The verdict on claim 154 of some runs, and its operands."""
    found = {"bp": bp, "ff": ff, "random": bp, "tfidf": bp}

    def pick(experiment, variant):
        records = tuple(run(seed, *curve) for seed, curve in enumerate(found[variant]))
        return SimpleNamespace(records=records, standin=False, cut_to=None, dirty=False)

    claim = claims.claim("154")
    used = {n: compare.operand(claims, entry, "corrected", pick) for n, entry in claim["operands"].items()}
    return conclusions.on_runs(claims, claim["ours"], used)[0], used


def test_who_converges_faster_is_decided_by_the_log_rank_test(claims):
    """Target: .5 + .95 (.9 - .5) = .88. Five runs against five that are all slower: p = 2 / 252."""
    slow, fast = [[0.6, 0.7, 0.8, 0.9]] * 5, [[0.9]] * 4 + [[0.6, 0.9]]
    found, used = convergence(claims, slow, fast)
    assert used["ff"].values == (1, 1, 1, 1, 2) and used["bp"].values == (4,) * 5
    assert found.kind == verdict.HOLDS and "p = .008" in found.reason
    assert convergence(claims, fast, slow)[0].kind == verdict.WORSE
    assert convergence(claims, slow[:3], fast[:3])[0].kind == verdict.INCONCLUSIVE  # three against three tell nothing


def test_a_run_that_never_converges_counts_as_longer(claims):
    found, used = convergence(claims, [[0.9]] * 5, [[0.6, 0.6]] * 5)
    assert used["ff"].cut == (2,) * 5 and used["ff"].capped == 2 and used["bp"].capped is None
    assert found.kind == verdict.WORSE


def test_a_target_of_runs_that_are_not_there_gives_no_number(claims):
    nothing = SimpleNamespace(records=(run(0, 0.6),), standin=False)
    entry = claims.claim("154")["operands"]["ff"]
    cell = compare.operand(claims, entry, "corrected", lambda _, variant: None if variant == "bp" else nothing)
    assert cell.summary is None


def test_a_target_names_a_variant_of_the_paper(claims):
    claim = claims.claim("154")
    goal = claim["operands"]["ff"]["reach"]
    claim["operands"]["ff"] = claim["operands"]["ff"] | {"reach": goal | {"of": "nobody"}}
    with pytest.raises(FfreproError, match="nobody"):
        check.check(claims.content, "here")
