"""A run's resolved settings: each with its value, the key that set it, and what it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ffrepro.base import run_names
from ffrepro.pipeline.plan import Case, Plan, cases, resolve
from ffrepro.pipeline.settings import Setting
from ffrepro.pipeline.workspace import Workspace


def find(workspace: Workspace, wanted: str) -> Plan:
    """The planned run of a name, or of a part of it that fits one run alone; of runs that differ by seed, the first.

    Raises:
        FfreproError: no run fits, or runs of several experiments, variants or profiles do.
    """
    plans = {plan["run"]: plan for plan in workspace.plans}
    return plans[run_names.find(wanted, plans, where=_place(workspace))[0]]


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


def _place(workspace: Workspace) -> str:
    return f"runs planned at scale {workspace.scale} on {', '.join(workspace.hardware)}"
