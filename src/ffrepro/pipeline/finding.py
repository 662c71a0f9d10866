"""What a check of the surroundings finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``ok``, ``warn`` (something is missing that not everyone needs) or ``FAIL``."""

    state: str
    name: str
    detail: str
    fix: str = ""


def verdict(good: bool, name: str, detail: str, fix: str, bad: str = FAIL) -> Finding:
    """``ok``, or ``bad`` with what mends it."""
    return Finding(OK, name, detail) if good else Finding(bad, name, detail, fix)
