"""Seeds for every purpose of a run, from its seed and the purpose's name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(*parts: object) -> int:
    """Derive a 63-bit seed from its parts; equal parts give equal seeds on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded by ``derive``: the same numbers whatever the device of the run."""
    return torch.Generator().manual_seed(derive(*parts))


@contextmanager
def drawing(device: torch.device | str, *parts: object) -> Iterator[None]:
    """Seed PyTorch's global generators by ``derive`` for what is drawn within; afterwards they are what they were.

    Dropout and stochastic depth know no other generators than these.

    Args:
        device: whose generator is seeded beside the CPU's.
    """
    device = torch.device(device)
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if cuda else []):
        seed_global(device, *parts)
        yield


def seed_global(device: torch.device | str, *parts: object) -> None:
    """Seed the global generators of the CPU and of a device by ``derive``."""
    device, seed = torch.device(device), derive(*parts)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
