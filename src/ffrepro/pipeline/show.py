"""A run's resolved settings: each with its value, the key that set it, and what it comes from."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.pipeline.plan import Case, Plan, cases, resolve
from ffrepro.pipeline.settings import Setting
from ffrepro.pipeline.workspace import Workspace

_LISTED = 8


def find(workspace: Workspace, wanted: str) -> Plan:
    """The planned run of a name, or of a part of it that fits one run alone; of runs that differ by seed, the first.

    Raises:
        FfreproError: no run fits, or runs of several experiments, variants or profiles do.
    """
    names = [plan["run"] for plan in workspace.plans]
    part = wanted.strip("/")
    found = [plan for plan in workspace.plans if f"/{part}/" in f"/{plan['run']}/"]  # whole words of the path first
    found = found or [plan for plan in workspace.plans if part in plan["run"]]
    if not found:
        parts = {part for name in names for part in (name, name.rpartition("/")[0], *name.split("/")[2:4])}
        raise unknown("run", wanted, parts if len(parts) <= _LISTED else _near(wanted, parts), where=_place(workspace))
    several = list(dict.fromkeys(plan["run"].rpartition("/")[0] for plan in found))
    if len(several) > 1:
        more = f" and {len(several) - _LISTED} more" if len(several) > _LISTED else ""
        raise FfreproError(
            f"{wanted!r} is part of {len(several)} runs' names",
            where=_place(workspace),
            fix=f"say more of one: {', '.join(several[:_LISTED])}{more}",
        )
    return found[0]


def settings(workspace: Workspace, plan: Plan) -> Iterator[tuple[str, Setting]]:
    """``part.setting`` -> what set it, in the plan's order; of a bench, its nets' and methods' by variant."""
    raw = workspace.params.raw
    own = [case for case in cases(raw, workspace.scale) if _is_of(case, plan)]
    for index, case in enumerate(own):
        for part, found in resolve(raw, workspace.params.vocabulary, case, workspace.scale).settings.items():
            of_variant = plan["kind"] == "bench" and part in ("net", "method")
            if of_variant or index == 0:
                start = f"variants.{case.variant}." if of_variant else ""
                yield from ((f"{start}{part}.{name}", setting) for name, setting in found.items())


def rows(workspace: Workspace, plan: Plan) -> list[tuple[str, str, str, str]]:
    """Setting, value, ``file:line`` in the study's folder, source."""
    found = settings(workspace, plan)
    return [(key, json.dumps(s.value), Path(workspace.params.place(s.path)).name, s.source) for key, s in found]


def _is_of(case: Case, plan: Plan) -> bool:
    same = (case.paper, case.experiment) == (plan["paper"], plan["experiment"])
    return same and (case.kind == "bench" or case.variant_name == plan["variant"])


def _near(wanted: str, names: set[str]) -> list[str]:
    """Some names to choose from, the nearest first."""
    return difflib.get_close_matches(wanted, sorted(names), _LISTED, 0.3) or sorted(names)[:_LISTED]


def _place(workspace: Workspace) -> str:
    return f"runs planned at scale {workspace.scale} on {', '.join(workspace.hardware)}"
