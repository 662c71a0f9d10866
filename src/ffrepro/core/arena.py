"""One block of memory for the maps and the workspace of a stack of layers that learn one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


class Arena:
    """A layer's input lies at one end, its output at the other, its workspace between them.

    The next layer finds its input where the output is, and overwrites the old input: never more than two maps are
    alive, and the block is as large as the largest pair of neighbours (and its workspace) needs. Kept from step to
    step: fresh memory costs page faults.
    """

    def __init__(self, size: int, like: Tensor):
        """Args: size: elements. like: a tensor of the wanted dtype and device."""
        self._flat = torch.empty(size, dtype=like.dtype, device=like.device)

    def map(self, number: int, shape: tuple[int, ...]) -> Tensor:
        """The map between layers ``number - 1`` and ``number`` (0: the net's input), contiguous, undefined contents."""
        size = math.prod(shape)
        start = 0 if number % 2 == 0 else len(self._flat) - size
        return self._flat[start : start + size].view(shape)

    def between(self, first: Tensor, second: Tensor) -> Space:
        """What is free between two neighbouring maps."""
        low, high = sorted((first, second), key=lambda m: m.storage_offset())
        start = low.storage_offset() + low.numel()
        return Space(self._flat[start : high.storage_offset()])


class Space:
    """Free memory, given out piece by piece."""

    ALIGN = 16  # elements: a cache line in float32

    def __init__(self, flat: Tensor):
        self._flat, self._used = flat, -flat.storage_offset() % self.ALIGN

    @property
    def free(self) -> int:
        """Elements left."""
        return len(self._flat) - self._used

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """A contiguous tensor; contents are undefined."""
        size, start = math.prod(shape), self._used
        self._used += -(-size // self.ALIGN) * self.ALIGN
        return self._flat[start : start + size].view(shape)


Take = Callable[[tuple[int, ...]], Tensor]
