"""``import torchvision`` that also works beside a CPU build of PyTorch.

The torchvision wheel's compiled operators need CUDA libraries. Without them its import fails, since it registers
Python kernels for operators that were never declared. Two declarations are enough for data sets, transforms and
models; detection operators and torchvision's own image decoding stay unavailable (use PIL).

Import torchvision through this module everywhere, in spawned workers too:
``from ffrepro.data.vision import torchvision``.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_library: torch.library.Library | None = None  # kept: its declarations vanish with it


def _compiled_operators_load() -> bool:
    """Whether torchvision's own library is there and loads; declaring what it declares would end the interpreter."""
    spec = importlib.util.find_spec("torchvision")
    for folder in spec.submodule_search_locations or [] if spec else []:
        for file in Path(folder).glob("_C*.so"):
            try:
                torch.ops.load_library(str(file))
                return True
            except OSError:
                return False
    return False


def _declare_missing_operators() -> None:
    global _library
    if _library is None and not _compiled_operators_load():
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            _library.define(f"{name}{_SCHEMA}")


_declare_missing_operators()

import torchvision  # noqa: E402

__all__ = ["torchvision"]
