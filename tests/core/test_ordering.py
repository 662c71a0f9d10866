"""Words in an order, and exponents, checked by hand."""

import math

import pytest
from scipy import stats

from ffrepro.core import ordering
from ffrepro.core.statistics import Summary

RANKS = {"ff": 0, "sparse": 1, "checkpointing": 1, "bp": 2}


def summary(low, high):
    return Summary(3, (low + high) / 2, 1.0, low, high)


def test_pairs_agree_are_opposed_or_open():
    measured = {"ff": summary(5, 6), "sparse": summary(3, 4), "checkpointing": summary(1, 5.5), "bp": summary(7, 8)}
    found = ordering.compare(RANKS, measured)
    assert found.agree == (("ff", "bp"), ("sparse", "bp"), ("checkpointing", "bp"))
    assert found.opposed == (("ff", "sparse"),)
    assert found.open == (("ff", "checkpointing"),)


def test_what_was_not_measured_or_has_no_interval_stays_open():
    one_run = Summary(1, 9.0, math.nan, math.nan, math.nan)
    found = ordering.compare({"ff": 0, "bp": 1, "ga": 2}, {"ff": summary(1, 2), "bp": one_run})
    assert not found.agree and not found.opposed
    assert found.open == (("ff", "bp"), ("ff", "ga"), ("bp", "ga"))


def test_exponents_by_hand_and_by_scipy():
    assert ordering.growth([1, 2, 4], [3, 12, 48]) == pytest.approx((2.0, 0.0, 1.0), abs=1e-7)
    two = ordering.growth([10, 1000], [5, 50])
    assert two.exponent == pytest.approx(0.5) and math.isnan(two.error)
    sizes, values = [64, 128, 256, 512], [1.0, 2.3, 3.9, 9.0]
    line = stats.linregress([math.log(s) for s in sizes], [math.log(v) for v in values])
    assert ordering.growth(sizes, values) == pytest.approx((line.slope, line.stderr, line.rvalue**2))
    assert ordering.growth([1, 2], [3, 3]).exponent == 0


@pytest.mark.parametrize(("sizes", "values"), [([1], [1]), ([2, 2], [1, 3]), ([1, 2], [0, 1]), ([1, 2], [1, math.nan])])
def test_an_exponent_needs_two_sizes_and_positive_numbers(sizes, values):
    with pytest.raises(ValueError):
        ordering.growth(sizes, values)
