"""Printed numbers and the intervals of values that print so, in exact arithmetic.

"24.4" stands for every value from 24.35 to 24.45. Bounds are fractions, so that a bound that is met exactly is
decided by no rounding of ours. Arithmetic gives the values that any choice within the operands allows; an operand that
stands in a formula twice is varied twice, which widens the result: write ``1 - b / a``, not ``(a - b) / a``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?")
_SCALES = {"": 0, "k": 3, "K": 3, "M": 6, "B": 9}
_UNITS = ("%", "×", "x", "s", "ms")
_MINUS = str.maketrans("−–", "--")


@dataclass(frozen=True)
class Interval:
    """All numbers from ``low`` to ``high``; an exact number is both."""

    low: Fraction
    high: Fraction

    @property
    def exact(self) -> bool:
        """Whether it holds one number alone."""
        return self.low == self.high

    @property
    def centre(self) -> float:
        """The number half way: of a printed number, the number as printed."""
        return float((self.low + self.high) / 2)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return self + -other

    def __mul__(self, other: Interval) -> Interval:
        corners = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(corners), max(corners))

    def __truediv__(self, other: Interval) -> Interval:
        """Raises ZeroDivisionError where the divisor may be 0."""
        if other.low <= 0 <= other.high:
            raise ZeroDivisionError("the divisor may be 0")
        return self * Interval(1 / other.high, 1 / other.low)

    def __abs__(self) -> Interval:
        if self.low >= 0:
            return self
        return Interval(Fraction(0), max(-self.low, self.high)) if self.high > 0 else -self


class Printed(NamedTuple):
    """A number as a paper prints it: the values that round to it, those that it may be cut off from, its last place.

    ``spread`` is what stands after ±, ``None`` where nothing does.
    """

    text: str
    value: Interval
    cut: Interval
    unit: Fraction
    spread: Interval | None = None


def number(value: float | Fraction) -> Interval:
    """One exact number; a float's decimal digits are taken as meant (0.1 is a tenth)."""
    exact = value if isinstance(value, Fraction) else Fraction(repr(value))
    return Interval(exact, exact)


def parse(text: str, *, exact: bool = False, unit: Fraction | None = None) -> Printed:
    """Read a printed number: ``84.3``, ``1,234``, ``96 %``, ``0.12 ± 0.03``, ``4.1M``, ``2.5x``.

    Args:
        text: as printed; ``~`` and units are left out.
        exact: a count, which nobody rounded: the interval is that number.
        unit: what the last place is worth where it is not the last digit: 100 of "1000" that stands for hundreds.

    Raises:
        ValueError: it is no number of these forms.
    """
    head, sign, tail = text.translate(_MINUS).replace("+-", "±").partition("±")
    value, last = _decimal(head, text)
    unit = last if unit is None else unit
    half = 0 if exact else unit / 2
    spread = None
    if sign:
        deviates, place = _decimal(tail, text)
        spread = Interval(max(deviates - place / 2, Fraction(0)), deviates + place / 2)
    away = Interval(value, value + unit) if value >= 0 else Interval(value - unit, value)
    return Printed(text, Interval(value - half, value + half), number(value) if exact else away, unit, spread)


def _decimal(text: str, whole: str) -> tuple[Fraction, Fraction]:
    """The number and the size of its last printed place."""
    plain = text.strip().lstrip("~≈").strip()
    for ending in sorted(_UNITS, key=len, reverse=True):
        plain = plain.removesuffix(ending).strip()
    scale = plain[-1:] if plain[-1:].isalpha() else ""
    digits = plain.removesuffix(scale).strip()
    if scale not in _SCALES or not _NUMBER.fullmatch(digits) or not any(c.isdigit() for c in digits):
        raise ValueError(f"{whole!r} is no printed number")
    digits = digits.replace(",", "")
    power = Fraction(10) ** _SCALES[scale]
    decimals = len(digits.partition(".")[2])
    return Fraction(digits) * power, power / 10**decimals


def middle(value: Interval) -> Interval:
    """The number half way as an exact one."""
    return number((value.low + value.high) / 2)


def agreement(value: Interval, printed: Printed) -> str:
    """How values can print so: ``rounded``, ``cut`` (off, not rounded), or ``no``."""
    if overlap(value, printed.value):
        return "rounded"
    cut = printed.cut
    reached = value.low >= cut.high if cut.low >= 0 else value.high <= cut.low  # the next number is not cut to this one
    return "cut" if overlap(value, cut) and not reached else "no"


def overlap(a: Interval, b: Interval) -> bool:
    """Whether some number is in both; two rounding intervals that only touch have none: their ties round one way."""
    if a.exact or b.exact:
        return a.low <= b.high and b.low <= a.high
    return a.low < b.high and b.low < a.high


def less(a: Interval, b: Interval, *, or_equal: bool) -> bool | None:
    """Whether a < b (or a <= b) for all choices within the intervals; None where it depends on the choice."""
    apart = not (a.exact or b.exact)  # then a shared bound alone is no common value, see overlap
    if a.high < b.low or (a.high == b.low and (or_equal or apart)):
        return True
    if a.low > b.high or (a.low == b.high and (apart or not or_equal)):
        return False
    return None


def root(value: Interval) -> Interval:
    """Square roots.

    Raises:
        ValueError: it holds negative numbers.
    """
    if value.low < 0:
        raise ValueError("the square root of a negative number")
    return Interval(_root(value.low), _root(value.high))


def mean(values: Sequence[Interval]) -> Interval:
    """Arithmetic mean."""
    return sum(values[1:], values[0]) * number(Fraction(1, len(values)))


def deviation(values: Sequence[Interval]) -> Interval:
    """Sample standard deviation (ddof 1), widened by the most that the values' intervals can change it.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("a standard deviation needs two values")
    n = len(values)
    middles = [middle(v).low for v in values]
    centre = sum(middles) / n
    around = _root(sum((m - centre) ** 2 for m in middles) / (n - 1))
    # The deviation is a norm: moving each value by at most h_i moves it by at most that of the vector (h_i).
    reach = _root(sum(((v.high - v.low) / 2) ** 2 for v in values) / (n - 1))
    return Interval(max(Fraction(0), around - reach), around + reach)


def show(value: Interval) -> str:
    """``10,240``, ``24.4``, or ``3.07 to 3.37``."""
    if value.exact:
        return figure(value.low)
    digits = _decimals(value)
    return f"{float(value.low):,.{digits}f} to {float(value.high):,.{digits}f}"


def figure(value: Fraction | float) -> str:
    """A number in as few digits as say it: whole ones in full, others with five significant ones."""
    if math.isinf(value):
        return "infinity"
    if value == int(value):
        return f"{int(value):,}"
    size = math.floor(math.log10(abs(value)))
    text = f"{float(value):,.{max(0, 4 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimals(value: Interval) -> int:
    """Decimals that tell the bounds apart: two places of their distance."""
    return max(0, 1 - math.floor(math.log10(value.high - value.low)))


def _root(value: Fraction) -> Fraction:
    return Fraction(math.sqrt(value))
