"""A movement of the user's own: a text file of x, y, t."""

from __future__ import annotations

import csv
from array import array
from itertools import chain
from pathlib import Path

import numpy as np

from ffrepro.base.errors import FfreproError

LARGEST = 100_000_000  # bytes: some three million points
_TIME = ("time", "t_ms")  # other names of the column t
_SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", None: "spaces"}  # in the order they are looked for


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, t, float64 (n,), of a text file with a point a line.

    The first line says what separates the columns of all lines: semicolons where it has one, else commas, tabs or
    spaces. Only beside semicolons may a number have a decimal comma. A first line that does not begin with three
    numbers names the columns; without it the first three are x, y, t. Fields may stand in quotes, those of other
    columns may be empty. Whether the numbers are a movement is for ``ffrepro.kinematics.reference`` to say.

    Raises:
        FfreproError: no such file, one of more than ``LARGEST`` bytes, a column is missing, a line that is no point.
    """
    numbered = enumerate(_text(path).splitlines(), start=1)
    lines = ((number, line) for number, line in numbered if line.strip(" \t,;"))
    begin = next(lines, None)
    if begin is None:
        return np.empty(0), np.empty(0), np.empty(0)
    separator = next(one for one in _SEPARATORS if one is None or one in begin[1])
    first = _split(begin[1], separator)
    columns = [0, 1, 2]
    if len(first) < 3 or any(_number(field, separator) is None for field in first[:3]):
        columns = _columns(first, separator, f"{path}, line {begin[0]}")
    else:
        lines = chain([begin], lines)
    values = array("d")  # a list of a million points would take ten times as much
    for number, line in lines:
        values.extend(_point(line, separator, len(first), columns, f"{path}, line {number}"))
    x, y, t = np.array(values).reshape(-1, 3).T
    return x, y, t


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise FfreproError(
                f"more than {LARGEST:,} bytes",
                where=path,
                fix="200 points a second are enough: keep the header and, say, every tenth line: "
                f"awk 'NR == 1 || NR % 10 == 0' {path.name} > thin.csv",
            )
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise FfreproError("no such file", where=path, fix="give a CSV of x, y, t, or DATASET/NAME") from None
    except IsADirectoryError:
        raise FfreproError("a folder, not a file", where=path, fix="give one CSV of x, y, t in it") from None
    except UnicodeDecodeError:
        raise FfreproError("not a text file", where=path, fix="give a CSV of x, y, t, saved as UTF-8") from None


def _split(line: str, separator: str | None) -> list[str]:
    if separator is None:
        fields = line.split()
    else:
        try:
            (fields,) = csv.reader([line], delimiter=separator, skipinitialspace=separator != "\t")
        except csv.Error:  # longer than any field may be
            fields = [line]
    return [field.strip().strip("\"'") for field in fields]


def _number(field: str, separator: str | None) -> float | None:
    try:
        return float(field.replace(",", ".") if separator == ";" else field)
    except ValueError:
        return None


def _columns(first: list[str], separator: str | None, where: str) -> list[int]:
    """Where x, y, t are in a header."""
    header = ["t" if name.lower() in _TIME else name.lower() for name in first]
    missing = [name for name in "xyt" if name not in header]
    if missing:
        raise FfreproError(
            f"no column {', '.join(missing)} among {', '.join(map(repr, first[:8]))}",
            where=f"{where} (separated by {_SEPARATORS[separator]})",
            fix=f"name the columns x, y, t (or time), or begin with a point: {_fix(separator)}",
        )
    return [header.index(name) for name in "xyt"]


def _point(line: str, separator: str | None, width: int, columns: list[int], where: str) -> list[float]:
    """x, y, t of a line."""
    fields = _split(line, separator)
    # Spaces leave no empty field behind: a line with fewer columns may lack any of them.
    if any(fields[width:]) or (separator is None and len(fields) < width):
        what = f"{line.strip()[:60]!r} has {len(fields)} columns, the first line {width}"
        raise FfreproError(what, where=where, fix=_fix(separator))
    fields += [""] * (width - len(fields))
    out = []
    for name, column in zip("xyt", columns, strict=True):
        value = _number(fields[column], separator)
        if value is None:
            found = f"{fields[column][:30]!r} is no number" if fields[column] else "is empty"
            raise FfreproError(f"{line.strip()[:60]!r}: {name} {found}", where=where, fix=_fix(separator))
        out.append(value)
    return out


def _fix(separator: str | None) -> str:
    decimal = "" if separator == ";" else "; a file with decimal commas needs semicolons"
    return f"a point a line, x, y, t separated by {_SEPARATORS[separator]} as in the first line{decimal}"
