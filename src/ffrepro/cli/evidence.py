"""Which plans a report or a trace may take evidence from: all scales, all hardware profiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.pipeline import hardware as profiles
from ffrepro.pipeline import params
from ffrepro.pipeline.plan import expand
from ffrepro.pipeline.settings import Vocabulary
from ffrepro.pipeline.workspace import Workspace, open_workspace


def all_plans(root: Path, scale: str | None, hardware: Iterable[str] | None) -> tuple[Workspace, list[dict]]:
    """The workspace asked for, and the plans of every scale on every profile, its own first.

    Args:
        scale, hardware: as given on the command line; None: params.yaml's.

    Raises:
        FfreproError: anything wrong with params.yaml, an unknown scale or profile.
    """
    workspace = open_workspace(root, scale, hardware)
    plans = {plan["run"]: plan for plan in workspace.plans}
    for plan in _of_all_scales(workspace.params.raw, workspace.params.vocabulary):
        plans.setdefault(plan["run"], plan)
    return workspace, list(plans.values())


def plans_behind_table(
    root: Path, table: str, scale: str | None, hardware: Iterable[str] | None
) -> tuple[str, list[str], list[dict]]:
    """The scale asked for, the hardware profiles in order of preference, and the plans of the table's paper.

    A table takes evidence from its own paper: plans of others are not expanded, since a pipeline makes every table in
    a process of its own.

    Args:
        table: ``PAPER/TABLE``. scale, hardware: as given on the command line; None: params.yaml's.

    Raises:
        FfreproError: no paper's name before the table's, or an unknown one; anything wrong with params.yaml, an unknown
            scale or profile.
    """
    loaded = params.load(root)
    papers = loaded.raw["papers"]
    paper, _, name = table.partition("/")
    if not name:
        names = [f"{paper}/{wanted}" for paper, study in papers.items() for wanted in study["tables"]]
        raise FfreproError(f"no table {table!r}", fix=f"name paper and table: {', '.join(names)}")
    if paper not in papers:
        raise unknown("paper", paper, papers)
    raw = loaded.raw | {"papers": {paper: papers[paper]}}
    chosen = profiles.choose(hardware or raw["hardware"], raw["hardware_profiles"], profiles.this_machine())
    return loaded.scale(scale), chosen, list(_of_all_scales(raw, loaded.vocabulary))


def _of_all_scales(raw: dict, vocabulary: Vocabulary) -> Iterator[dict]:
    """The plans of every scale on every profile, without digests of code: evidence is told by its settings."""
    for scale in raw["scales"]:
        yield from expand(raw, vocabulary, scale, raw["hardware_profiles"], lambda plan: "")
