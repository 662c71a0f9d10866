"""Recomputed p-values, against scipy's t-test from summaries."""

from itertools import product
from math import isclose, sqrt

import numpy as np
import pytest
from scipy import stats

from ffrepro.core.audit.intervals import parse
from ffrepro.core.audit.p_values import Group, independent, paired


def group(mean, std, n):
    return Group(parse(mean).value, parse(std).value, n)


def scipy_p(a, b, n_a, n_b, equal):
    return stats.ttest_ind_from_stats(a[0], a[1], n_a, b[0], b[1], n_b, equal_var=equal).pvalue


def corners(x, steps):
    return np.linspace(float(x.low), float(x.high), steps)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize(
    ("a", "b"),
    [(group("28.3", "0.6", 5), group("27.8", "0.7", 5)), (group("1.2", "0.3", 4), group("1.9", "0.1", 9))],
)
def test_p_and_its_range_are_scipys_over_all_roundings(a, b, equal):
    found = independent(a, b, equal_variance=equal)
    centre = scipy_p((a.mean.centre, a.std.centre), (b.mean.centre, b.std.centre), a.n, b.n, equal)
    assert isclose(found.p, centre, rel_tol=1e-9)
    grids = [corners(x, 7) for x in (a.mean, a.std, b.mean, b.std)]
    all_p = [scipy_p((ma, sa), (mb, sb), a.n, b.n, equal) for ma, sa, mb, sb in product(*grids)]
    assert found.low <= min(all_p) * (1 + 1e-9) and found.high >= max(all_p) * (1 - 1e-9)
    assert isclose(found.low, min(all_p), rel_tol=1e-6) and isclose(found.high, max(all_p), rel_tol=1e-6)


def test_the_published_case():
    """BLEU 28.3 ± 0.6 against 27.8 ± 0.7, n = 5: .260, and .154 to .394 within the rounding; .072 was printed."""
    found = independent(group("28.3", "0.6", 5), group("27.8", "0.7", 5), equal_variance=True)
    assert (round(found.p, 3), round(found.low, 3), round(found.high, 3)) == (0.260, 0.154, 0.394)
    assert isclose(found.g, (1 - 3 / 31) * 0.5 / sqrt((0.36 + 0.49) / 2), rel_tol=1e-9)


def test_means_that_may_be_equal_leave_p_open_up_to_one():
    assert independent(group("1.0", "0.2", 5), group("1.0", "0.2", 5), equal_variance=True).high == 1.0


def test_the_paired_range_holds_every_correlation():
    a, b = group("28.3", "0.6", 5), group("27.8", "0.7", 5)
    found = paired(a, b)
    for correlation in np.linspace(-1, 1, 21):
        std = sqrt(0.6**2 + 0.7**2 - 2 * correlation * 0.6 * 0.7)
        p = 2 * stats.t.sf(0.5 / (std / sqrt(5)), 4)
        assert found.low <= p <= found.high
    assert isclose(found.p, 2 * stats.t.sf(0.5 / (sqrt(0.85) / sqrt(5)), 4), rel_tol=1e-9)
    widest = 2 * stats.t.sf(0.4 / ((0.65 + 0.75) / sqrt(5)), 4)
    assert isclose(found.high, widest, rel_tol=1e-9)
    assert found.low == 0.0  # equal spreads and a correlation of 1 leave no spread of the differences


def test_groups_that_allow_no_test_are_refused():
    with pytest.raises(ValueError):
        independent(group("1", "1", 1), group("1", "1", 5), equal_variance=True)
    with pytest.raises(ValueError):
        paired(group("1", "1", 4), group("1", "1", 5))
