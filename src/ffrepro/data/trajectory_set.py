"""A prepared trajectory data set: its arrays, and how they are stored (``ffrepro.data.prepared``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffrepro.data import prepared

FORMAT = 1  # raise it when the arrays or their meaning change
HUMAN, SYNTHETIC = 1, 0  # labels
CLASSES = {"human": HUMAN, "synthetic": SYNTHETIC}

_ARRAYS = {
    "x": np.float64,
    "y": np.float64,
    "t": np.float64,
    "stroke": np.int16,
    "offsets": np.int64,
    "label": np.uint8,
    "subject": np.int32,
    "gesture": np.int32,
    "parent": np.int32,
}


@dataclass(frozen=True)
class TrajectorySet:
    """S trajectories with N points in all, human ones first, then synthetic ones, each sorted by name.

    Attributes:
        x, y: float64 (N,), in the set's own units.
        t: float64 (N,), ms, as recorded: steps may be 0 or negative.
        stroke: int16 (N,), stroke_id as recorded.
        offsets: int64 (S + 1,); sample i is ``offsets[i]:offsets[i + 1]``.
        label: uint8 (S,), 1 human, 0 synthetic.
        subject: int32 (S,), index in the sorted list of subjects.
        gesture: int32 (S,), index in ``manifest["gestures"]`` (alphabetical; all 0 where a set has one).
        parent: int32 (S,): a human sample and the synthetic ones made from it share it.
        names: S file names without folder and ending, NFC. Twins of the two classes may share a name.
        manifest: see ``ffrepro.data.trajectories.prepare``.
    """

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    stroke: np.ndarray
    offsets: np.ndarray
    label: np.ndarray
    subject: np.ndarray
    gesture: np.ndarray
    parent: np.ndarray
    names: list[str]
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def lengths(self) -> np.ndarray:
        """int64 (S,): points of each sample."""
        return np.diff(self.offsets)

    def verify(self) -> None:
        """Compare the arrays with the manifest's fingerprint.

        Raises:
            FfreproError: they differ.
        """
        prepared.verify(arrays_of(self), self.manifest)


def arrays_of(data: TrajectorySet) -> dict[str, np.ndarray]:
    """The arrays as they are stored: names become one uint8 array of newline-joined UTF-8."""
    arrays = {name: np.ascontiguousarray(getattr(data, name), dtype) for name, dtype in _ARRAYS.items()}
    arrays["names"] = np.frombuffer("\n".join(data.names).encode(), np.uint8)
    return arrays


def save(data: TrajectorySet, path: str | Path) -> None:
    """Write the arrays to ``path`` and ``data.manifest``, which holds their fingerprint, beside it."""
    prepared.save(path, arrays_of(data), data.manifest)


def load(path: str | Path, *, verify: bool = False) -> TrajectorySet:
    """Read a prepared data set.

    Args:
        path: the .npz; its manifest is beside it.
        verify: also compute the fingerprint and compare (costs a hash of all arrays).

    Raises:
        FfreproError: a file is missing, damaged, of another format version, or the two do not belong together.
    """
    kinds = {name: (dtype, 1) for name, dtype in _ARRAYS.items()}
    arrays, manifest = prepared.load(path, kinds | {"names": (np.uint8, 1)}, FORMAT)
    try:
        names = arrays.pop("names").tobytes().decode().split("\n")
        _check(arrays, len(names))
    except ValueError as error:
        raise prepared.damaged(path, error) from error
    data = TrajectorySet(**arrays, names=names, manifest=manifest)
    if verify:
        data.verify()
    return data


def _check(arrays: dict[str, np.ndarray], samples: int) -> None:
    """Raise ValueError where the arrays are not those of one set."""
    points, offsets = len(arrays["x"]), arrays["offsets"]
    for name, array in arrays.items():
        expected = points if name in ("x", "y", "t", "stroke") else samples + (name == "offsets")
        if len(array) != expected:
            raise ValueError(f"{name} has {len(array):,} values, expected {expected:,}")
    if offsets[0] != 0 or offsets[-1] != points or (np.diff(offsets) < 0).any():
        raise ValueError(f"the offsets do not divide {points:,} points")
