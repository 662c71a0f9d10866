"""Reusable workspace: allocating afresh in each step costs more (page faults) than the computation."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Buffers:
    """Named tensors of a wanted shape, reused while they are large enough.

    A smaller request (an uneven last batch) gets the front of the memory, contiguous. Contents are undefined.
    """

    def __init__(self) -> None:
        self._flat: dict[object, Tensor] = {}

    def get(self, name: object, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A contiguous tensor of ``shape`` with ``like``'s dtype and device."""
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.numel() < size or flat.dtype != like.dtype or flat.device != like.device:
            flat = self._flat[name] = torch.empty(size, dtype=like.dtype, device=like.device)
        return flat[:size].view(shape)
