"""The project's folder, which most commands have to be run in."""

from __future__ import annotations

from pathlib import Path

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import params


def folder() -> Path:
    """The working folder, which is the project's.

    Raises:
        FfreproError: it is not.
    """
    here = Path.cwd()
    if params.is_project(here):
        return here
    above = next(filter(params.is_project, here.parents), None)
    raise FfreproError(
        "this is not the project's folder",
        where=here,
        fix=f"cd {above}" if above else f"run ffrepro in the project's folder, the one with {params.PARAMS}",
    )
