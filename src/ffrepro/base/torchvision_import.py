"""``import torchvision`` that also works beside a CPU build of PyTorch.

The torchvision wheel's compiled operators need CUDA libraries. Without them its import fails, since it registers
Python kernels for operators that were never declared. Two declarations are enough for data sets, transforms and
models; detection operators and torchvision's own image decoding stay unavailable (use PIL).

``import ffrepro`` installs a finder that makes them when torchvision is first imported, and not before: neither torch
nor torchvision is loaded for it, and where the compiled operators load nothing is declared.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_kept: list[Any] = []  # the declarations vanish with the library that made them


class _Finder(MetaPathFinder):
    """Finds nothing itself: it declares the operators, and leaves the import to the finders behind it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name == "torchvision":
            sys.meta_path.remove(self)
            _declare_missing_operators()


def install() -> None:
    """Have the first import of torchvision declare what it lacks; nothing where it is imported already."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


def _declare_missing_operators() -> None:
    spec = PathFinder.find_spec("torchvision")
    if spec is None:
        return
    import torch

    if not _compiled_operators_load(torch, spec.submodule_search_locations or []):
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}{_SCHEMA}")
        _kept.append(library)


def _compiled_operators_load(torch: Any, folders: Any) -> bool:
    """Whether torchvision's own library is there and loads; declaring what it declares would end the interpreter."""
    for folder in folders:
        for file in Path(folder).glob("_C*.so"):
            try:
                torch.ops.load_library(str(file))
                return True
            except OSError:
                return False
    return False
