"""dvc.yaml, generated from the job list: a root file and one file per group of runs.

One file with every run would be read and its lock written anew after each stage: 200 stages took 124 s in one file
and 20 s in ten.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.records import RECORD
from ffrepro.pipeline.jobs import PARAMS, Job
from ffrepro.pipeline.plan import Plan, file_of
from ffrepro.pipeline.workspace import Workspace

ROOT_FILE = "dvc.yaml"
GROUPS = "workflow/dvc"
HEADER = "# Generated from params.yaml and the studies by `ffrepro plan --write`: edit those, not this file.\n"
CODE = "src/ffrepro"
_NOTES = ("origin", "tags")  # parts of a plan that decide no number
# Packages that make plan files, or whose code their digests cover: nothing but Python.
_PLANNING = ("base", "core", "data", "methods", "nets", "pipeline", "training")


def generate(workspace: Workspace) -> dict[str, str]:
    """Path -> text of every dvc.yaml for the workspace's scale and hardware."""
    plans = {f"{plan['kind']}/{plan['run']}": plan for plan in workspace.runnable}
    documents: dict[str, dict[str, Any]] = {ROOT_FILE: {"plan": plan_stage(workspace)}}
    for job in workspace.jobs:
        plan = plans.get(job.name)
        path = f"{GROUPS}/{group_of(plan)}/dvc.yaml" if plan else ROOT_FILE
        stages, name = documents.setdefault(path, {}), stage_name(job)
        if name in stages:
            raise FfreproError(f"two jobs would share the stage {name}", where=path, fix="rename one of the variants")
        stages[name] = _stage(job, plan)
    return {
        path: HEADER + yaml.dump({"stages": stages} | _plots(path, workspace.scale), sort_keys=False, width=120)
        for path, stages in documents.items()
    }


def write(workspace: Workspace) -> list[str]:
    """Write the files that changed and remove those of groups that are gone; returns their paths."""
    texts = generate(workspace)
    changed = [path for path, text in texts.items() if files.write_text_if_changed(workspace.root / path, text)]
    for path in left_over(workspace.root, texts):
        (workspace.root / path).unlink()
        (workspace.root / path).with_name("dvc.lock").unlink(missing_ok=True)
        changed.append(path)
    return changed


def left_over(root: Path, texts: dict[str, str]) -> list[str]:
    """Generated files of groups that are no longer there."""
    found = [path.relative_to(root).as_posix() for path in sorted((root / GROUPS).glob("*/dvc.yaml"))]
    return [path for path in found if path not in texts]


def group_of(plan: Plan) -> str:
    """The group of a run: an experiment family on a data set; all benches together."""
    if plan["kind"] == "bench":
        return "bench"
    return plan["experiment"].removesuffix(f"_{plan['protocol']['treatment']}")


def stage_name(job: Job) -> str:
    """A job's name as DVC allows it: letters, digits, ``_`` and ``-``. The scale is left out: it is the file's."""
    parts = job.name.split("/")
    if job.kind in RECORD:
        parts = parts[2:]
    elif job.kind in ("fetch", "prepare", "plans", "negatives"):
        parts = [parts[0], *parts[2:]]
    elif job.kind == "table":
        parts = parts[2:]
    else:
        parts = parts[:1]
    return re.sub(r"[^A-Za-z0-9_-]", "_", "-".join(parts))


def address(job: Job, plan: Plan | None) -> str:
    """What the dvc command calls the job's stage."""
    name = stage_name(job)
    return f"{GROUPS}/{group_of(plan)}/dvc.yaml:{name}" if plan else name


def plan_stage(workspace: Workspace) -> dict[str, Any]:
    """The stage that makes plan files, so that `dvc repro` and `dvc exp run -S` take edits of YAML files up."""
    scale, profiles = workspace.scale, workspace.hardware
    return {
        "cmd": f"ffrepro plan --write --scale {scale} --hardware {' '.join(profiles)}",
        "deps": plan_sources(workspace),
        # In DVC's cache, though quickly made: where DVC compares settings of two commits, it reads them from there.
        # Kept while the command runs, so that unchanged files keep their time stamps.
        "outs": [{f"plan/{scale}/{profile}": {"persist": True}} for profile in profiles],
    }


def plan_sources(workspace: Workspace) -> list[str]:
    """What plan files are made from: settings, their schemas, and code, no page, template or published number."""
    package = workspace.root / CODE
    papers = workspace.params.raw["papers"]
    studies = [f"{CODE}/studies/{paper}/study.yaml" for paper in papers]
    roots = {name for plan in workspace.plans for name in workspace.code.roots(plan)}
    own = [f"src/{file}" for file in workspace.code.files(roots) if file.startswith("ffrepro/studies/")]
    folders = [f"{CODE}/{name}" for name in _PLANNING if (package / name).is_dir()]
    return [PARAMS, *(f"workflow/schemas/{name}.schema.yaml" for name in ("params", "study")), *folders, *studies, *own]


def _stage(job: Job, plan: Plan | None) -> dict[str, Any]:
    stage: dict[str, Any] = {"cmd": job.command}
    inputs = list(job.inputs)
    if plan:
        stage["wdir"] = "../../.."
        inputs.remove(file_of(plan["run"]))
        stage["params"] = [{file_of(plan["run"]): [key for key in plan if key not in _NOTES]}]
    if inputs:
        stage["deps"] = inputs
    metrics = [path for path in job.outputs if job.kind == "report" and path.endswith("/metrics.json")]
    stage["outs"] = [path.rstrip("/") for path in job.outputs if path not in metrics]
    if metrics:
        stage["metrics"] = metrics
    return stage


def _plots(path: str, scale: str) -> dict[str, Any]:
    if path != ROOT_FILE:
        return {}
    curves = f"reports/{scale}/curves.csv"
    plots = {
        name: {"x": "epoch", "y": {curves: column}, "template": "runs", "title": name}
        for name, column in (("validation accuracy", "val/accuracy"), ("validation loss", "val/loss"))
    }
    return {"plots": [{name: plot} for name, plot in plots.items()]}
