"""What a search is made of: the combinations of its space, its trials, and which of these is the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

COMPLETE, DIVERGED = "complete", "diverged"  # how a trial ended


def points(space: Mapping[str, list]) -> list[dict[str, Any]]:
    """Every combination of a space's values, the last setting's changing fastest."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def best_of(trials: Iterable[Mapping[str, Any]], direction: str) -> Mapping[str, Any] | None:
    """The first trial with the best value; None where none came to its end.

    Args:
        direction: ``min`` or ``max``.
    """
    ended = [trial for trial in trials if trial["state"] == COMPLETE]
    sign = 1 if direction == "min" else -1
    return min(ended, key=lambda trial: sign * trial["value"], default=None)
