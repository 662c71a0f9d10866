"""Floor 1, data: fetch an archive, prepare a data set from it, load what was prepared.

A data set is one file in this package, or in an extension (``ffrepro.base.extensions``), that defines ``SPEC``; it is
found by its file name. What the sets of one family share (``ffrepro.data.trajectories``, say) is the module that
``SPEC.family`` names.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ffrepro.base import names as _names
from ffrepro.base.extensions import search_path

__path__ = search_path("data", __path__)


def names() -> list[str]:
    """Sorted names of the available data sets. Reads sources instead of importing them, which keeps a listing cheap."""
    return list(_defining_a_set(tuple(__path__)))


@cache
def _defining_a_set(folders: tuple[str, ...]) -> list[str]:
    """Remembered: a check of many plans asks often, and an extension is another folder."""
    files = (file for folder in folders for file in Path(folder).glob("*.py"))
    return sorted(file.stem for file in files if re.search(r"^SPEC\b", file.read_text(encoding="utf-8"), re.MULTILINE))


def module(name: str) -> ModuleType:
    """The module of data set ``name``; its ``SPEC`` describes the set.

    Raises:
        FfreproError: no such data set; the message suggests the nearest name.
    """
    available = names()
    if name not in available:
        raise _names.unknown("data set", name, available)
    return import_module(f"{__name__}.{name}")


def view(name: str) -> ModuleType:
    """The module whose ``Task`` makes splits, inputs and batches of a prepared set: ``data/<name>_task.py``.

    Raises:
        FfreproError: no such view.
    """
    from ffrepro.data import views  # it imports this package

    views.file_of(name)
    return import_module(f"{__name__}.{name}_task")


def family(name: str) -> ModuleType:
    """The module with ``prepare(spec, *archive_paths, out=...)`` and ``load(path)`` for data set ``name``."""
    return import_module(f"{__name__}.{module(name).SPEC.family}")
