"""SHA256SUMS as people have it: GNU and BSD lines, any line end, UTF-8 or UTF-16 with a mark."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ffrepro.base.errors import FfreproError

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DIGITS = 64  # of a SHA-256
_GNU = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9A-Fa-f]+)[ \t]+\*?(?P<name>.+)")
_BSD = re.compile(r"(?P<escaped>\\?)(?P<kind>[A-Za-z0-9/-]+) ?\((?P<name>.+)\) ?= ?(?P<digest>[0-9A-Fa-f]+)")
_ESCAPES = {r"\\": "\\", r"\n": "\n", r"\r": "\r"}


def decode(content: bytes) -> str:
    """The text of a small file: UTF-16 where its mark says so, else UTF-8.

    Raises:
        ValueError: neither, or an HTML page.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"not a text in UTF-8 (byte {error.start})") from None
    if "\0" in text:
        raise ValueError("not a text in UTF-8 (it has zero bytes)")
    if is_html(content):
        raise ValueError("an HTML page")
    return text


def is_html(content: bytes) -> bool:
    """Whether a file begins as an HTML page does: servers send one in place of a file that they do not have."""
    begin = content[:256].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    return begin.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml"))


def begins_as_html(path: Path) -> bool:
    """``is_html`` of a file."""
    with open(path, "rb") as file:
        return is_html(file.read(256))


def digest_of(file: str, content: bytes, where: str) -> str | None:
    """The SHA-256 that a listing states for a file, in lower case; None where it does not list the file.

    Args:
        content: of SHA256SUMS. where: its place, for errors.

    Raises:
        FfreproError: no listing of SHA-256 sums, or one that states two of them for the file.
    """
    try:
        text = decode(content)
    except ValueError as error:
        raise _unusable(str(error), where) from None
    found, strange = set(), None
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _GNU.fullmatch(line) or _BSD.fullmatch(line)
        if match is None:
            strange = strange or f"line {number} is {line[:60]!r}"
        elif _name(match) == file:
            kind, digest = match.groupdict().get("kind") or "SHA256", match["digest"]
            if kind.upper().replace("-", "") != "SHA256" or len(digest) != _DIGITS:
                raise _unusable(f"line {number} has {len(digest)} digits for {file}, not the {_DIGITS} of one", where)
            found.add(digest.lower())
    if len(found) > 1:
        raise _unusable(f"it states two different sums for {file}", where)
    if not found and strange:
        raise _unusable(strange, where)
    return found.pop() if found else None


def _name(match: re.Match) -> str:
    name = match["name"].strip()
    if match["escaped"]:
        name = re.sub(r"\\.", lambda escape: _ESCAPES.get(escape[0], escape[0]), name)
    return name.removeprefix("./")


def _unusable(what: str, where: str) -> FfreproError:
    return FfreproError(
        f"no listing of SHA-256 sums: {what}",
        where=where,
        fix="write it anew in the mirror's folder: sha256sum * > SHA256SUMS",
    )
