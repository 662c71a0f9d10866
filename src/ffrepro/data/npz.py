"""Reading .npz files that anybody may have written: plain arrays of bounded size, or a reason.

numpy's own reader takes the sizes that a file declares on trust, gives what it has where a name is there twice, and
does not look at what follows an array.
"""

from __future__ import annotations

import errno
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

from ffrepro.base.errors import FfreproError

LARGEST = 1 << 33  # bytes of all arrays
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class Damaged(ValueError):
    """Why a file is no usable .npz."""


def read(path: str | Path | BinaryIO, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an .npz, without ever unpickling.

    Args:
        path: of the file, or the file.
        names: only these, which must be there; None: all.

    Raises:
        Damaged: no zip file, an array is missing, there twice, broken or larger than ``LARGEST``.
        OSError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as file:
            infos = {info.filename.removesuffix(".npy"): info for info in file.infolist()}
            if len(infos) < len(file.infolist()):
                raise Damaged("an array is there twice")
            if sum(info.file_size for info in infos.values()) > LARGEST:
                raise Damaged(f"its arrays have more than {LARGEST:,} bytes")
            wanted = list(infos if names is None else names)
            missing = [name for name in wanted if name not in infos]
            if missing:
                raise Damaged(f"it lacks {', '.join(missing)}")
            return {name: _array(file, infos[name], name) for name in wanted}
    except Damaged:
        raise
    except Exception as error:  # a damaged zip file or header raises nearly anything
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise Damaged(f"{type(error).__name__}: {error}") from error


def load(path: str | Path, names: Iterable[str] | None = None, *, fix: str) -> dict[str, np.ndarray]:
    """``read`` for files that a user can do something about.

    Raises:
        FfreproError: damaged; ``fix`` says what to do.
    """
    try:
        return read(path, names)
    except Damaged as error:
        raise FfreproError(f"the arrays are damaged ({error})", where=path, fix=fix) from error


def _array(file: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> np.ndarray:
    with file.open(info) as member:
        declared = _declared(member, name)
    if declared > info.file_size:
        raise Damaged(f"{name} declares {declared:,} bytes and has {info.file_size:,}")
    with file.open(info) as member:
        array = npy.read_array(member, allow_pickle=False)
        if member.read(1):  # at the end, zipfile also compares its checksum
            raise Damaged(f"something follows the values of {name}")
    return array


def _declared(member: BinaryIO, name: str) -> int:
    """Bytes that the header promises."""
    version = npy.read_magic(member)
    if version not in _HEADERS:
        raise Damaged(f"{name} is of npy format {version}")
    shape, _, dtype = _HEADERS[version](member)
    return math.prod(shape) * dtype.itemsize


def require(arrays: Mapping[str, np.ndarray], kinds: Mapping[str, tuple[type, int]]) -> None:
    """Make sure that arrays are of the kinds (dtype, dimensions) that a file format has.

    Raises:
        Damaged: one is not.
    """
    for name, (dtype, dims) in kinds.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != dims:
            expected = f"{np.dtype(dtype)} of {dims} dimensions"
            raise Damaged(f"{name} is {array.dtype} of shape {array.shape}, expected {expected}")
