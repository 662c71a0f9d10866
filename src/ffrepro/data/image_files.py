"""The upstream formats of image sets: idx files (MNIST) and the archives of Python pickles of CIFAR-10 and CIFAR-100.

Both are read with numpy: torchvision's classes read the same formats, from unpacked files only, take for granted that
these are upstream's byte for byte (which a mirror's copy or a stand-in is not), answer damage with an assertion, and
unpickle whatever a file asks for. They are the oracle of the tests.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import unpack

_UBYTE = 8  # idx: the type byte of unsigned bytes, the only one in use here
_MAX_NOTE = 1 << 16  # bytes of a JSON file beside the batches
_MAX_VALUES = 1 << 29  # of an idx file; MNIST's largest has 47 million


@dataclass(frozen=True)
class CifarLayout:
    """Which member of a CIFAR archive is what.

    Attributes:
        train: the batches of the training part, in upstream's order. test: that of the test part. meta: class names.
        labels, names: the keys of the labels in a batch, and of their names in ``meta``.
        coarse, coarse_names: those of the superclasses; None where there are none.
    """

    train: tuple[str, ...]
    test: str
    meta: str
    labels: str
    names: str
    coarse: str | None = None
    coarse_names: str | None = None


CIFAR_LAYOUTS = {
    "cifar": CifarLayout(
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        meta="batches.meta",
        labels="labels",
        names="label_names",
    ),
    "cifar100": CifarLayout(
        train=("train",),
        test="test",
        meta="meta",
        labels="fine_labels",
        names="fine_label_names",
        coarse="coarse_labels",
        coarse_names="coarse_label_names",
    ),
}


def damaged(path: Path, what: str) -> FfreproError:
    """The error of an archive that cannot be used."""
    return FfreproError(
        f"{path.name}: {what}",
        where=path,
        fix="delete this file and its .json, and fetch it again: ffrepro fetch --help",
    )


def read_idx(path: str | Path, dims: int) -> np.ndarray:
    """The array in a gzipped idx file of unsigned bytes.

    Format (LeCun's MNIST page): two zero bytes, a type byte, the number of dimensions, then each dimension as a
    big-endian 32-bit count, then the values, the last dimension fastest.

    Args:
        path: the .gz file.
        dims: dimensions it must have: 3 for images (N, H, W), 1 for labels (N,).

    Raises:
        FfreproError: not gzip, truncated, or another magic number or size than the header promises.
    """
    path = Path(path)
    header, expected = 4 + 4 * dims, bytes([0, 0, _UBYTE, dims])
    try:
        with gzip.open(path) as file:
            head = file.read(header)
            if head[:4] != expected:
                raise damaged(path, f"magic number {head[:4].hex() or 'missing'}, expected {expected.hex()}")
            if len(head) < header:
                raise damaged(path, f"ends in its header, after {len(head)} bytes")
            shape = struct.unpack(f">{dims}I", head[4:])
            count, stated = math.prod(shape), " x ".join(map(str, shape))
            if count > _MAX_VALUES:
                raise damaged(path, f"the header promises {stated} values, more than the {_MAX_VALUES:,} of any set")
            content = file.read(count + 1)  # one more, to see whether the file ends there
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise damaged(path, f"truncated or corrupt ({error})") from error
    if len(content) != count:
        found = f"{len(content):,} values{' or more' if len(content) > count else ''}"
        raise damaged(path, f"{found}, but the header promises {stated}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_cifar(path: str | Path, shape: tuple[int, int, int], layout: CifarLayout) -> dict[str, Any]:
    """The batches of an archive of pickles, ``cifar-10-python.tar.gz`` or ``cifar-100-python.tar.gz``.

    Args:
        path: the archive.
        shape: (C, H, W) of an image; a row of a batch holds it channel by channel.
        layout: see ``CIFAR_LAYOUTS``.

    Returns:
        ``train`` and ``test``: (images (N, C, H, W), labels (N,)) as uint8 and int64; ``classes``: their names;
        ``superclasses``: None, or ``names`` and ``of``, the index of each class's own; ``notes``: JSON files that a
        mirror put beside the batches, by name.

    Raises:
        FfreproError: a truncated or corrupt archive, a missing or broken batch, a class in two superclasses.
    """
    path = Path(path)
    members = (*layout.train, layout.test)
    wanted = {*members, layout.meta}
    batches, notes = {}, {}
    for member, content in unpack.members(path, lambda name: _base(name) in wanted or name.endswith(".json")):
        name = _base(member)
        if name in batches or name in notes:
            raise damaged(path, f"it has {name} in two folders")
        if name in wanted:
            batches[name] = _unpickle(path, name, content)
        elif len(content) <= _MAX_NOTE:
            notes[name] = _json(path, name, content)
    missing = sorted(wanted - set(batches))
    if missing:
        raise damaged(path, f"the archive lacks {', '.join(missing)}")
    parts = {name: _batch(path, name, batches[name], shape, layout.labels) for name in members}
    return {
        "train": tuple(np.concatenate(arrays) for arrays in zip(*(parts[name] for name in layout.train), strict=True)),
        "test": parts[layout.test],
        "classes": _names(path, batches, layout.meta, layout.names),
        "superclasses": _superclasses(path, batches, layout) if layout.coarse else None,
        "notes": notes,
    }


def _names(path: Path, batches: dict[str, dict], meta: str, key: str) -> list[str]:
    names = batches[meta].get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise damaged(path, f"{meta} has no list of {key}")
    return names


def _superclasses(path: Path, batches: dict[str, dict], layout: CifarLayout) -> dict[str, Any]:
    names = _names(path, batches, layout.meta, layout.coarse_names)
    classes = len(_names(path, batches, layout.meta, layout.names))
    of: dict[int, int] = {}
    for name in (*layout.train, layout.test):
        fine, coarse = (
            _labels(path, name, batches[name], layout.labels),
            _labels(path, name, batches[name], layout.coarse),
        )
        if len(fine) != len(coarse):
            raise damaged(path, f"{name}: {len(fine):,} {layout.labels} and {len(coarse):,} {layout.coarse}")
        for label, above in zip(fine, coarse, strict=True):
            if of.setdefault(label, above) != above:
                raise damaged(path, f"{name}: class {label} is in the superclasses {of[label]} and {above}")
    wrong = [label for label in range(classes) if not 0 <= of.get(label, -1) < len(names)]
    if wrong:
        raise damaged(path, f"class {wrong[0]} is in none of the {len(names)} superclasses")
    return {"names": names, "of": [of[label] for label in range(classes)]}


def _base(member: str) -> str:
    return PurePosixPath(member).name


def _json(path: Path, name: str, content: bytes) -> Any:
    try:
        value = json.loads(content)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # a manifest has to keep it
        return value
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"{name} is not JSON ({error})") from error


class _ArraysOnly(pickle.Unpickler):
    """An unpickler that can make plain values and numpy arrays: a pickle may otherwise call any function."""

    _ALLOWED = {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")} | {
        (f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no batch needs")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickle(path: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        value = _ArraysOnly(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise damaged(path, f"{name} is not a usable pickle ({error})") from error
    if not isinstance(value, dict):
        raise damaged(path, f"{name} holds {type(value).__name__}, not a dictionary")
    return value


def _labels(path: Path, name: str, batch: dict, key: str) -> list[int]:
    labels = batch.get(key)
    if not isinstance(labels, list) or not all(isinstance(label, int) and abs(label) < 256 for label in labels):
        raise damaged(path, f"{name}: {key} are not a list of whole numbers below 256")
    return labels


def _batch(path: Path, name: str, batch: dict, shape: tuple[int, int, int], key: str) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = batch.get("data"), _labels(path, name, batch, key)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (math.prod(shape),):
        found = f"{rows.dtype} {rows.shape}" if isinstance(rows, np.ndarray) else type(rows).__name__
        raise damaged(path, f"{name}: data is {found}, expected uint8 (N, {math.prod(shape)})")
    if len(rows) != len(labels):
        raise damaged(path, f"{name}: {len(rows):,} images and {len(labels):,} labels")
    return rows.reshape(-1, *shape), np.array(labels, np.int64)
