"""Impossible means and deviations, against all samples there are."""

from fractions import Fraction
from itertools import combinations_with_replacement
from math import isclose
from statistics import mean, stdev

import pytest

from ffrepro.core.audit.grim import debit, grim, grimmer
from ffrepro.core.audit.intervals import parse


def printed(hundredths):
    return parse(f"{hundredths / 100:.2f}").value


def rounds(value, interval):
    """Whether a value prints so; ties may go either way."""
    return interval.low <= Fraction(value) <= interval.high


@pytest.mark.parametrize("n", [3, 7, 28, 99])
def test_a_mean_is_possible_where_some_count_gives_it(n):
    for hundredths in range(101):
        interval = printed(hundredths)
        possible = any(rounds(Fraction(k, n), interval) for k in range(n + 1))
        assert grim(interval, n).possible == possible


def test_known_cases():
    assert not grim(parse("5.19").value, 28).possible  # the example of Brown & Heathers
    found = grim(parse("0.8927").value, 400 * 5)
    assert (found.possible, float(found.below), float(found.above)) == (False, 0.8925, 0.893)
    assert grim(parse("0.8927").value, 384 * 5).possible


def test_digits_as_fine_as_the_grain_decide_nothing():
    assert not grim(parse("24.4").value, 10_000, Fraction(100)).decides
    assert grim(parse("24.4").value, 500, Fraction(100)).decides


def test_percentages_are_multiples_of_a_hundredth_part():
    assert grim(parse("66.7").value, 3, Fraction(100)).possible
    assert not grim(parse("66.6").value, 3, Fraction(100)).possible


def test_grimmer_accepts_all_that_a_sample_gives_and_refuses_what_none_does():
    n, samples = 4, list(combinations_with_replacement(range(1, 6), 4))
    seen = {(round(mean(s), 2), round(stdev(s), 2)) for s in samples}
    for m, s in seen:
        assert grimmer(parse(f"{m:.2f}").value, parse(f"{s:.2f}").value, n)
    refused = 0
    for m in sorted({m for m, _ in seen}):
        for hundredths in range(0, 231):
            mean_, std = parse(f"{m:.2f}").value, printed(hundredths)
            if not grimmer(mean_, std, n):
                refused += 1
                assert not any(rounds(mean(s), mean_) and rounds(stdev(s), std) for s in samples)
    assert refused > 1000  # most deviations of two decimals are impossible at n = 4


def test_debit_is_right_about_every_sample_of_zeros_and_ones():
    n = 9
    samples = [[1] * k + [0] * (n - k) for k in range(n + 1)]
    for m in (0.33, 0.34, 0.44, 0.5):
        for hundredths in range(0, 60):
            mean_, std = parse(f"{m:.2f}").value, printed(hundredths)
            possible = any(rounds(Fraction(sum(s), n), mean_) and rounds(stdev(s), std) for s in samples)
            assert debit(mean_, std, n) == possible
    assert isclose(stdev(samples[3]), 0.5)
    assert debit(parse("0.33").value, parse("0.50").value, n)


@pytest.mark.parametrize(("n", "step"), [(0, 1), (3, 0)])
def test_senseless_sizes_are_refused(n, step):
    with pytest.raises(ValueError):
        grim(parse("0.5").value, n, Fraction(step))
    for function in (grimmer, debit):
        with pytest.raises(ValueError):
            function(parse("0.5").value, parse("0.5").value, 1)
