"""Whether a printed mean or standard deviation can come from whole numbers.

GRIM (Brown & Heathers 2017): the mean of n whole numbers is k / n. GRIMMER (Anaya 2016): their sum of squares is whole,
too, and as odd or even as their sum. DEBIT (Heathers & Brown 2019): the standard deviation of zeros and ones follows
from their mean. Each is a necessary condition: what fails is impossible, what passes need not be true.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from ffrepro.core.audit.intervals import Interval, overlap, root

ZERO = Fraction(0)


class Grim(NamedTuple):
    """Whether a mean is possible, whether the digits can tell at all, and the possible means on both sides of it."""

    possible: bool
    decides: bool
    below: Fraction
    above: Fraction


def grim(mean: Interval, n: int, step: Fraction = Fraction(1)) -> Grim:
    """Can the mean of n multiples of ``step`` lie in an interval?

    Args:
        mean: what a printed mean stands for.
        n: how many numbers the mean is of: 200 samples, or 5 x 200 where five runs' accuracies were averaged.
        step: what each number is a multiple of: 1 of counts and of fractions right, 100 of percentages.

    Returns:
        ``decides`` is False where possible means lie as close as the printed digits, so that none can be impossible.

    Raises:
        ValueError: n is less than 1, or the step not positive.
    """
    grain = _grain(n, step)
    below, above = math.floor(mean.low / grain) * grain, math.ceil(mean.high / grain) * grain
    first = math.ceil(mean.low / grain) * grain
    return Grim(first <= mean.high, grain > mean.high - mean.low, below, above)


def grimmer(mean: Interval, std: Interval, n: int, step: Fraction = Fraction(1)) -> bool:
    """Can n multiples of ``step`` have a mean and a sample standard deviation (ddof 1) in these intervals?

    Raises:
        ValueError: n is less than 2, or the step not positive.
    """
    if n < 2:
        raise ValueError("a standard deviation needs two numbers")
    grain = _grain(n, step)
    for total in range(math.ceil(mean.low / grain), math.floor(mean.high / grain) + 1):
        # (n - 1) std^2 = sum of squares - total^2 / n, in units of step
        low = (max(std.low, ZERO) / step) ** 2 * (n - 1) + Fraction(total**2, n)
        high = (std.high / step) ** 2 * (n - 1) + Fraction(total**2, n)
        first = math.ceil(low)
        first += (first - total) % 2  # squares are as odd as their roots
        if first <= high:
            return True
    return False


def debit(mean: Interval, std: Interval, n: int) -> bool:
    """Can n zeros and ones have a mean and a sample standard deviation (ddof 1) in these intervals?

    Raises:
        ValueError: n is less than 2.
    """
    if n < 2:
        raise ValueError("a standard deviation needs two numbers")
    first, last = max(0, math.ceil(mean.low * n)), min(n, math.floor(mean.high * n))
    for ones in range(first, last + 1):
        variance = Fraction(ones * (n - ones), n * (n - 1))
        if overlap(root(Interval(variance, variance)), std):
            return True
    return False


def _grain(n: int, step: Fraction) -> Fraction:
    if n < 1:
        raise ValueError(f"a mean needs at least one number, not {n}")
    if step <= ZERO:
        raise ValueError(f"a step is positive, not {step}")
    return Fraction(step) / n
