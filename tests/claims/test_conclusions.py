"""Conclusions on our runs: tested, paired, capped, never out of noise."""

import pytest
from scipy import stats

from ffrepro.claims import conclusions, verdict
from ffrepro.claims.assess import assess
from ffrepro.claims.compare import best_pick, compared
from ffrepro.claims.load import name_of
from ffrepro.claims.records import Store

PAPER = "chikhachev2025_rnn"
VALUES = {"ff_rms": [0.80, 0.84, 0.88], "ff_std": [0.82, 0.86, 0.901]}


def runs(world, values, treatment="corrected", split="run", dataset="mcyt", **numbers):
    world.add_plans("lite", datasets=[dataset], treatments=[treatment], families=["rnn"])
    for plan in world.plans:
        plan["data"]["split_seed"] = split
        if plan["variant"] in values:
            world.record(plan, **{"accuracy": values[plan["variant"]][plan["seed"]], "epochs": 50, **numbers})


def judged(world, expression, treatment="corrected"):
    claims, store = world.claims(), Store(world.root, world.plans)
    measured = [claim for claim in claims.claims.values() if claim["kind"] == "measured"]
    found = compared(claims, store, measured, treatment, best_pick(store))
    used = {name_of(i): cell for i, cell in found.items()}
    names = conclusions.expressions.names(expression)
    return conclusions.on_runs(claims, expression, {name: used[name] for name in names})


def test_runs_that_share_a_split_by_seed_are_paired(world):
    """The spread over splits is .04, the difference .02 in every one of them."""
    runs(world, VALUES)
    found, text = judged(world, "c035 > c033")  # MCYT accuracy, Standardization over Layer Norm.
    p = stats.ttest_rel(VALUES["ff_std"], VALUES["ff_rms"]).pvalue
    assert found.kind == verdict.HOLDS and p < 0.01
    assert "paired by seed" in text and "n = 3" in text


def test_without_a_split_of_their_own_they_are_not(world):
    runs(world, VALUES, split=42)
    found, text = judged(world, "c035 > c033")
    assert found.kind == verdict.INCONCLUSIVE and "Welch" in text


def test_welchs_test_is_scipys(world):
    values = {"ff_rms": [0.80, 0.81, 0.83], "ff_std": [0.88, 0.90, 0.91]}
    runs(world, values, split=42)
    _, text = judged(world, "c035 > c033")
    p = stats.ttest_ind(values["ff_std"], values["ff_rms"], equal_var=False).pvalue
    assert f"p = {p:.3f}".replace("0.", ".") in text


def test_an_interaction_is_a_difference_of_differences_within_seeds(world):
    """A 2 x 2 design: (a - b) - (c - d) of each seed, tested against 0."""
    runs(world, {})
    cells = {"ff_std": ([0.90, 0.95, 0.93], [0.80, 0.84, 0.82]), "ff_rms": ([0.80, 0.83, 0.82], [0.79, 0.83, 0.80])}
    for plan in world.plans:
        if plan["variant"] in cells:
            accuracy, auc = (values[plan["seed"]] for values in cells[plan["variant"]])
            world.record(plan, accuracy=accuracy, auc=auc, epochs=50)
    each = [a - b - (c - d) for a, b, c, d in zip(*cells["ff_std"], *cells["ff_rms"], strict=True)]
    found, text = judged(world, "(c035 - c036) - (c033 - c034) > 0")
    p = stats.ttest_1samp(each, 0).pvalue
    assert found.kind == verdict.HOLDS and p < 0.05
    assert f"p = {p:.3f}".replace("0.", ".") in text and "n = 3 (paired by seed)" in text


def test_a_difference_in_the_means_alone_is_no_worse(world):
    runs(world, {"ff_rms": [0.85, 0.80, 0.90], "ff_std": [0.84, 0.83, 0.86]})
    assert judged(world, "c035 > c033")[0].kind == verdict.INCONCLUSIVE


