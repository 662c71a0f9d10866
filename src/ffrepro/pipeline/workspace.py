"""A project folder at one scale on chosen hardware: its plans, which of them can run here, and its plan files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ffrepro.base import files
from ffrepro.base.plans import result_hash
from ffrepro.pipeline import hardware, params, plan
from ffrepro.pipeline.digest import CodeDigest
from ffrepro.pipeline.jobs import Job, job_list
from ffrepro.pipeline.params import Params
from ffrepro.pipeline.plan import Plan, file_of


@dataclass(frozen=True)
class Workspace:
    """What is planned.

    Attributes:
        params: the checked parameters.
        scale: the scale in question.
        hardware: the profiles in question, ``auto`` resolved.
        absent: those of them that this machine is not.
        plans: every run, in the studies' order.
        code: the package's code, parsed once.
    """

    params: Params
    scale: str
    hardware: list[str]
    absent: frozenset[str]
    plans: list[Plan]
    code: CodeDigest

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.params.root

    @property
    def is_declared(self) -> bool:
        """Whether this is the scale and hardware of params.yaml itself: what dvc.yaml is made for."""
        return self.scale == self.params.raw["scale"] and not self.hardware_option

    @property
    def hardware_option(self) -> str:
        """What a command needs so that it sees this hardware; nothing where params.yaml says the same."""
        raw = self.params.raw
        declared = hardware.choose(raw["hardware"], raw["hardware_profiles"], hardware.this_machine())
        return "" if self.hardware == declared else f" --hardware {' '.join(self.hardware)}"

    @cached_property
    def runnable(self) -> list[Plan]:
        """The runs whose hardware is here."""
        return [entry for entry in self.plans if entry["hardware"] not in self.absent]

    @property
    def gpu_jobs(self) -> int:
        """How many GPU runs this machine's profiles allow at once."""
        profiles = [self.params.raw["hardware_profiles"][name] for name in self.hardware if name not in self.absent]
        return max((profile["jobs"] for profile in profiles if profile["device"] != "cpu"), default=0)

    @cached_property
    def jobs(self) -> list[Job]:
        """Every job; runs of absent hardware have none, but reports read the records that were imported."""
        shown = [
            entry
            for entry in self.plans
            if entry["hardware"] in self.absent and (self.root / f"runs/{entry['run']}/result.json").is_file()
        ]
        return job_list(self.params.raw, self.scale, self.runnable, shown, self.code, self.hardware_option)


def open_workspace(
    root: Path, scale: str | None = None, wanted: Iterable[str] | None = None, *, assume_hardware: bool = False
) -> Workspace:
    """Read params.yaml and its studies and expand them.

    Args:
        scale: instead of the one in params.yaml.
        wanted: hardware profiles, instead of those in params.yaml.
        assume_hardware: take every profile for present (on a cluster's login node, say).

    Raises:
        FfreproError: anything wrong with params.yaml or a study, an unknown scale or profile, a run without code.
    """
    loaded = params.load(root)
    scale = loaded.scale(scale)
    profiles = loaded.raw["hardware_profiles"]
    machine = hardware.this_machine()
    chosen = hardware.choose(wanted or loaded.raw["hardware"], profiles, machine)
    absent = [] if assume_hardware else [name for name in chosen if not hardware.present(profiles[name], machine)]
    code = CodeDigest(root / "src")
    plans = plan.expand(loaded.raw, loaded.vocabulary, scale, chosen, code.for_plan)
    return Workspace(loaded, scale, chosen, frozenset(absent), plans, code)


def plan_files(workspace: Workspace) -> dict[str, str]:
    """Plan file -> its text."""
    return {file_of(entry["run"]): files.dump_json(entry) for entry in workspace.plans}


def write_plan_files(workspace: Workspace) -> list[str]:
    """Write the plan files that changed and remove those of runs that are no longer planned.

    A file whose notes alone changed (sources, tables) keeps its time stamp: Snakemake then sees no reason to train
    again, as DVC does not either.

    Returns:
        the paths written or removed.
    """
    changed = []
    for entry in workspace.plans:
        path = workspace.root / file_of(entry["run"])
        old = _stamp_if_same_substance(path, entry)
        if files.write_text_if_changed(path, files.dump_json(entry)):
            changed.append(file_of(entry["run"]))
            if old is not None:
                os.utime(path, ns=(old, old))
    for orphan in orphans(workspace):
        (workspace.root / orphan).unlink()
        changed.append(orphan)
    return changed


def orphans(workspace: Workspace) -> list[str]:
    """Plan files of this scale and hardware that belong to no planned run."""
    planned = {file_of(entry["run"]) for entry in workspace.plans}
    found = []
    for profile in workspace.hardware:
        folder = workspace.root / "plan" / workspace.scale / profile
        found += [path.relative_to(workspace.root).as_posix() for path in sorted(folder.rglob("*.json"))]
    return [path for path in found if path not in planned]


def _stamp_if_same_substance(path: Path, entry: Plan) -> int | None:
    try:
        old = files.read_json(path)
        return path.stat().st_mtime_ns if result_hash(old) == result_hash(entry) else None
    except (OSError, ValueError, AttributeError):
        return None
