"""What of a plan file decides a run's numbers."""

from __future__ import annotations

import re
from typing import Any

from ffrepro.base import words
from ffrepro.base.files import sha256_json

SOURCES = ("upstream", "standin")  # of data: real, or made by the project
RUN_NAME = re.compile(r"[a-z0-9_]+/[a-z0-9_]+/[a-z0-9_]+/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*/seed\d+")

_NOTES = ("origin", "tags")  # where settings come from, and which tables show the run
_KEPT = "keep_weights"  # what stays behind of a run beside its record; no number of it
_CODE = "code"


def result_hash(plan: dict[str, Any]) -> str:
    """Hash of everything in a plan but the notes: a better word for a source must not retrain a run."""
    return sha256_json({key: value for key, value in plan.items() if key not in _NOTES})


def protocol(plan: dict[str, Any]) -> str:
    """Hash of a plan's settings alone, whatever the code: two records with the same one measured the same thing."""
    return sha256_json({key: value for key, value in migrate(plan).items() if key not in (*_NOTES, _CODE, _KEPT)})


def methods_of(plan: dict[str, Any]) -> list[str]:
    """The methods that a plan trains (of a bench: times), each once, sorted; none of a fit. Takes older plans too."""
    used = {"bench": plan.get("variants", {}).values(), "train": (plan,), "search": (plan,)}.get(plan["kind"], ())
    found = (variant.get("method") for variant in used if isinstance(variant, dict))
    names = {method.get("name") for method in found if isinstance(method, dict)}
    return sorted(name for name in names if isinstance(name, str))


def start_of(plan: dict[str, Any]) -> str | None:
    """The run whose weights a run starts from, of its own seed, scale and hardware; None: from drawn ones."""
    start = plan.get("start")
    if start is None:
        return None
    parts = (plan["scale"], plan["hardware"], start["experiment"], start["variant"], f"seed{plan['seed']}")
    return "/".join(parts)


def migrate(plan: dict[str, Any], *, complete: bool = True) -> dict[str, Any]:
    """Migrate a plan to schema 2 and current words (``base.words``).

    Args:
        complete: give it the settings that came later as well; a plan that is to be run has to state them itself.

    Schema 1 had one view of the data and one schedule, and named neither.
    """
    plan = words.translate(plan)
    if plan.get("schema") == 1:
        plan["schema"] = 2
        for part, name in (("data", {"name": "trajectories"}), ("training", {"schedule": "plateau"})):
            if isinstance(plan.get(part), dict):
                plan[part] = name | plan[part]
    return words.complete(plan) if complete else plan
