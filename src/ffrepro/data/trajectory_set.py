"""A prepared trajectory data set: arrays, the file they live in, and their fingerprint.

The file is an uncompressed .npz of plain arrays beside a manifest of the same name with .json. The fingerprint is
taken over the arrays only, so that it does not depend on how or when the file was written.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffrepro.base import files
from ffrepro.base.errors import FfreproError

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
        found = fingerprint(arrays_of(self))
        if found != self.manifest["fingerprint"]:
            raise FfreproError(
                f"the prepared data changed: fingerprint {found[:12]}, manifest {self.manifest['fingerprint'][:12]}",
                where=f"data set {self.manifest['dataset']} ({self.manifest['source']})",
                fix=_prepare_again(self.manifest),
            )


def arrays_of(data: TrajectorySet) -> dict[str, np.ndarray]:
    """The arrays as they are stored: names become one uint8 array of newline-joined UTF-8."""
    arrays = {name: np.ascontiguousarray(getattr(data, name), dtype) for name, dtype in _ARRAYS.items()}
    arrays["names"] = np.frombuffer("\n".join(data.names).encode(), np.uint8)
    return arrays


def fingerprint(arrays: Mapping[str, np.ndarray]) -> str:
    """Hex SHA-256 over the arrays' names, dtypes, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def save(data: TrajectorySet, path: str | Path) -> None:
    """Write the arrays to ``path`` and ``data.manifest`` beside it, each atomically, the manifest last.

    ``data.manifest["fingerprint"]`` must be that of the arrays; it is also stored in the .npz, so that a pair whose
    second half was never written is noticed.
    """
    path = Path(path)
    stamp = np.frombuffer(data.manifest["fingerprint"].encode(), np.uint8)
    with files.atomic_writer(path) as file:
        np.savez(file, **arrays_of(data), fingerprint=stamp)
    files.write_json(path.with_suffix(".json"), data.manifest)


def load(path: str | Path, *, verify: bool = False) -> TrajectorySet:
    """Read a prepared data set.

    Args:
        path: the .npz; its manifest is beside it.
        verify: also compute the fingerprint and compare (costs a hash of all arrays).

    Raises:
        FfreproError: a file is missing, damaged, of another format version, or the two do not belong together.
    """
    path = Path(path)
    manifest_path = path.with_suffix(".json")
    for needed in (path, manifest_path):
        if not needed.is_file():
            raise FfreproError(
                f"no prepared data set {path.stem!r}", where=needed, fix=f"prepare it: ffrepro prepare {path.stem}"
            )
    try:
        manifest = files.read_json(manifest_path)
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in (*_ARRAYS, "names", "fingerprint")}
        version, stamp = manifest["format"], manifest["fingerprint"]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise FfreproError(
            f"the prepared data set is damaged ({error})", where=path, fix=f"run again: ffrepro prepare {path.stem}"
        ) from error
    if version != FORMAT:
        raise FfreproError(
            f"prepared in format {version}, this version reads {FORMAT}", where=path, fix=_prepare_again(manifest)
        )
    if arrays.pop("fingerprint").tobytes().decode() != stamp:
        raise FfreproError(
            "the prepared arrays and their manifest come from two different runs",
            where=f"{path} and {manifest_path.name}",
            fix=_prepare_again(manifest),
        )
    names = arrays.pop("names").tobytes().decode().split("\n")
    data = TrajectorySet(**arrays, names=names, manifest=manifest)
    if verify:
        data.verify()
    return data


def _prepare_again(manifest: Mapping[str, Any]) -> str:
    return f"run again: ffrepro prepare {manifest.get('dataset')} --source {manifest.get('source')}"
