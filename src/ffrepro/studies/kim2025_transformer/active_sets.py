"""What a step with an active set of pairs can cost at least, and at what share of them it meets a ratio."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

CROSSED = (1.0, 0.8)  # of backpropagation's time: no slower, and the saving that the paper claims


def bound(share: float, *, closed_form: bool = False) -> float:
    """The least that an active set can cost over backpropagation, in the limit of many layers.

    A forward pass over both samples of a pair is 2/3 of backpropagation's step. Recomputing the share q of active
    pairs, forward and backward, adds 6q / 3, and the sum is never above plain pairs, 2. Where a layer has its gradient
    in closed form there is no second forward pass: (2 + 2q) / 3.
    """
    return (2 + 2 * share) / 3 if closed_form else min((2 + 6 * share) / 3, 2.0)


def crossing(points: Iterable[tuple[float, float]], ratio: float) -> float | None:
    """The share of active pairs at which a ratio is met, by straight lines between (share, ratio) points.

    None where all of them lie on one side.
    """
    ordered = sorted(points)
    for (low, first), (high, second) in pairwise(ordered):
        if min(first, second) <= ratio <= max(first, second) and first != second:
            return low + (high - low) * (ratio - first) / (second - first)
    return None


def crossings(points: Iterable[tuple[float, float]]) -> dict[float, dict[str, float | None]]:
    """At what share of active pairs each ratio of ``CROSSED`` is met: ``measured``, and by the bound of either form.

    Args:
        points: measured (share, ratio to backpropagation); without any there is nothing.
    """
    measured, shares = list(points), [percent / 100 for percent in range(101)]
    if not measured:
        return {}
    return {
        ratio: {
            "measured": crossing(measured, ratio),
            "bound, recomputed": crossing([(q, bound(q)) for q in shares], ratio),
            "bound, closed form": crossing([(q, bound(q, closed_form=True)) for q in shares], ratio),
        }
        for ratio in CROSSED
    }


def lines(points: Iterable[tuple[float, float]]) -> list[str]:
    """``crossings`` in words."""
    found = []
    for ratio, forms in crossings(points).items():
        said = ", ".join(f"{form} {'nowhere' if q is None else f'q = {q:.3f}'}" for form, q in forms.items())
        found.append(f"active set at {ratio:g} of the baseline: {said}")
    return found
