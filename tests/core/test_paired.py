"""Paired tests: tables small enough to check by hand, scipy as a second opinion."""

import numpy as np
import pytest
from scipy import stats

from ffrepro.core import paired

RIGHT, WRONG = True, False


def test_mcnemar_by_hand():
    # 3 samples only the first has right, 1 only the second; 4 discordant: p = 2 (1 + 4) / 16.
    first = [RIGHT] * 3 + [WRONG] + [RIGHT, WRONG]
    second = [WRONG] * 3 + [RIGHT] + [RIGHT, WRONG]
    assert paired.mcnemar(first, second) == (3, 1, 0.625)
    assert paired.mcnemar(second, first) == (1, 3, 0.625)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (5, 5), (12, 2), (0, 9), (120, 171)])
def test_mcnemar_agrees_with_scipys_binomial_test(only_first, only_second):
    first = np.repeat([True, False, True], [only_first, only_second, 7])
    second = np.repeat([False, True, True], [only_first, only_second, 7])
    n = only_first + only_second
    expected = stats.binomtest(only_first, n, 0.5).pvalue if n else 1.0
    assert paired.mcnemar(first, second).p == pytest.approx(expected)


@pytest.mark.parametrize(("first", "second"), [([], []), ([True], [True, False]), ([[True]], [[True]])])
def test_mcnemar_needs_the_same_samples(first, second):
    with pytest.raises(ValueError):
        paired.mcnemar(first, second)


def test_bootstrap_by_hand_of_two_seeds_and_one_sample():
    """One sample and two seeds, 0 and 1, against a constant 0: a draw is 0, 1/2, 1 with 1/4, 1/2, 1/4."""
    found = paired.bootstrap(np.array([[0.0], [1.0]]), np.zeros((3, 1)), draws=4000)
    assert found.mean == 0.5
    assert (found.low, found.high) == (0.0, 1.0)
    half = paired.bootstrap(np.array([[0.0], [1.0]]), np.zeros((3, 1)), draws=4000, confidence=0.4)
    assert (half.low, half.high) == (0.5, 0.5)


def test_bootstrap_has_the_variance_of_both_factors():
    """Crossed effects of seeds (std s) and samples (std r): the mean varies by s^2/S + r^2/R."""
    rng = np.random.default_rng(1)
    seeds, samples = rng.normal(0, 0.3, (40, 1)), rng.normal(0, 1.0, (1, 500))
    found = paired.bootstrap(seeds + samples, np.zeros((2, 500)), draws=4000)
    expected = 2 * 1.96 * np.sqrt(seeds.var() / 40 + samples.var() / 500)
    assert found.high - found.low == pytest.approx(expected, rel=0.06)
    assert found.low < found.mean < found.high


def test_samples_are_paired_so_that_equal_models_do_not_differ():
    hits = np.random.default_rng(2).integers(0, 2, (1, 300))
    assert paired.bootstrap(hits, hits, draws=200) == (0.0, 0.0, 0.0)


def test_bootstrap_is_the_same_in_chunks_of_any_size_and_for_the_same_seed(monkeypatch):
    hits = np.random.default_rng(3).integers(0, 2, (2, 3, 50))
    whole = paired.bootstrap(*hits, draws=500)
    assert whole == paired.bootstrap(*hits, draws=500) != paired.bootstrap(*hits, draws=500, seed=1)
    monkeypatch.setattr(paired, "_CHUNK", 60)  # one draw at a time, another order of random numbers
    assert paired.bootstrap(*hits, draws=500) == pytest.approx(whole, abs=0.05)


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 4)), ((0, 3), (2, 3)), ((2, 0), (2, 0)), ((3,), (3,))])
def test_bootstrap_refuses_what_is_not_seeds_by_samples(a, b):
    with pytest.raises(ValueError):
        paired.bootstrap(np.zeros(a), np.zeros(b))


def test_smallest_difference_of_500_reviews_at_an_accuracy_of_83_percent():
    # by hand: sqrt(2 * .83 * .17 / 500) = .023757; times 1.959964, and times 1.959964 + .841621
    assert paired.smallest_difference(0.83, 500) == pytest.approx(0.04656, abs=5e-5)
    assert paired.smallest_difference(0.83, 500, power=0.8) == pytest.approx(0.06656, abs=5e-5)
    with pytest.raises(ValueError):
        paired.smallest_difference(1.0, 500)
