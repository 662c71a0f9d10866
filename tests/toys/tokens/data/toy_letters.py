"""Sequences of eight letters in which each letter mostly follows the one before it."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from ffrepro.data import prepared

SPEC = SimpleNamespace(family="toy_letters")
VOCABULARY, LENGTH = 8, 12


@dataclass(frozen=True)
class Letters:
    """``token``: int64 (N, LENGTH + 1)."""

    token: np.ndarray
    manifest: dict


def prepare(path, samples=120):
    """Write the prepared set."""
    random = np.random.default_rng(0)
    step = np.where(random.random((samples, LENGTH)) < 0.9, 1, random.integers(0, VOCABULARY, (samples, LENGTH)))
    first = random.integers(0, VOCABULARY, (samples, 1))
    token = np.concatenate([first, first + step.cumsum(1)], 1) % VOCABULARY
    arrays = {"token": token.astype(np.int64)}
    manifest = {"dataset": "toy_letters", "source": "standin", "format": 1, "archive": {}}
    prepared.save(path, arrays, manifest | {"fingerprint": prepared.fingerprint(arrays)})


def load(path):
    """Read it."""
    arrays, manifest = prepared.load(path, {"token": (np.int64, 2)}, 1)
    return Letters(arrays["token"], manifest)
