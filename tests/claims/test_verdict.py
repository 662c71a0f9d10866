"""The verdict rules at their boundaries."""

import math

import pytest

from ffrepro.claims import verdict
from ffrepro.claims.verdict import Case, of_runs, of_side


def judge(**changes):
    """The verdict on a clear reproduction, with changes."""
    case = {"n": 3, "beyond": False, "good": True, "p_different": 0.6, "p_alone": 0.6, "p_equivalent": 0.01}
    return of_runs(Case(**case | {"by": "0.001", "margin": "0.02"} | changes))


APART = {"beyond": True, "p_different": 0.01, "p_alone": 0.01, "p_equivalent": 0.9}


def test_reproduced_needs_three_runs_equivalence_and_prediction():
    assert judge().kind == verdict.REPRODUCED
    assert judge(n=2).kind == verdict.INCONCLUSIVE and "n = 2 runs" in judge(n=2).reason
    assert judge(p_equivalent=0.0499).kind == verdict.REPRODUCED
    assert judge(p_equivalent=0.05).kind == verdict.COMPATIBLE
    assert judge(p_alone=0.04).kind == verdict.LOOSELY  # within the margin, but no draw of ours
    assert judge(n=1, p_equivalent=math.nan, p_alone=math.nan).kind == verdict.INCONCLUSIVE


def test_a_single_published_value_that_our_runs_predict_is_compatible_unless_they_predict_anything():
    assert judge(p_equivalent=0.6, beyond=True).kind == verdict.COMPATIBLE
    assert judge(p_equivalent=0.6, beyond=True, wide=True).kind == verdict.INCONCLUSIVE


@pytest.mark.parametrize(("unit", "several"), [("run", "our runs "), ("process", "our processes ")])
def test_several_of_a_unit_are_spelt_right(unit, several):
    for changes in ({"p_alone": 0.04}, {"p_equivalent": 0.6}, {"p_equivalent": 0.6, "beyond": True, "wide": True}):
        assert several in judge(unit=unit, **changes).reason


@pytest.mark.parametrize(("good", "kind"), [(True, "better"), (False, "worse"), (None, "not comparable")])
def test_a_direction_is_needed_for_a_merit(good, kind):
    assert judge(**APART, good=good).kind == kind


def test_a_difference_must_survive_holm_and_be_beyond_the_margin():
    assert judge(**APART | {"p_different": 0.05}, tests=16).kind == verdict.INCONCLUSIVE
    assert "16 tests" in judge(**APART | {"p_different": 0.05}, tests=16).reason
    assert judge(**APART | {"beyond": False}).kind == verdict.INCONCLUSIVE


def test_capped_runs():
    assert judge(**APART, good=False, capped=40).kind == verdict.INCONCLUSIVE
    assert "capped at 40" in judge(**APART, good=False, capped=40).reason
    assert judge(**APART, good=None, capped=40).kind == verdict.INCONCLUSIVE
    assert judge(**APART, capped=40).kind == verdict.BETTER
    assert judge(capped=40).kind == verdict.REPRODUCED
    assert str(judge(capped=40, censored=True)) == "inconclusive: capped at 40 epochs"
    assert judge(censored=True).kind == verdict.REPRODUCED


@pytest.mark.parametrize(
    ("mean", "p", "expected", "n", "kind"),
    [
        (1.2, 0.01, (3.07, 3.37), 3, verdict.HOLDS),
        (0.8, 0.01, (0.7, 0.9), 3, verdict.HOLDS),
        (1.2, 0.01, (0.7, 0.9), 3, verdict.WORSE),
        (0.8, 0.01, (1.0, 5.0), 3, verdict.WORSE),  # .2 / .1 s: from 1 on
        (1.2, 0.05, (3.07, 3.37), 3, verdict.INCONCLUSIVE),
        (1.2, 0.01, (3.07, 3.37), 1, verdict.INCONCLUSIVE),  # one process
        (1.2, 0.01, (0.9, 1.1), 3, verdict.INCONCLUSIVE),  # the printed digits leave it open
    ],
)
def test_a_side(mean, p, expected, n, kind):
    assert of_side(n=n, mean=mean, p=p, expected=expected, threshold=1).kind == kind
