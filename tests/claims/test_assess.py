"""Claims against runs: samples, verdicts, settings, data, conclusions."""

import math

import numpy as np
import pytest
from scipy import stats

from ffrepro.base.files import write_json
from ffrepro.claims import facts, verdict
from ffrepro.claims.assess import assess, counts
from ffrepro.claims.compare import best_pick, compare, scale_pick
from ffrepro.claims.records import Store
from ffrepro.core import statistics as st

PAPER = "chikhachev2025_rnn"


def record_seeds(world, experiment, variant, accuracies, scale="lite", **numbers):
    for plan, accuracy in zip(world.find(experiment, variant, scale), accuracies, strict=False):
        world.record(plan, **{"accuracy": accuracy, "epochs": 50, **numbers})


def comparison(world, short, treatment="corrected", pick=None):
    claims, store = world.claims(), Store(world.root, world.plans)
    return compare(claims, store, claims.claim(short), treatment, pick(store) if pick else best_pick(store))


def test_a_measured_claim_by_hand(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    values = [0.83, 0.834, 0.838]  # published: .8344
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", values)
    c = comparison(world, "025")
    assert (c.n, c.summary.mean, c.summary.std) == (3, pytest.approx(0.834), pytest.approx(0.004))
    assert c.difference == pytest.approx(-0.0004)
    # on the scale of log(1 - value): the published value is the mean of five such draws, and rounded to .0001
    lack = -np.log(1 - np.array(values))
    error = lack.std(ddof=1) * math.sqrt(1 / 3 + 1 / 5)
    nearest = -math.log(1 - 0.83435)
    assert c.tests.different == pytest.approx(2 * stats.t.sf(abs(lack.mean() - nearest) / error, 2))
    assert c.rounded == pytest.approx((0.83435, 0.83445))
    half = 4.3027 * 0.004 / math.sqrt(3)
    assert (c.summary.low, c.summary.high) == (
        pytest.approx(0.834 - half, abs=1e-5),
        pytest.approx(0.834 + half, abs=1e-5),
    )
    assert c.verdict.kind == verdict.REPRODUCED and c.beforehand.kind == verdict.REPRODUCED
    assert c.power.predicted[0] < 0.8344 < c.power.predicted[1]
    assert [run[-5:] for run in c.runs] == ["seed0", "seed1", "seed2"]


def test_worse_better_and_too_few(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.70, 0.701, 0.702])
    record_seeds(world, "rnn_dollar_corrected", "ff_std", [0.95, 0.951, 0.952])
    record_seeds(world, "rnn_dollar_corrected", "bptt", [0.96, 0.961])
    # what was chosen beyond the paper's text makes nothing better or worse
    for short, kind in (("025", "worse"), ("027", "better")):
        cell = comparison(world, short)
        assert (cell.verdict.kind, cell.beforehand.kind) == (verdict.UNSTATED, verdict.UNSTATED)
        assert cell.verdict.reason.startswith(kind) and "D4, D5, D6" in cell.verdict.reason
    assert comparison(world, "041").verdict.kind == verdict.INCONCLUSIVE
    assert comparison(world, "041", "as_published").verdict.kind == verdict.NOT_RUN


def test_stand_in_data_never_give_a_verdict_nor_a_test(world):
    world.add_plans("smoke", datasets=["dollar"], families=["rnn", "bench"])
    world.record_all("smoke")
    for short in ("025", "041", "049", "050", "066"):
        c = comparison(world, short)
        assert c.verdict.kind == verdict.STANDIN, short
        assert math.isnan(c.tests.different) and math.isnan(c.tests.equivalent)


def test_capped_epochs_are_lower_bounds(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.83, 0.834, 0.838], epochs=None)
    c = comparison(world, "049")
    assert str(c.verdict) == "inconclusive: capped at 60 epochs"
    assert math.isnan(c.tests.different) and c.capped == 60
    assert comparison(world, "025").verdict.kind == verdict.REPRODUCED  # the accuracy is there all the same


def test_epochs_are_those_run_until_early_stopping(world):
    world.add_plans("paper", datasets=["dollar"], families=["rnn"])
    for plan, epochs in zip(
        world.find("rnn_dollar_corrected", "ff_std", "paper"), (105, 107, 108, 106, 109), strict=True
    ):
        world.record(plan, epochs=epochs)
    c = comparison(world, "057")  # 107 published
    assert (c.summary.mean, c.verdict.kind) == (107.0, verdict.REPRODUCED)


