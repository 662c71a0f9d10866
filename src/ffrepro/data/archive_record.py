"""The record beside an archive, ``<file>.json``: where it came from and how it differs from upstream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ffrepro.base import files

_TEXTS = ("archive", "file", "source", "from", "location", "sha256", "provenance")


def path_of(archive: Path) -> Path:
    """Where an archive's record is."""
    return archive.with_name(archive.name + ".json")


def read(path: Path) -> dict[str, Any]:
    """The record in a file.

    Raises:
        ValueError: not the JSON object that ``fetch`` writes.
    """
    record = files.read_json(path)
    if not isinstance(record, dict):
        raise ValueError(f"a {type(record).__name__}, not an object")
    wrong = [name for name in _TEXTS if not isinstance(record.get(name), str)]
    if wrong or not isinstance(record.get("bytes"), int):
        raise ValueError(f"it has no usable {(wrong or ['bytes'])[0]!r}")
    return record
