"""Reading archives member by member, without ever writing a path that the archive chose.

Nothing here extracts to disk; names are refused all the same where they could lead out of a folder, because an
archive that holds such a name has been tampered with or is not the one it claims to be.
"""

from __future__ import annotations

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ffrepro.base.errors import FfreproError

_CORRUPT = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError)
_DRAIN = 1 << 20


def members(path: str | Path, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, bytes]]:
    """Yield ``(name, content)`` of the regular files of a .tar, .tar.gz or .zip archive, in stream order.

    Args:
        path: the archive; its type is read from its first bytes.
        wanted: which names to read. Unwanted members are still checked for safety.

    Raises:
        FfreproError: the file is missing, truncated or corrupt, or a member is unsafe (absolute, ``..``, a link, a
            device).
    """
    path = Path(path)
    if not path.is_file():
        raise FfreproError("the archive is not there", where=path, fix="fetch it first: ffrepro fetch --help")
    with open(path, "rb") as file:
        magic = file.read(4)
    try:
        if magic.startswith(b"PK"):
            yield from _zip_members(path, wanted)
        else:
            yield from _tar_members(path, wanted, gzipped=magic.startswith(b"\x1f\x8b"))
    except _CORRUPT as error:
        raise FfreproError(
            f"the archive is truncated or corrupt ({error})", where=path, fix="delete this file and fetch it again"
        ) from error


def _tar_members(path: Path, wanted: Callable[[str], bool], *, gzipped: bool) -> Iterator[tuple[str, bytes]]:
    with gzip.open(path) if gzipped else open(path, "rb") as stream:
        # Not the "r|" mode: its reader takes a gzip stream's end for granted and misses a cut-off tail.
        with tarfile.open(fileobj=stream, mode="r:", encoding="utf-8") as tar:
            for member in tar:
                _check_name(path, member.name)
                if member.isdir():
                    continue
                if not member.isreg():
                    kind = "a link" if member.islnk() or member.issym() else "a device or another special file"
                    raise _unsafe(path, member.name, f"is {kind}")
                if wanted(member.name):
                    yield member.name, tar.extractfile(member).read()
            end_of_members = tar.offset
        # The tar format ends with zero blocks; without one, the file was cut between two members. Reading on
        # to the end also makes gzip compare its checksum.
        while stream.read(_DRAIN):
            pass
        if stream.tell() < end_of_members + tarfile.BLOCKSIZE:
            raise EOFError("the end-of-archive marker is missing")


def _zip_members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            _check_name(path, info.filename)
            mode = info.external_attr >> 16  # the Unix mode where a Unix tool made the archive, else 0
            if stat.S_ISLNK(mode):
                raise _unsafe(path, info.filename, "is a link")
            if not info.is_dir() and wanted(info.filename):
                yield info.filename, archive.read(info)


def _check_name(path: Path, name: str) -> None:
    """Refuse absolute names and names with ``..``, whichever slash they use."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if name.startswith(("/", "\\")) or (parts and parts[0].endswith(":")):
        raise _unsafe(path, name, "has an absolute path")
    if ".." in parts:
        raise _unsafe(path, name, "leads out of its folder with '..'")


def _unsafe(path: Path, name: str, why: str) -> FfreproError:
    return FfreproError(
        f"unsafe archive: member {name!r} {why}",
        where=path,
        fix="do not use this file; delete it and fetch it from a source you trust",
    )
