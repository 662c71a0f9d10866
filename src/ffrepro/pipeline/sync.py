"""Let one engine see what the other has finished. Only what is consistent: the rest stays to be run."""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import dvcfiles, engines
from ffrepro.pipeline.jobs import Job
from ffrepro.pipeline.refresh import out_of_date
from ffrepro.pipeline.workspace import Workspace


@dataclass(frozen=True)
class Synced:
    """How many jobs the other engine now knows of, how many it knew, and the names of those left to run."""

    told: int
    known: int
    left: list[str]


def to_dvc(workspace: Workspace) -> Synced:
    """After Snakemake has run: commit its finished jobs to DVC.

    Raises:
        FfreproError: plan files or dvc.yaml are out of date, or an engine fails.
    """
    _guard(workspace)
    current = engines.snakemake_current(workspace.root, workspace.scale, workspace.hardware)
    finished = [job for job in workspace.jobs if {path.rstrip("/") for path in job.outputs} <= current]
    changed = engines.dvc_changed(workspace.root)
    addresses = _addresses(workspace)
    left = [addresses[job.name] for job in workspace.jobs if job not in finished]
    stages = [addresses[job.name] for job in finished if addresses[job.name] in changed]
    engines.dvc_commit(workspace.root, _targets(["plan", *stages] if "plan" in changed else stages, left))
    return Synced(len(stages), len(finished) - len(stages), _rest(workspace, finished))


def to_snakemake(workspace: Workspace) -> Synced:
    """After DVC has run: touch the outputs of the jobs that DVC finds unchanged, with all they depend on.

    Raises:
        FfreproError: plan files or dvc.yaml are out of date, or an engine fails.
    """
    _guard(workspace)
    changed = engines.dvc_changed(workspace.root)
    addresses = _addresses(workspace)
    makers = {path: job for job in workspace.jobs for path in job.outputs}
    clean: dict[str, bool] = {}

    def is_clean(job: Job) -> bool:
        if job.name not in clean:
            sources = (makers[path] for path in job.inputs if path in makers)
            clean[job.name] = addresses[job.name] not in changed and all(map(is_clean, sources))
        return clean[job.name]

    finished = [job for job in workspace.jobs if is_clean(job)]
    current = engines.snakemake_current(workspace.root, workspace.scale, workspace.hardware)
    new = [job for job in finished if not {path.rstrip("/") for path in job.outputs} <= current]
    if new:
        outputs = [job.outputs[0].rstrip("/") for job in finished]
        engines.snakemake_touch(workspace.root, workspace.scale, workspace.hardware, outputs)
    return Synced(len(new), len(finished) - len(new), _rest(workspace, finished))


def _guard(workspace: Workspace) -> None:
    if not workspace.is_declared:
        raise FfreproError(
            f"dvc.yaml is not for scale {workspace.scale} on {', '.join(workspace.hardware)}",
            where="params.yaml: scale, hardware",
            fix="set them there and run `ffrepro plan --write`: DVC knows one scale at a time",
        )
    stale = out_of_date(workspace)
    if stale:
        raise FfreproError(
            f"{len(stale)} generated files are out of date, {stale[0]} first",
            where="plan/ and dvc.yaml",
            fix="run `ffrepro plan --write`, then the engine again, then this command",
        )


def _targets(stages: list[str], left: list[str]) -> list[str]:
    """Stages to commit, by the file where nothing in it is left to run: one by one takes five times as long."""
    unfinished = {_file(stage) for stage in left}
    return list(dict.fromkeys(stage if _file(stage) in unfinished else _file(stage) for stage in stages))


def _file(stage: str) -> str:
    return stage.partition(":")[0] if ":" in stage else dvcfiles.ROOT_FILE


def _addresses(workspace: Workspace) -> dict[str, str]:
    plans = {f"{plan['kind']}/{plan['run']}": plan for plan in workspace.runnable}
    return {job.name: dvcfiles.address(job, plans.get(job.name)) for job in workspace.jobs}


def _rest(workspace: Workspace, finished: list[Job]) -> list[str]:
    done = {job.name for job in finished}
    return [job.name for job in workspace.jobs if job.name not in done]
