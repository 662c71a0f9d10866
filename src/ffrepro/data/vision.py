"""The one door to torchvision, which beside a CPU build of PyTorch needs ``ffrepro.base.torchvision_import``."""

from __future__ import annotations

import torchvision

__all__ = ["torchvision"]