def test_time_is_a_ratio_to_backpropagation_with_the_seconds_beside(world):
    world.add_plans("lite", datasets=["mobiletouch", "dollar"], families=["rnn", "bench"], processes=3)
    world.record_all("lite")
    for plan in [p for p in world.plans if p["kind"] == "bench"]:
        ratio = (1.40, 1.41, 1.42)[plan["seed"]]
        world.record(plan, ratio={"FF-Norm": 0.8, "FF-Norm, plain autograd": ratio})
    c = comparison(world, "052")  # 2.19 / 1.55 = 1.41, from 2.185 / 1.555 to 2.195 / 1.545
    assert (c.n, c.rounds, c.is_bench, c.verdict.kind) == (3, 30, True, verdict.REPRODUCED)
    assert c.summary.mean == pytest.approx(1.41) and c.rounded == pytest.approx((1.4051, 1.4207), abs=1e-4)
    assert {label: found.mean for label, found in c.companions.items()} == pytest.approx(
        {"closed form": 0.8, "s per epoch": 0.5}
    )
    assert comparison(world, "068").verdict.kind == verdict.NOT_COMPARABLE
    assert comparison(world, "068").summary.mean == 0.5
    nothing = comparison(world, "052", "as_published")
    assert nothing.verdict.kind == verdict.NOT_COMPARABLE and "no common batch" in nothing.verdict.reason
    assert comparison(world, "050", "as_published").evidence is not None  # $1 has a bench under both treatments


def test_a_scale_is_looked_at_alone_where_asked(world):
    world.add_plans("lite", "paper", datasets=["dollar"], families=["rnn"])
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.83, 0.834, 0.838])
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.9] * 5, scale="paper")
    assert comparison(world, "025", pick=lambda store: scale_pick(store, "lite")).summary.mean == pytest.approx(0.834)
    assert comparison(world, "025").evidence.scale == "paper"


def test_published_spread_makes_it_a_two_sample_test(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    values = [0.83, 0.834, 0.838]
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", values)
    claims, store = world.claims(), Store(world.root, world.plans)
    claims.content["quantities"]["accuracy"].pop("post_hoc")
    claim = claims.claim("025") | {"std": 0.004, "value": 0.84}
    c = compare(claims, store, claim, "corrected", best_pick(store))
    expected = stats.ttest_ind_from_stats(0.834, 0.004, 3, 0.83995, 0.004, 5, equal_var=False).pvalue
    assert c.tests.different == pytest.approx(expected)


def test_settings_are_read_from_the_runs(world):
    world.add_plans("lite", "paper")
    for plan in world.plans:
        if plan["kind"] == "train":
            plan["origin"]["training.max_epochs"] = "scale lite" if plan["scale"] == "lite" else "paper, Sec. 3.5"
    world.record_all("lite")
    claims, store = world.claims(), Store(world.root, world.plans)
    kinds = {
        short: facts.setting(claims, store, claims.claim(short), "corrected") for short in ("014", "013", "017", "012")
    }
    assert kinds["014"].verdict.kind == kinds["012"].verdict.kind == verdict.MET
    assert kinds["013"].verdict.kind == verdict.SHORTENED and kinds["013"].evidence == "ours: 3"
    assert kinds["017"].verdict.kind == verdict.SHORTENED and kinds["017"].scale == "lite"
    published = facts.setting(claims, store, claims.claim("011"), "as_published")
    assert published.verdict.kind == verdict.NOT_MET
    assert published.evidence == "ours: velocity ($1); published_columns (MobileTouch, MCYT, Mouse-Ops.)"


def test_settings_of_stand_in_runs_are_no_verdict(world):
    world.add_plans("smoke", families=["rnn"])
    world.record_all("smoke")
    claims, store = world.claims(), Store(world.root, world.plans)
    found = facts.setting(claims, store, claims.claim("016"), "corrected")
    assert (found.verdict.kind, found.evidence) == (verdict.STANDIN, "ours: 60")


def manifest(world, dataset, human, length, subjects):
    content = {"counts": {"human": human, "subjects": subjects}, "length": {"human": {"mean": length}}}
    write_json(world.root / f"data/prepared/upstream/{dataset}.json", content)


def test_data_claims_are_read_from_the_manifests(world):
    manifest(world, "mcyt", 2500, 350.6, 100)
    manifest(world, "mobiletouch", 15623, 35.4, 217)
    claims = world.claims()
    kinds = {
        s: facts.data(claims, world.root, claims.claim(s)).verdict.kind
        for s in ("003", "004", "005", "006", "009", "001")
    }
    assert kinds == {
        "003": verdict.MET,
        "004": verdict.MET,  # 350.6 is 351, rounded
        "005": verdict.MET,  # "over 15,600"
        "006": verdict.NOT_MET,
        "009": verdict.NOT_MET,
        "001": verdict.NOT_RUN,
    }


def test_the_grid_of_the_coordinates_tells_classes_apart(world):
    claims = world.claims()
    x = np.array([1.0, 2.25, 3.0, 1.123456, 2.0, 0.5])  # three human points, then three synthetic ones
    for dataset in ("mobiletouch", "mcyt", "raton"):
        path = world.root / f"data/prepared/upstream/{dataset}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        offsets = np.array([0, 3, 6]) if dataset != "raton" else np.array([0, 2, 6])
        np.savez(path, x=x, y=np.zeros(6), offsets=offsets, label=np.array([1, 0] if dataset != "mcyt" else [0, 1]))
    found = facts.data(claims, world.root, claims.claim("079"))
    assert (found.verdict.kind, found.evidence) == (verdict.NOT_MET, "in the data: MobileTouch 1, MCYT 0, Mouse-Ops. 1")


def test_conclusions_are_checked_on_the_paper_first_then_on_ours(world):
    world.add_plans("lite", processes=3)
    for plan in world.plans:
        better = 0.05 if plan["variant"].startswith("ff_std") else 0.0
        shift = 0.001 * plan["seed"]
        world.record(plan, accuracy=0.8 + better + shift, auc=0.9 + better / 2 + shift, epochs=50)
    found = assess(world.claims(), Store(world.root, world.plans))
    leader = found[f"{PAPER}/073"]
    assert leader.verdict.kind == verdict.HOLDS
    assert "leads: 8" in leader.headline.evidence
    assert "leads: 7" in leader.derived  # the paper's own figures
    assert found[f"{PAPER}/075"].verdict.kind == verdict.REFUTED
    assert found[f"{PAPER}/076"].verdict.kind == verdict.REFUTED
    assert "n = 3" in found[f"{PAPER}/076"].headline.evidence
    assert "no runs of MobileTouch" in found[f"{PAPER}/076"].findings["as_published"].evidence


def test_records_of_a_dirty_checkout_are_refused(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.83, 0.834, 0.838], git={"commit": "0" * 40, "dirty": True})
    c = comparison(world, "025")
    assert c.verdict.kind == verdict.NOT_RUN and "uncommitted" in c.verdict.reason
    shown = comparison(world, "025", pick=lambda store: scale_pick(store, "lite"))
    assert shown.summary.mean == pytest.approx(0.834) and shown.verdict.kind == verdict.INCONCLUSIVE
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.83, 0.834])  # two of them again
    assert comparison(world, "025").n == 2


