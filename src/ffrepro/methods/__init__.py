"""Floor 2: learning methods. A method is a file of this folder with a class ``Method`` (docs/ARCHITECTURE.md)."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

from ffrepro.base import extensions
from ffrepro.base.extensions import search_path
from ffrepro.base.names import unknown

__path__ = search_path("methods", __path__)
_SHARED = {
    "base", "cuts", "derivative_free", "images", "local", "local_cuts", "loss_blocks", "pairs", "token_pairs", "tokens",
    "unlabelled", "words",
}  # fmt: skip


def names() -> list[str]:
    """Names of the available methods: the files of this folder, and of extensions (``ffrepro.base.extensions``)."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _SHARED)


def module(name: str) -> ModuleType:
    """Import the module of a method; an unknown name is an error that lists the available ones."""
    if name not in names():
        raise unknown("method", name, names(), more=extensions.HINT)
    return importlib.import_module(f"{__name__}.{name}")


def for_net(name: str, net: object) -> str:
    """The method of this name for a kind of net: ``ff`` is ``ff_tokens`` for a net whose ``kind`` is tokens.

    ``bp`` is backpropagation, as for a wrapped model. A name without such a method, and a net without a kind, are left
    as they are.
    """
    name = {"bp": "backprop"}.get(name, name)
    own = f"{name}_{getattr(net, 'kind', None)}"
    return own if own in names() else name


def version(name: str) -> int:
    """The ``VERSION`` that a method's file assigns, read without importing it; 1 where it assigns none.

    A method that is not there any more (an old record's) counts as version 1 too.
    """
    files = (Path(folder) / f"{name}.py" for folder in __path__)
    text = next((file.read_text(encoding="utf-8") for file in files if file.is_file()), "")
    found = re.search(r"^VERSION = (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 1
