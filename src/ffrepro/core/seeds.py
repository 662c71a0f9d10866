"""Seeds for every purpose of a run, from its seed and the purpose's name."""

from __future__ import annotations

import hashlib

import torch


def derive(*parts: object) -> int:
    """Derive a 63-bit seed from its parts; equal parts give equal seeds on every machine."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded by ``derive``: the same numbers whatever the device of the run."""
    return torch.Generator().manual_seed(derive(*parts))
