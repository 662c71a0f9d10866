"""Floor 2: learning methods. A method is a file of this folder with a class ``Method`` (docs/ARCHITECTURE.md)."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from ffrepro.base.extensions import search_path
from ffrepro.base.names import unknown

__path__ = search_path("methods", __path__)
_SHARED = {"base", "images", "local", "pairs", "unlabelled"}


def names() -> list[str]:
    """Names of the available methods: the files of this folder, and of extensions (``ffrepro.base.extensions``)."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _SHARED)


def module(name: str) -> ModuleType:
    """Import the module of a method; an unknown name is an error that lists the available ones."""
    if name not in names():
        raise unknown("method", name, names())
    return importlib.import_module(f"{__name__}.{name}")
