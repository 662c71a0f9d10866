"""Reading archives member by member, without ever writing a path that the archive chose.

Nothing here extracts to disk; names are refused all the same where they could lead out of a folder, because an
archive that holds such a name has been tampered with or is not the one it claims to be. Sizes are limited before
anything is read: what an archive declares, and what a compressed stream delivers, may be any number.
"""

from __future__ import annotations

import errno
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from ffrepro.base.errors import FfreproError

ENDINGS = (".tar", ".tar.gz", ".tgz", ".zip")  # of names of archives that can be read here
LARGEST_MEMBER = 1 << 29  # bytes; a batch of CIFAR-100 has 154 million
LARGEST_TOTAL = 1 << 33  # bytes, unpacked
MOST_MEMBERS = 500_000

_CORRUPT = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError,
    ValueError, LookupError, OverflowError, NotImplementedError, RecursionError, MemoryError,
)  # fmt: skip
_READABLE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_ENCRYPTED = 1  # the flag of a zip member
_DRAIN = 1 << 20


class Unreadable(FfreproError):
    """An archive that is damaged, unsafe, too large, or made in a way that cannot be read."""


def members(
    path: str | Path, wanted: Callable[[str], bool] = lambda name: True, *, folders: bool = True
) -> Iterator[tuple[str, bytes]]:
    """Yield ``(name, content)`` of the regular files of a .tar, .tar.gz or .zip archive, in stream order.

    Args:
        path: the archive; its type is read from its first bytes.
        wanted: which names to read. Unwanted members are still checked for safety.
        folders: whether the archive may have folders of their own, which are passed over.

    Raises:
        Unreadable: the file is truncated or corrupt, a member is unsafe (absolute, ``..``, a link, a device), there
            twice, encrypted, sparse or packed by an unknown method, or there is more than the limits above allow.
        FfreproError: the file is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FfreproError("the archive is not there", where=path, fix="fetch it first: ffrepro fetch --help")
    with open(path, "rb") as file:
        magic = file.read(4)
    try:
        if magic.startswith(b"PK"):
            yield from _zip_members(path, wanted, folders)
        else:
            yield from _tar_members(path, wanted, folders, gzipped=magic.startswith(b"\x1f\x8b"))
    except _TooMuch as error:
        raise _refused(path, str(error)) from error
    except (*_CORRUPT, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's, not the archive's
            raise
        raise Unreadable(
            f"the archive is truncated or corrupt ({error})", where=path, fix="delete this file and fetch it again"
        ) from error


def check(path: Path) -> None:
    """Read an archive to its end.

    Raises:
        Unreadable: as ``members`` does.
    """
    for _ in members(path, lambda name: False):
        raise AssertionError("nothing was wanted")


class _TooMuch(Exception):
    """More than the limits allow."""


class _Bounded:
    """A stream for tarfile that ends in ``_TooMuch`` instead of reading beyond the limits."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if size > LARGEST_MEMBER:
            raise _TooMuch(f"it declares a piece of {size:,} bytes; at most {LARGEST_MEMBER:,} are read")
        data = self._stream.read(size)
        self._within(self.tell())
        return data

    def seek(self, offset: int) -> int:
        self._within(offset)
        return self._stream.seek(offset)

    def _within(self, offset: int) -> None:
        if offset > LARGEST_TOTAL:
            raise _TooMuch(f"it unpacks to more than {LARGEST_TOTAL:,} bytes")


class _Names:
    """The members seen so far: not too many, and none twice."""

    def __init__(self, path: Path):
        self._path, self._seen = path, set()

    def add(self, name: str) -> None:
        plain = str(PurePosixPath(name))
        if plain in self._seen:
            raise _refused(self._path, f"member {name!r} is there twice")
        self._seen.add(plain)
        if len(self._seen) > MOST_MEMBERS:
            raise _TooMuch(f"it has more than {MOST_MEMBERS:,} members")


def _tar_members(
    path: Path, wanted: Callable[[str], bool], folders: bool, *, gzipped: bool
) -> Iterator[tuple[str, bytes]]:
    names = _Names(path)
    with gzip.open(path) if gzipped else open(path, "rb") as file:
        stream = _Bounded(file)
        # Not the "r|" mode: its reader takes a gzip stream's end for granted and misses a cut-off tail.
        with tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # they would pile up
                _check_name(path, member.name)
                if member.isdir():
                    _check_folder(path, member.name, folders)
                    continue
                names.add(member.name)
                if not member.isreg():
                    kind = "a link" if member.islnk() or member.issym() else "a device or another special file"
                    raise _unsafe(path, member.name, f"is {kind}")
                if member.issparse():
                    raise _refused(path, f"member {member.name!r} is sparse, which is not read here")
                if wanted(member.name):
                    _check_size(member.name, member.size)
                    yield member.name, tar.extractfile(member).read()
            end_of_members = tar.offset
        # The tar format ends with zero blocks; without one, the file was cut between two members. Reading on
        # to the end also makes gzip compare its checksum.
        while stream.read(_DRAIN):
            pass
        if stream.tell() < end_of_members + tarfile.BLOCKSIZE:
            raise EOFError("the end-of-archive marker is missing")


def _zip_members(path: Path, wanted: Callable[[str], bool], folders: bool) -> Iterator[tuple[str, bytes]]:
    names, total = _Names(path), 0
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            _check_name(path, info.filename)
            mode = info.external_attr >> 16  # the Unix mode where a Unix tool made the archive, else 0
            if stat.S_ISLNK(mode):
                raise _unsafe(path, info.filename, "is a link")
            if info.is_dir():
                _check_folder(path, info.filename, folders)
                continue
            names.add(info.filename)
            if info.flag_bits & _ENCRYPTED:
                raise _refused(path, f"member {info.filename!r} is encrypted")
            if info.compress_type not in _READABLE:
                raise _refused(path, f"member {info.filename!r} is packed by an unknown method ({info.compress_type})")
            total += info.file_size
            if total > LARGEST_TOTAL:
                raise _TooMuch(f"it unpacks to more than {LARGEST_TOTAL:,} bytes")
            if wanted(info.filename):
                _check_size(info.filename, info.file_size)
                yield info.filename, archive.read(info)


def _check_size(name: str, size: int) -> None:
    if size > LARGEST_MEMBER:
        raise _TooMuch(f"member {name!r} declares {size:,} bytes; at most {LARGEST_MEMBER:,} are read")


def _check_folder(path: Path, name: str, allowed: bool) -> None:
    if not allowed:
        raise _refused(path, f"{name!r} is a folder, which such an archive does not have")


def _check_name(path: Path, name: str) -> None:
    """Refuse absolute names and names with ``..``, whichever slash they use."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")):
        raise _unsafe(path, name, "has an absolute path")
    if ".." in parts:
        raise _unsafe(path, name, "leads out of its folder with '..'")


def _unsafe(path: Path, name: str, why: str) -> Unreadable:
    return Unreadable(
        f"unsafe archive: member {name!r} {why}",
        where=path,
        fix="do not use this file; delete it and fetch it from a source you trust",
    )


def _refused(path: Path, what: str) -> Unreadable:
    return Unreadable(
        f"unusable archive: {what}",
        where=path,
        fix="delete this file and fetch it again, from another source if it stays so",
    )
