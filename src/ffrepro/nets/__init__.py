"""Floor 1: network architectures, each a file with ``build(settings, inputs, generator)``, each a list of blocks."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import torch
from torch import nn

from ffrepro.base.names import unknown

_SHARED = {"layers"}


def names() -> list[str]:
    """The nets there are: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _SHARED)


def module(name: str) -> ModuleType:
    """The module of a net; an unknown name is an error that says which there are."""
    if name not in names():
        raise unknown("net", name, names())
    return importlib.import_module(f"{__name__}.{name}")


def build(settings: dict, inputs: int | tuple[int, ...], generator: torch.Generator) -> nn.Module:
    """The net of a plan file's ``net`` section for ``inputs`` features, or images of (C, H, W).

    Raises:
        FfreproError: no such net; the message says which there are.
    """
    return module(settings["name"]).build(settings, inputs, generator)