def test_holm_is_over_the_claims_of_the_published_table(world):
    world.add_plans("lite", families=["rnn"])
    world.record_all("lite")
    cell = comparison(world, "025")
    assert cell.tests.family == 16
    assert cell.tests.holm_different >= cell.tests.different
    own = compare(world.claims(), Store(world.root, world.plans), world.claims().claim("025") | {"family": "alone"},
                  "corrected", best_pick(Store(world.root, world.plans)))  # fmt: skip
    assert own.tests.family == 1 and own.tests.holm_different == own.tests.different


def test_runs_in_two_groups_are_not_put_to_a_t_test(world):
    world.add_plans("paper", datasets=["dollar"], families=["rnn"])
    for plan, epochs in zip(world.find("rnn_dollar_corrected", "ff_rms", "paper"), (19, 20, 21, 170, 174), strict=True):
        world.record(plan, epochs=epochs)
    c = comparison(world, "049")  # 160 published
    assert c.verdict.kind == verdict.COMPATIBLE and c.power.predicted == (19, 174)
    assert c.tests.different >= 2 / 32 and math.isnan(c.tests.equivalent)


def test_what_n_and_spread_can_tell_stands_beside(world):
    world.add_plans("lite", datasets=["dollar"], families=["rnn"])
    record_seeds(world, "rnn_dollar_corrected", "ff_rms", [0.83, 0.834, 0.838])
    c = comparison(world, "025")
    found = st.summarize(-np.log(1 - np.array([0.83, 0.834, 0.838])))
    assert c.power.detects == f"a factor of {math.exp(st.detectable_difference(3, found.std, 5)):.3g} in 1 - value"
    assert c.power.reaches == f"a factor of {math.exp(st.largest_spread(3, math.log(1.13), 5)):.3g} in 1 - value"
    words = assess(world.claims(), Store(world.root, world.plans))[f"{PAPER}/025"].headline.evidence
    assert c.power.detects in words and c.power.reaches in words


def test_every_claim_gets_a_verdict_even_without_any_run(world):
    found = assess(world.claims(), Store(world.root, []))
    ours = [a.claim["id"][-3:] for a in found.values() if a.claim.get("own")]  # facts of ours, no claims of the paper
    assert sum(counts(found).values()) == len(found) - 2 and ours == ["079", "118"]
    assert {"074", "075", "076"} <= {i[-3:] for i, a in found.items() if a.verdict.kind == verdict.REFUTED}
    assert {a.verdict.kind for a in found.values()} <= set(verdict.KINDS)
    assert all(a.headline.evidence for a in found.values())