def test_a_clear_reverse_is_worse_and_the_deciding_comparison_is_named(world):
    runs(world, {"ff_rms": VALUES["ff_std"], "ff_std": VALUES["ff_rms"]})
    found, _ = judged(world, "all([c035 > c033, c036 > c034])")  # the AUCs are all alike
    assert found.kind == verdict.WORSE
    assert "MCYT, FF Standardization (accuracy)" in found.reason


def test_caps_and_n_are_inherited(world):
    runs(world, VALUES, epochs=None)  # every run into the limit of 60 epochs, the paper allows 200
    found, _ = judged(world, "c035 > c033")
    assert (found.kind, found.reason) == (verdict.INCONCLUSIVE, "runs capped at 60 epochs")


def test_too_few_runs(world):
    runs(world, {"ff_rms": VALUES["ff_rms"]})
    assert judged(world, "c035 > c033")[0].kind == verdict.NOT_RUN
    world.record(next(p for p in world.plans if p["variant"] == "ff_std"), epochs=50)
    found = judged(world, "c035 > c033")[0]
    assert found.kind == verdict.INCONCLUSIVE and "n = 1 run" in found.reason


def test_epochs_cut_short_go_into_the_log_rank_test(world):
    """BPTT ends at 20 to 22, two of FF's three runs are still going at 60: longer, by how much nobody knows."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        ends = {"bptt": [20, 21, 22], "ff_rms": [None, 55, None]}.get(plan["variant"])
        if ends:
            world.record(plan, epochs=ends[plan["seed"]])
    found, text = judged(world, "c069 < c053")
    assert found.kind == verdict.INCONCLUSIVE  # three against three: p = .1 at best
    assert "log-rank, exact" in text and "p = .100" in text


def test_five_against_five_epochs_can_tell(world):
    world.add_plans("paper", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        start = {"bptt": 20, "ff_rms": 100, "ff_std": 150}[plan["variant"]]
        world.record(plan, epochs=start + plan["seed"])
    assert judged(world, "c069 < min([c053, c061])")[0].kind == verdict.HOLDS


def test_a_count_of_comparisons_counts_those_that_are_sure(world):
    runs(world, VALUES)
    assert judged(world, "count([c035 > c033, c036 > c034]) >= 1")[0].kind == verdict.HOLDS
    assert judged(world, "count([c035 > c033, c036 > c034]) > 1")[0].kind == verdict.INCONCLUSIVE


def test_dirty_runs_decide_nothing(world):
    runs(world, VALUES, git={"commit": "0" * 40, "dirty": True})
    assert judged(world, "c035 > c033")[0].kind == verdict.NOT_RUN


def test_on_paper_rounding_can_leave_it_open(world):
    claims = world.claims()
    assert conclusions.on_paper(claims, "c041 > c027") is True
    assert conclusions.on_paper(claims, "c041 < c027") is False
    assert conclusions.on_paper(claims, "c050 / c066 <= 1.005") is None  # 1.36 over 1.36, both rounded


def test_bptt_everywhere_is_not_judged_on_bare_means(world):
    """Claim 073 was "worse" by bare means over noise."""
    world.add_plans("lite", families=["rnn"])
    world.record_all("lite")  # both variants alike
    found = assess(world.claims(), Store(world.root, world.plans))
    assert found[f"{PAPER}/073"].verdict.kind == verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", ["c999", "c024"])
def test_what_is_no_number_has_no_place(world, name):
    with pytest.raises((KeyError, conclusions.expressions.FfreproError)):
        conclusions.on_paper(world.claims(), f"{name} > 1")


def test_a_conclusion_on_cells_that_rest_on_our_choices_does_too(nets):
    """ "Similar results with either inference": 2.2 against 37.6 percent, but with our epochs, theta and label."""
    for experiment in ("mlp_ff", "cnn_ff"):
        for seed in range(3):
            errors = {"multi_pass": 0.022 + 0.0001 * seed, "one_pass": 0.37 + 0.001 * seed}
            nets.run("original_mnist_as_published", experiment, seed, errors=errors)
    found = assess(nets.claims, nets.store)["ortiz2025_advancements/102"].verdict
    assert found.kind == verdict.UNSTATED and found.reason.startswith("worse")
    assert "D3, D4" in found.reason
