"""Atomic files and hashes.

A file is either the old one or the new one, never half of each: text and bytes are written beside the
target, flushed to the disk and renamed over it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ffrepro.base.reading import parse_json, parse_json_lines, read_text


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Give an error of a write its file's name: a full disk is noticed by write() and fsync(), which know none."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_writer(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces ``path`` when the block ends well, and vanishes when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        error.filename = str(path)
        raise
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp gives 0600: other users of a shared checkout could not read it
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        # a full disk is noticed by write(), which names no file; the temporary one's name says nothing to a user
        if isinstance(error, OSError) and error.filename in (None, temporary):
            error.filename, error.filename2 = str(path), None
        raise


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_writer(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    write_bytes(path, _utf8(text))


def write_text_if_changed(path: str | Path, text: str) -> bool:
    """Write ``text`` unless the file already holds it; True if written. Keeps time stamps of unchanged files."""
    path = Path(path)
    if path.is_file() and path.read_bytes() == _utf8(text):
        return False
    write_text(path, text)
    return True


def _utf8(text: str) -> bytes:
    """Text as bytes. Of a file name that is no UTF-8 the odd bytes become ``\\udce9``: JSON reads them back."""
    return text.encode("utf-8", "backslashreplace")


def append_text(path: str | Path, text: str) -> None:
    """Append UTF-8 ``text`` to a file. A process that is killed, or a full disk, may leave half of it."""
    with _naming(path), open(path, "ab") as file:
        file.write(_utf8(text))


def flush(path: str | Path) -> None:
    """Make sure that a file's content is on the disk."""
    with _naming(path), open(path, "rb") as file:
        os.fsync(file.fileno())


def copy(source: str | Path, target: str | Path) -> None:
    """Copy a file's content to ``target`` atomically."""
    with open(source, "rb") as content, atomic_writer(target) as file:
        shutil.copyfileobj(content, file)


def dump_json(value: Any) -> str:
    """JSON as this project writes it: indented, in the given key order, NaN refused, newline at the end."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as JSON atomically."""
    write_text(path, dump_json(value))


def read_json(path: str | Path, expected: type = dict) -> Any:
    """Read a JSON file that holds an object, or a value of another type.

    Raises:
        DataFileError: it cannot be read as one, see ``ffrepro.base.reading``.
        FileNotFoundError: it is not there.
    """
    return parse_json(read_text(path), path, expected)


def read_json_lines(path: str | Path) -> list[dict[str, Any]]:
    """Read a file with a JSON object on each line.

    Raises:
        DataFileError: it cannot be read as one, with the line.
        FileNotFoundError: it is not there.
    """
    return parse_json_lines(read_text(path), path)


def sha256_bytes(data: bytes) -> str:
    """Hex SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:
    """Hex SHA-256 of a JSON value, independent of key order."""
    return sha256_bytes(_utf8(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)))


def sha256_file(path: str | Path) -> str:
    """Hex SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
