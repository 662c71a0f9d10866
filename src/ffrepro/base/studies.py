"""The studies: a folder for each paper, with its YAML files and what it has of its own, found by name."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

PACKAGE = "ffrepro.studies"
FOLDER = Path(__file__).parents[1] / "studies"


def having(file: str) -> list[str]:
    """The papers whose folder has a file of this name, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{file}"))


def module(paper: str, name: str) -> ModuleType | None:
    """The module ``name`` of a paper's folder, None where there is none."""
    full = f"{PACKAGE}.{paper}.{name}"
    if paper not in having("__init__.py") or find_spec(full) is None:
        return None
    return import_module(full)


def modules(name: str) -> dict[str, ModuleType]:
    """Paper -> its module ``name``, of those papers that have one."""
    found = {paper: module(paper, name) for paper in having("__init__.py")}
    return {paper: there for paper, there in found.items() if there is not None}
