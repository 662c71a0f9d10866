"""Guarded reading of text and JSON that somebody else may have written.

Whatever is wrong with such a file ends in a ``DataFileError`` that names the file and, where it is known, the line.
A file that is not there stays the system's ``FileNotFoundError``: callers know best what its absence means.
"""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ffrepro.base.errors import DataFileError

MAX_BYTES = 64 << 20
MAX_DEPTH = 100  # of lists and objects in each other; what this project writes has 6
_MAX_DIGITS = 19  # of a whole number: 64 bits
_FIX = "mend that file, or make it anew with the command that wrote it"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UNUSABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")  # NUL, half of a surrogate pair
_last_file: ContextVar[str | None] = ContextVar("last_file", default=None)


def note_file(path: str | Path) -> None:
    """Remember a file as the one being read, for the message about an error that nobody foresaw."""
    _last_file.set(str(path))


def last_file() -> str | None:
    """The file that was read last, None where none was."""
    return _last_file.get()


def read_text(path: str | Path, limit: int = MAX_BYTES) -> str:
    """The text of a UTF-8 file; a byte order mark is left out.

    Args:
        limit: most bytes that it may have.

    Raises:
        DataFileError: no regular file, too large, NUL bytes, or another encoding.
        FileNotFoundError: it is not there.
    """
    path = Path(path)
    note_file(path)
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        kind = "a folder" if stat.S_ISDIR(about.st_mode) else "a device or pipe"
        raise DataFileError(f"{path.name} is {kind}, no file", where=path, fix="name a file, or remove what is there")
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise DataFileError(f"{path.name} is larger than {limit:,} bytes", where=path, fix=_FIX)
    return decode(data, path)


def decode(data: bytes, where: object) -> str:
    """Bytes as UTF-8 text; a byte order mark is left out.

    Raises:
        DataFileError: NUL bytes, or another encoding.
    """
    if data.startswith(_UTF16):
        raise DataFileError("the text is UTF-16, not UTF-8", where=where, fix="save it as UTF-8")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise DataFileError("the text has NUL bytes: damaged, or not UTF-8", where=f"{where}:{line}", fix=_FIX)
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataFileError(
            f"the text is not UTF-8 (byte {data[error.start]:#04x})", where=f"{where}:{line}", fix="save it as UTF-8"
        ) from None


def parse_json(content: str | bytes, where: object, expected: type = dict) -> Any:
    """The JSON object in a text.

    Args:
        where: what the text is of, for messages.
        expected: of which type it must be: ``dict``, ``list``, or ``object`` for any.

    Raises:
        DataFileError: no JSON, no object, a key given twice, a number that no float64 or 64-bit integer holds, NaN,
            characters that no text can have, or nesting deeper than ``MAX_DEPTH``.
    """
    text = content if isinstance(content, str) else decode(content, where)
    return _parse(text, where, _STRICT, expected)


def parse_json_lines(content: str | bytes, where: object) -> list[dict[str, Any]]:
    """The objects of a text with one on each line, none of an empty text; a metric may be NaN or infinite.

    Raises:
        DataFileError: as ``parse_json``, with the line.
    """
    text = content if isinstance(content, str) else decode(content, where)
    lines = text.removesuffix("\n").split("\n") if text else []
    return [_parse(line, f"{where}:{number}", _LINES) for number, line in enumerate(lines, 1)]


def _parse(text: str, where: object, decoder: json.JSONDecoder, expected: type = dict) -> Any:
    if not text.strip():
        raise DataFileError("there is no JSON: nothing but white space", where=where, fix=_FIX)
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}" if "\n" in text.rstrip() else where
        raise DataFileError(f"not valid JSON: {error.msg} (column {error.colno})", where=place, fix=_FIX) from None
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:  # of the hooks below
        raise DataFileError(f"not usable JSON: {error}", where=where, fix=_FIX) from None
    if not isinstance(value, expected):
        wanted = "object" if expected is dict else "list"
        raise DataFileError(f"a JSON {wanted} was expected, not {_kind(value)}", where=where, fix=_FIX)
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _check_depth(value, where)
    if "\\u" in text and _UNUSABLE.search(text):
        _check_characters(value, where)
    return value


def _check_depth(value: Any, where: object) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise _too_deep(where)


def _check_characters(value: Any, where: object) -> None:
    """Refuse strings that no file can be called and no text file can hold.

    Half surrogates from U+DC80 on stand for the odd bytes of a file name that is no UTF-8: ``files`` writes them.
    """
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, dict | list):
            stack += _children(node)
            stack += node if isinstance(node, dict) else ()
        elif isinstance(node, str) and (
            "\0" in node or any("\ud800" <= letter < "\udc80" or "\udcff" < letter <= "\udfff" for letter in node)
        ):
            raise DataFileError(f"a text with unusable characters: {node[:40]!a}", where=where, fix=_FIX)


def _children(node: dict | list) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


def _too_deep(where: object) -> DataFileError:
    return DataFileError(f"nested more than {MAX_DEPTH} levels deep", where=where, fix=_FIX)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in value if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is given twice")
    return value


def _whole_number(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"the number {text[:20]}... has {len(text)} digits")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is beyond float64")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


_STRICT = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole_number, parse_float=_float, parse_constant=_no_constant
)
# Where infinity is allowed, no number needs a second look; most of what is read are lines of numbers.
_LINES = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number)
