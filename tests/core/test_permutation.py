"""Exact permutation tests against counts by hand and scipy."""

import numpy as np
import pytest
from scipy import stats

from ffrepro.core import permutation

NONE = [False] * 3


def test_two_samples_that_do_not_overlap_reach_the_least_p():
    assert permutation.means([1, 2, 3], [10, 11, 12]) == pytest.approx(2 / 20)  # 6 over 3, both tails
    assert permutation.log_rank([1, 2, 3], [10, 11, 12], NONE, NONE) == pytest.approx(2 / 20)
    assert permutation.means(range(5), range(10, 15)) == pytest.approx(2 / 252)


def test_means_are_scipys():
    a, b = [12.0, 15.0, 190.0, 30.0], [40.0, 55.0, 61.0]
    ours = permutation.means(a, b)

    def distance(x, y):
        return abs(np.mean(x) - np.mean([*a, *b]))

    found = stats.permutation_test((a, b), distance, n_resamples=np.inf, alternative="greater")
    assert ours == pytest.approx(found.pvalue)


def test_the_log_rank_statistic_is_observed_minus_expected():
    a, b, cut = [5, 8, 12], [9, 12, 12], [False, False, True]
    scores = permutation._log_rank_scores(np.array([*a, *b], float), ~np.array([*cut, False, True, True]))
    # by hand: hazards 1/6 at 5, 1/5 at 8, 1/4 at 9; three are cut short at 12
    assert scores[:3].sum() == pytest.approx(2 - (1 / 6) - (1 / 6 + 1 / 5) - (1 / 6 + 1 / 5 + 1 / 4))
    assert scores.sum() == pytest.approx(0)


def test_runs_cut_short_at_one_limit_say_nothing_of_each_other():
    assert permutation.log_rank([60] * 3, [60] * 3, [True] * 3, [True] * 3) == 1
    # two ends below the limit against none: the same as any other two of six
    assert permutation.log_rank([60] * 3, [20, 30, 60], [True] * 3, [False, False, True]) > 0.1


def test_signs_around_a_number():
    assert permutation.around([3, 4, 5], 0) == pytest.approx(2 / 8)
    assert permutation.around([1, 2, 3, 4, 5], 0) == pytest.approx(2 / 32)
    assert permutation.around([-1, 1], 0) == 1
    with pytest.raises(ValueError):
        permutation.around([], 1)


def test_two_groups_of_epochs():
    assert permutation.is_bimodal([12, 14, 168, 190, 200])  # some stop at once
    assert not permutation.is_bimodal([86, 93, 99])
    assert not permutation.is_bimodal([60, 70, 80, 90, 110])
    assert not permutation.is_bimodal([10, 200])


def test_too_many_ways_are_refused():
    with pytest.raises(ValueError):
        permutation.means(range(30), range(30))
