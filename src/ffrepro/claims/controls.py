"""Controls without which a number says nothing: a frozen net, a copy of the input, word counts.

A claims file declares them by experiment (``controls``); a number of a run's quality whose controls have no run is left
out of claims, tables, pages and figures, with the reason. Times and memory need none, stand-in data give no number.
"""

from __future__ import annotations

from collections.abc import Callable

from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence

_QUALITY = ("test/", "rest/", "val/", "arrays/")
Pick = Callable[[str, str], Evidence | None]


def missing(claims: Claims, metric: str, evidence: Evidence, pick: Pick) -> list[str]:
    """What of the controls of some runs' number is not there, in words; nothing of a control's own.

    Args:
        evidence: the runs, whose experiment says which controls. pick: the runs of an (experiment, variant).
    """
    plan = evidence.records[0].plan
    family = claims.family_of_runs(plan["experiment"])
    declared = claims.content.get("controls", {}).get(family, [])
    base, point = claims.ungridded(plan["variant"])
    if not metric.startswith(_QUALITY) or evidence.standin or base in [entry.get("variant") for entry in declared]:
        return []
    found = []
    for entry in declared:
        if "metric" in entry:
            there = all(record.value(entry["metric"]) is not None for record in evidence.records)
            found += [] if there else [entry["metric"]]
            continue
        treatment = entry.get("treatment", plan["protocol"]["treatment"])
        experiment = claims.experiment(entry.get("experiment", family), treatment, plan["dataset"])
        variant = entry["variant"] + ("" if "experiment" in entry else point)
        found += [] if pick(experiment, variant) else [claims.label(variant)]
    return found


def reason(lacking: list[str]) -> str:
    """Why a number is not shown."""
    return f"its controls have no run: {', '.join(lacking)}"
