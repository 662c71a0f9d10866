"""The benches: a module ``bench_<name>.py`` each, here or in a study's folder, found by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from ffrepro.base import studies
from ffrepro.base.names import unknown

_PREFIX = "bench_"


def names() -> list[str]:
    """All benches, sorted."""
    folders = [Path(__file__).parent, *studies.FOLDER.iterdir()]
    return sorted({file.stem.removeprefix(_PREFIX) for folder in folders for file in folder.glob(f"{_PREFIX}*.py")})


def find(name: str, paper: str | None = None) -> ModuleType:
    """A bench's module: the paper's own, else the common one, else (where no paper is named) that of any study.

    Raises:
        FfreproError: there is none.
    """
    own = studies.module(paper, _PREFIX + name) if paper else None
    if own is not None:
        return own
    if (Path(__file__).parent / f"{_PREFIX}{name}.py").is_file():
        return import_module(f"ffrepro.training.{_PREFIX}{name}")
    others = {} if paper else studies.modules(_PREFIX + name)
    if not others:
        raise unknown("bench", name, names())
    return next(iter(others.values()))
