"""What a process needs to make the same method as the first one, and the context of its steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ffrepro import methods
from ffrepro.methods import loss_blocks
from ffrepro.methods.base import BaseMethod, Batch
from ffrepro.nets import sizes

Context = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Recipe:
    """What a process needs to make the same method as the first one.

    Attributes:
        method: its name, or a loss of one's own. example: the batch that it was made for. mixed: whether steps run in
            bfloat16 where PyTorch allows.
    """

    net: nn.Module
    method: str | loss_blocks.Loss
    hyperparameters: dict[str, Any]
    example: Batch
    classes: int
    seed: int
    lr: float
    device: str
    mixed: bool

    def make(self, device: str) -> tuple[BaseMethod, Batch]:
        """The method, and the example, on a device."""
        example = {name: value.to(device) for name, value in self.example.items()}
        known = isinstance(self.method, str)
        module: Any = methods.module(self.method) if known else loss_blocks.method_of(self.method)
        net: Any = sizes.as_net(self.net.to(device), example["x"])
        net.classes = self.classes
        generator = torch.Generator().manual_seed(self.seed)
        return module.Method(net, self.hyperparameters, example, generator, self.lr), example


def autocast_of(device: str, mixed: bool) -> Context:
    """Makes the context of a training step."""
    return lambda: torch.autocast(torch.device(device).type, torch.bfloat16, enabled=mixed)
