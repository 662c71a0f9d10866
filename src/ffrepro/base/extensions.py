"""Folders of a user's own methods, nets and data sets, found by file name as the package's own are.

A folder holds any of ``methods/``, ``nets/`` and ``data/``; their modules join ``ffrepro.methods``, ``ffrepro.nets``
and ``ffrepro.data``: ``mine/methods/sff.py`` is ``ffrepro.methods.sff``, the method that a plan calls ``sff``. Folders
are named in the environment variable ``FFREPRO_EXTENSIONS``, which subprocesses inherit, or given to ``add``.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path

from ffrepro.base.errors import FfreproError

VARIABLE = "FFREPRO_EXTENSIONS"
HINT = f"One of your own is found where {VARIABLE} names its folder"
PACKAGES = ("methods", "nets", "data")


def folders() -> list[Path]:
    """The folders, in the order in which they are searched."""
    return [Path(entry).resolve() for entry in os.environ.get(VARIABLE, "").split(os.pathsep) if entry]


def add(folder: str | Path) -> None:
    """Search a folder too, in this process and in those that it starts.

    Raises:
        FfreproError: it holds none of ``PACKAGES``, or a module of it has the name of one that is there.
    """
    folder = Path(folder).resolve()
    if folder in folders():
        return
    for package in _packages(folder):
        loaded = sys.modules.get(f"ffrepro.{package}")
        if loaded is not None:
            _refuse_twice(folder / package, loaded.__path__)
            loaded.__path__.append(str(folder / package))
    os.environ[VARIABLE] = os.pathsep.join(map(str, [*folders(), folder]))


def search_path(package: str, own: Iterable[str]) -> list[str]:
    """A package's own folders and those of the same name in the extensions: its ``__path__``.

    Raises:
        FfreproError: see ``add``.
    """
    path = list(own)
    for folder in folders():
        if package in _packages(folder):
            _refuse_twice(folder / package, path)
            path.append(str(folder / package))
    return path


def _packages(folder: Path) -> list[str]:
    found = [name for name in PACKAGES if (folder / name).is_dir()]
    if not found:
        raise FfreproError(
            "no extension: there is none of methods/, nets/ and data/ in it",
            where=folder,
            fix=f"name the folder that holds them (environment variable {VARIABLE}, or ffrepro.base.extensions.add)",
        )
    return found


def _refuse_twice(folder: Path, path: Iterable[str]) -> None:
    """A module that hides another one would change what old plans mean."""
    own = {module.name for module in pkgutil.iter_modules(path)}
    twice = sorted(own & {module.name for module in pkgutil.iter_modules([str(folder)])})
    if twice:
        raise FfreproError(
            f"there is a module of this name already: {', '.join(twice)}", where=folder, fix="rename the file"
        )
