"""Which plans a report or a trace may take evidence from: all scales, all hardware profiles."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ffrepro.pipeline.plan import expand
from ffrepro.pipeline.workspace import Workspace, open_workspace


def all_plans(root: Path, scale: str | None, hardware: Iterable[str] | None) -> tuple[Workspace, list[dict]]:
    """The workspace asked for, and the plans of every scale on every profile, its own first.

    Args:
        scale, hardware: as given on the command line; None: params.yaml's.

    Raises:
        FfreproError: anything wrong with params.yaml, an unknown scale or profile.
    """
    workspace = open_workspace(root, scale, hardware)
    raw, vocabulary = workspace.params.raw, workspace.params.vocabulary
    plans = {plan["run"]: plan for plan in workspace.plans}
    for name in raw["scales"]:
        for plan in expand(raw, vocabulary, name, raw["hardware_profiles"], workspace.code.for_plan):
            plans.setdefault(plan["run"], plan)
    return workspace, list(plans.values())
