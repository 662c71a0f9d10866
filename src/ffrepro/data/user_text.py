"""The text of a user's file: packed or not, in UTF-8 or UTF-16."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from ffrepro.base.errors import FfreproError

LARGEST = 100_000_000  # bytes, unpacked: some three million points
_GZIP = b"\x1f\x8b"
_PROBE = 400  # bytes that tell UTF-16 without a byte order mark


def read(path: Path) -> str:
    """The text of a file; one that gzip has packed is unpacked.

    Raises:
        FfreproError: no such file, a folder, more than ``LARGEST`` bytes (unpacked), a damaged .gz, not a text.
    """
    try:
        content = _content(path)
    except FileNotFoundError:
        raise FfreproError("no such file", where=path, fix="give a CSV of x, y, t, or DATASET/NAME") from None
    except IsADirectoryError:
        raise FfreproError("a folder, not a file", where=path, fix="give one CSV of x, y, t in it") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FfreproError(f"a damaged .gz: {error}", where=path, fix="pack or copy the file again") from None
    if len(content) > LARGEST:
        raise FfreproError(
            f"more than {LARGEST:,} bytes",
            where=path,
            fix="200 points a second are enough: keep the header and, say, every tenth line: "
            f"awk 'NR == 1 || NR % 10 == 0' {path.name} > thin.csv",
        )
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise FfreproError("not a text file", where=path, fix="give a CSV of x, y, t, saved as UTF-8") from None
    return text


def _content(path: Path) -> bytes:
    """The bytes of the file, one more than ``LARGEST`` at most."""
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        if not packed:
            return file.read(LARGEST + 1)
        with gzip.GzipFile(fileobj=file) as inside:
            return inside.read(LARGEST + 1)


def _encoding(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    probe = content[:_PROBE]
    if probe and len(content) % 2 == 0:  # figures and commas in UTF-16: every other byte is 0
        if not any(probe[1::2]):
            return "utf-16-le"
        if not any(probe[::2]):
            return "utf-16-be"
    return "utf-8-sig"
