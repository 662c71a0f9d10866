"""Floor 1: network architectures, a file each with ``build(settings, inputs, classes, generator)``: lists of blocks."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ffrepro.base.extensions import search_path
from ffrepro.base.names import unknown

if TYPE_CHECKING:
    from ffrepro.nets.cut import Cut as Cut
    from ffrepro.nets.sizes import CNN as CNN
    from ffrepro.nets.sizes import MLP as MLP
    from ffrepro.nets.sizes import RNN as RNN
    from ffrepro.nets.sizes import Transformer as Transformer
    from ffrepro.nets.sizes import blocks as blocks

__path__ = search_path("nets", __path__)
_SHARED = {"auto_cut", "auxiliary", "cut", "cut_check", "cut_start", "layers", "sizes"}
_FROM = {"CNN": "sizes", "Cut": "cut", "MLP": "sizes", "RNN": "sizes", "Transformer": "sizes", "blocks": "sizes"}


def names() -> list[str]:
    """Names of the available nets: the files of this folder, and of extensions (``ffrepro.base.extensions``)."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in _SHARED)


def module(name: str) -> ModuleType:
    """Import the module of a net; an unknown name is an error that lists the available ones."""
    if name not in names():
        raise unknown("net", name, names())
    return importlib.import_module(f"{__name__}.{name}")


def build(settings: dict[str, Any], inputs: Any, classes: int | None, generator: torch.Generator) -> nn.Module:
    """Build the net of a plan file's ``net`` section.

    Args:
        inputs: what the task's batches hold: a number of features, the (C, H, W) of images.
        classes: how many the task has, None where it has none; the net's attribute ``classes`` for its method.

    Raises:
        FfreproError: no such net; the message says which there are.
    """
    net = module(settings["name"]).build(settings, inputs, classes, generator)
    net.classes = classes
    return net


def __getattr__(name: str) -> Any:
    """Nets by their sizes, and a module of one's own as a net (``ffrepro.nets.sizes``, ``ffrepro.nets.cut``)."""
    if name in _FROM:
        return getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """These names among the module's own."""
    return sorted([*globals(), *_FROM])
