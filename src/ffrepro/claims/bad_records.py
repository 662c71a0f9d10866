"""Which records a report left out as bad: beside the report, so that a later step can fail without losing it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.files import read_json, write_json

FILE = "bad_records.json"


def write(folder: Path, found: Iterable[tuple[str, str]]) -> None:
    """Write the runs, each with its reason, into a report's folder."""
    entries = [{"run": run, "reason": reason} for run, reason in found]
    write_json(folder / FILE, {"schema": 1, "bad_records": entries})


def read(folder: Path) -> list[tuple[str, str]]:
    """The runs that the report in a folder left out, each with its reason.

    Raises:
        FfreproError: there is no report.
        DataFileError: the file is not what ``write`` leaves.
    """
    path = folder / FILE
    fix = f"ffrepro report --scale {folder.name}"
    if not path.is_file():
        raise FfreproError(f"no report at scale {folder.name}", where=folder, fix=fix)
    match read_json(path):
        case {"bad_records": [*entries]} if all(map(_is_whole, entries)):
            return [(entry["run"], entry["reason"]) for entry in entries]
    raise DataFileError("this is no list of runs with their reasons", where=path, fix=fix)


def _is_whole(entry: object) -> bool:
    match entry:
        case {"run": str(), "reason": str()}:
            return True
    return False
