"""16 summary numbers of a detector's own input: what a trivial classifier gets to see of it.

They are taken from the sequences that a net is given, cut where the net's are cut, so that a trivial classifier has
nothing that the net has not. An empty sequence has zeros.
"""

from __future__ import annotations

import numpy as np

from ffrepro.data.features import Sequences, by_length

_OF_CHANNEL = ("mean", "std", "min", "max", "change", "zeros")
NAMES = (
    "steps",  # time steps that are data
    *(f"{channel}_{name}" for channel in ("first", "second") for name in _OF_CHANNEL),  # change: mean |difference|
    *(f"norm_{name}" for name in ("mean", "std", "max")),  # of the two channels' Euclidean norm
)


def table(s: Sequences, length: int) -> np.ndarray:
    """float64 (S, 16): the summary numbers of every sequence's first ``length`` steps, in the order of ``NAMES``."""
    out = np.zeros((len(s.lengths), len(NAMES)))
    lengths = np.minimum(s.lengths, length)
    out[:, 0] = lengths
    by_length(s, lengths, _of_length, out[:, 1:])
    return out


def _of_length(values_KN2: np.ndarray) -> np.ndarray:
    """(K, 15) of K sequences of one length."""
    columns = []
    for channel in range(2):
        x_KN = values_KN2[..., channel]
        change = np.abs(np.diff(x_KN, axis=1)).mean(1) if x_KN.shape[1] > 1 else np.zeros(len(x_KN))
        columns += [x_KN.mean(1), x_KN.std(1), x_KN.min(1), x_KN.max(1), change, (x_KN == 0).mean(1)]
    norm = np.hypot(values_KN2[..., 0], values_KN2[..., 1])
    return np.stack([*columns, norm.mean(1), norm.std(1), norm.max(1)], axis=1)
