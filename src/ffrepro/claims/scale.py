"""Scales on which numbers are compared: as they are, by their ratio, or by the ratio of what they lack to the top.

A difference of .02 is half of the way at an accuracy of .96 and all of it at .98; where values crowd at 1 the ratio of
1 - value tells them apart, and a margin is a factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LINEAR, LOG, COMPLEMENT = "linear", "log", "log_complement"


@dataclass(frozen=True)
class Scale:
    """How values of a quantity are compared.

    Attributes:
        name: ``linear``; ``log``, of the value; ``log_complement``, of ``top - value``.
        top: the largest possible value.
        least: what smaller values (of ``top - value``) count as: more than a printed digit nobody can compare with.
    """

    name: str = LINEAR
    top: float = 1.0
    least: float = 0.0

    def of(self, value: float) -> float:
        """A value on this scale; larger values are larger on it, whatever its name."""
        if self.name == LINEAR:
            return value
        if self.name == LOG:
            return math.log(max(value, self.least))
        return -math.log(max(self.top - value, self.least))

    def back(self, place: float) -> float:
        """The value at a place on this scale."""
        if self.name == LINEAR:
            return place
        return math.exp(place) if self.name == LOG else self.top - math.exp(-place)

    def margin(self, margin: dict[str, float], expected: float) -> float:
        """A margin of a claims file (``absolute``, ``relative`` or ``factor``) on this scale."""
        if "factor" in margin:
            return math.log(margin["factor"])
        if "absolute" in margin:
            return margin["absolute"]
        return margin["relative"] * abs(expected) if self.name == LINEAR else math.log(1 + margin["relative"])

    def words(self, distance: float) -> str:
        """A distance in words: ``0.131``, ``a factor of 3.1``, ``a factor of 3.1 in 1 - value``."""
        if self.name == LINEAR:
            return f"{abs(distance):.3g}"
        of = f" in {self.top:g} - value" if self.name == COMPLEMENT else ""
        return f"a factor of {math.exp(abs(distance)):.3g}{of}"
