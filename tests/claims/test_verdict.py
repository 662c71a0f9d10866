"""The verdict rules at their boundaries."""

import math

import pytest

from ffrepro.claims import verdict
from ffrepro.claims.verdict import of_rounds, of_runs


def judge(**changes):
    """The verdict's kind on a clear reproduction, with changes."""
    case = {
        "n": 3,
        "difference": 0.001,
        "margin": 0.02,
        "better": "higher",
        "p_equivalent": 0.01,
        "p_different": 0.6,
        "censored": False,
        "capped": None,
    }
    return of_runs(**case | changes)


def test_reproduced_needs_three_runs_and_a_significant_equivalence():
    assert judge().kind == verdict.REPRODUCED
    assert judge(n=2).kind == verdict.INCONCLUSIVE
    assert "n = 2" in judge(n=2).reason
    assert judge(p_equivalent=0.0499).kind == verdict.REPRODUCED
    assert judge(p_equivalent=0.05).kind == verdict.INCONCLUSIVE
    assert judge(n=1, p_equivalent=math.nan, p_different=math.nan).kind == verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("difference", "better", "kind"),
    [
        (0.05, "higher", verdict.BETTER),
        (-0.05, "higher", verdict.WORSE),
        (0.05, "lower", verdict.WORSE),
        (-0.05, "lower", verdict.BETTER),
    ],
)
def test_direction(difference, better, kind):
    assert judge(difference=difference, better=better, p_equivalent=0.9, p_different=0.01).kind == kind


def test_a_difference_must_be_significant_and_beyond_the_margin():
    assert judge(difference=-0.05, p_equivalent=0.9, p_different=0.05).kind == verdict.INCONCLUSIVE
    assert judge(difference=-0.02, p_equivalent=0.5, p_different=0.001).kind == verdict.INCONCLUSIVE
    assert judge(difference=-0.0201, p_equivalent=0.5, p_different=0.001).kind == verdict.WORSE


def test_equivalent_though_significantly_different_is_reproduced():
    # a tiny but certain difference inside the margin
    assert judge(difference=0.005, p_equivalent=0.001, p_different=0.001).kind == verdict.REPRODUCED


def test_capped_runs():
    worse = {"difference": -0.05, "p_equivalent": 0.9, "p_different": 0.001, "capped": 40}
    assert judge(**worse).kind == verdict.INCONCLUSIVE
    assert "capped at 40" in judge(**worse).reason
    assert judge(**worse | {"difference": 0.05}).kind == verdict.BETTER
    assert judge(capped=40).kind == verdict.REPRODUCED
    censored = judge(capped=40, censored=True)
    assert (censored.kind, censored.reason) == (verdict.INCONCLUSIVE, "capped at 40 epochs")
    assert judge(censored=True).kind == verdict.REPRODUCED


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0.9, 1.1, verdict.REPRODUCED),  # the interval ends on the margin's edges
        (0.9, 1.11, verdict.INCONCLUSIVE),
        (0.5, 0.89, verdict.BETTER),
        (0.5, 0.95, verdict.INCONCLUSIVE),
        (1.11, 1.5, verdict.WORSE),
        (1.0, 1.5, verdict.INCONCLUSIVE),
    ],
)
def test_rounds(low, high, kind):
    assert of_rounds(rounds=30, low=low, high=high, expected=1.0, margin=0.1000001).kind == kind


def test_five_rounds_conclude_nothing():
    assert of_rounds(rounds=5, low=1, high=1, expected=1, margin=0.1).kind == verdict.INCONCLUSIVE
