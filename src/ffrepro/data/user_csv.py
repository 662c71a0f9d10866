"""A movement of the user's own: a text file of x, y, t."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ffrepro.base.errors import FfreproError

_TIME = ("time", "t_ms")  # other names of the column t


def read(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, t, float64 (n,), of a text file with a point a line.

    Columns are separated by commas, semicolons, tabs or spaces. A first line that is no numbers names them; without
    it the first three are x, y, t. Whether the numbers are a movement is for ``ffrepro.kinematics.reference`` to say.

    Raises:
        FfreproError: no such file, a column is missing, a line that is no numbers.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FfreproError("no such file", where=path, fix="give a CSV of x, y, t, or DATASET/NAME") from None
    except UnicodeDecodeError:
        raise FfreproError("not a text file", where=path, fix="give a CSV of x, y, t") from None
    lines = [line.replace(",", " ").replace(";", " ").split() for line in text.splitlines()]
    numbered = [(number, fields) for number, fields in enumerate(lines, start=1) if fields]
    columns = [0, 1, 2]
    if numbered and not _numbers(numbered[0][1]):
        header = [field.strip("\"'").lower() for field in numbered.pop(0)[1]]
        header = ["t" if name in _TIME else name for name in header]
        missing = [name for name in "xyt" if name not in header]
        if missing:
            raise FfreproError(
                f"no column {', '.join(missing)}", where=f"{path}, line 1", fix="name the columns x, y, t (or time)"
            )
        columns = [header.index(name) for name in "xyt"]
    rows = []
    for number, fields in numbered:
        if len(fields) <= max(columns) or not _numbers([fields[column] for column in columns]):
            raise FfreproError(
                f"{' '.join(fields)[:60]!r} is no point", where=f"{path}, line {number}", fix="a point a line: x, y, t"
            )
        rows.append([float(fields[column]) for column in columns])
    x, y, t = np.array(rows, dtype=float).reshape(-1, 3).T
    return x, y, t


def _numbers(fields: list[str]) -> bool:
    try:
        [float(field) for field in fields]
    except ValueError:
        return False
    return True
