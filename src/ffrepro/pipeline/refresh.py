"""Bring the generated files (plan files, dvc.yaml) up to date with params.yaml and the code, or say which are not."""

from __future__ import annotations

from ffrepro.pipeline import dvcfiles
from ffrepro.pipeline.workspace import Workspace, orphans, plan_files, write_plan_files


def refresh(workspace: Workspace) -> list[str]:
    """Write what changed; dvc.yaml only for the scale and hardware that params.yaml declares.

    Returns:
        the paths written or removed.
    """
    changed = write_plan_files(workspace)
    return changed + (dvcfiles.write(workspace) if workspace.is_declared else [])


def out_of_date(workspace: Workspace) -> list[str]:
    """The generated files that differ from what they should be, are missing, or should not be there."""
    return _differing(workspace, plan_files(workspace)) + orphans(workspace) + committed_out_of_date(workspace)


def committed_out_of_date(workspace: Workspace) -> list[str]:
    """The same of those that are committed: dvc.yaml, of the scale and hardware that params.yaml declares."""
    if not workspace.is_declared:
        return []
    documents = dvcfiles.generate(workspace)
    return _differing(workspace, documents) + dvcfiles.left_over(workspace.root, documents)


def _differing(workspace: Workspace, texts: dict[str, str]) -> list[str]:
    return [path for path, text in texts.items() if _read(workspace, path) != text]


def _read(workspace: Workspace, path: str) -> str | None:
    file = workspace.root / path
    return file.read_text(encoding="utf-8") if file.is_file() else None
