"""Printed numbers: their intervals, exact arithmetic, and what the digits decide."""

from fractions import Fraction
from itertools import product
from math import isclose, sqrt
from statistics import stdev

import pytest

from ffrepro.core.audit import intervals
from ffrepro.core.audit.intervals import Interval, parse


def between(low, high):
    return Interval(Fraction(low), Fraction(high))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("24.4", "24.35", "24.45"),
        ("96 %", "95.5", "96.5"),
        ("1,234", "1233.5", "1234.5"),
        ("4.13M", "4125000", "4135000"),
        (".05", ".045", ".055"),
        ("~20", "19.5", "20.5"),
        ("−3.0", "-3.05", "-2.95"),
        ("2.5x", "2.45", "2.55"),
    ],
)
def test_a_printed_number_is_an_interval(text, low, high):
    assert parse(text).value == between(low, high)


def test_every_value_that_rounds_to_the_print_is_inside_and_no_other():
    found = parse("0.12").value
    for thousandth in range(100, 140):
        rounds = Fraction(round(Fraction(thousandth, 1000) * 100), 100) == Fraction(12, 100)
        at_a_tie = thousandth % 10 == 5  # rounding may go either way there
        assert at_a_tie or rounds == (found.low <= Fraction(thousandth, 1000) <= found.high)


def test_counts_are_exact_and_places_may_be_said():
    assert parse("10,240", exact=True).value == between(10240, 10240)
    assert parse("1000", unit=Fraction(100)).value == between(950, 1050)


def test_spreads_are_read_and_never_negative():
    assert parse("0.12 ± 0.03").spread == between("0.025", "0.035")
    assert parse("1.0 +- 0.0").spread == between(0, "0.05")
    assert parse("84.3").spread is None


@pytest.mark.parametrize("text", ["", "–", "n/a", "1,23", "50-70", "1.2.3", "12 apples", "± 3", "1e5"])
def test_what_is_no_printed_number_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)


def test_agreement_tells_rounding_from_cutting():
    assert intervals.agreement(intervals.number(96.01), parse("96%")) == "rounded"
    assert intervals.agreement(intervals.number(81.74), parse("81%")) == "cut"
    assert intervals.agreement(intervals.number(82.0), parse("81%")) == "no"
    assert intervals.agreement(parse("24.4").value, parse("24.1%")) == "no"


def test_arithmetic_holds_every_choice_within_the_operands():
    a, b = parse("4.5").value, parse("1.4").value
    grid_a, grid_b = ([x.low + (x.high - x.low) * k / 10 for k in range(11)] for x in (a, b))
    operations = [(a / b, Fraction.__truediv__), (a * -b, lambda x, y: x * -y), (a - b, Fraction.__sub__)]
    for interval, operation in operations:
        values = [operation(x, y) for x, y in product(grid_a, grid_b)]
        assert (interval.low, interval.high) == (min(values), max(values))
    assert isclose((a / b).low, 3.0690, abs_tol=5e-5) and isclose((a / b).high, 3.3704, abs_tol=5e-5)


def test_division_by_what_may_be_nothing_is_refused():
    with pytest.raises(ZeroDivisionError):
        parse("1").value / parse("0.0").value


@pytest.mark.parametrize(
    ("a", "b", "below", "at_most"),
    [
        ("1.36", "1.36", None, None),
        ("1.36", "1.37", True, True),  # the intervals touch: only a tie is in both
        ("1.37", "1.36", False, False),
        ("53", "30", False, False),
        ("1.4", "1.36", None, None),
    ],
)
def test_comparisons_are_decided_by_the_digits_or_left_open(a, b, below, at_most):
    a, b = parse(a).value, parse(b).value
    assert intervals.less(a, b, or_equal=False) is below
    assert intervals.less(a, b, or_equal=True) is at_most


def test_exact_numbers_are_always_decided():
    five = intervals.number(5)
    assert intervals.less(five, five, or_equal=True) is True
    assert intervals.less(five, five, or_equal=False) is False
    assert intervals.overlap(five, five) and not intervals.overlap(five, intervals.number(6))


def test_neighbouring_prints_are_different_numbers():
    assert not intervals.overlap(parse("1.1").value, parse("1.2").value)
    assert intervals.overlap(parse("1.1").value, parse("1.12").value)


def test_the_deviation_holds_that_of_every_choice():
    values = [parse(text).value for text in ("3.1", "3.4", "2.8", "3.0")]
    found = intervals.deviation(values)
    for choice in product(*([v.low, (v.low + v.high) / 2, v.high] for v in values)):
        assert found.low <= stdev(map(float, choice)) <= found.high
    assert isclose(found.centre, stdev([3.1, 3.4, 2.8, 3.0]))


def test_mean_and_root():
    assert intervals.mean([parse("1").value, parse("4").value]) == between(2, 3)
    assert isclose(float(intervals.root(intervals.number(96)).low), sqrt(96))
    with pytest.raises(ValueError):
        intervals.root(intervals.number(-1))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (intervals.number(10240), "10,240"),
        (parse("24.4").value, "24.35 to 24.45"),
        (intervals.number(0.0435), "0.0435"),
        (between("3.069", "3.3704"), "3.07 to 3.37"),
    ],
)
def test_numbers_are_shown_in_as_few_digits_as_tell_them_apart(value, text):
    assert intervals.show(value) == text
