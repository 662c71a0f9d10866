"""The versions of the methods that a run uses. A version moves only when a method's numbers do.

It stands in the method's file as ``VERSION`` (of the classifiers: in ``training/classifiers.py``), and is read without
importing that file: a report needs no torch for it. ``tests/golden/`` holds the numbers that each version stands for.
"""

from __future__ import annotations

from typing import Any

from ffrepro import methods
from ffrepro.base.plans import methods_of
from ffrepro.training import classifiers

BEFORE = 1  # of records made before they said it


def of_plan(plan: dict[str, Any]) -> dict[str, int]:
    """Name -> the current version of every method (of a fit: of its classifier) that a plan names."""
    if plan["kind"] == "sklearn_baseline":
        return {plan["classifier"]["name"]: classifiers.VERSION}
    return {name: methods.version(name) for name in methods_of(plan)}


def changes(about: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Name -> (the record's version, the current one) of the methods whose numbers have changed since.

    Args:
        about: content of run.json.
    """
    recorded = about.get("methods", {})
    pairs = {name: (recorded.get(name, BEFORE), now) for name, now in of_plan(about["plan"]).items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def describe(changed: dict[str, tuple[int, int]]) -> str:
    """``made by version 1 of ff_rnn, now 2``."""
    return "made by " + ", ".join(f"version {old} of {name}, now {new}" for name, (old, new) in changed.items())
