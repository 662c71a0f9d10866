"""One trajectory file: header, five numeric columns, nothing else.

Format (the paper's repository): ``stroke_id, x, y, time, is_writing`` with time in ms and is_writing always 1.
Columns are separated by one space ($1) or by a tab and a space (the other sets).
"""

from __future__ import annotations

import numpy as np

COLUMNS = ("stroke_id", "x", "y", "time", "is_writing")
MIN_POINTS = 3  # the fewest points that have an acceleration
MAX_POINTS = 200_000  # 300 s at 600 Hz; no sample here has a twentieth of it
_INT16_MAX = np.iinfo(np.int16).max


class BadSample(ValueError):
    """Why one file cannot be used; the text names the line where there is one."""


def parse(content: bytes, separator: str) -> np.ndarray:
    """The numbers of one file.

    Args:
        content: the file's bytes.
        separator: what stands between two column names in the header.

    Returns:
        float64 (n, 4): stroke_id, x, y, time in ms. is_writing is checked and left out.

    Raises:
        BadSample: the file is empty, has another header, a broken row, a number that is not finite, fewer than
            ``MIN_POINTS`` rows, more than ``MAX_POINTS``, or a pen-up row.
    """
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadSample(f"not a text file (byte {error.start} is not ASCII)") from None
    header, _, body = text.partition("\n")
    if not text.strip():
        raise BadSample("empty file")
    if header.rstrip("\r ") != separator.join(COLUMNS):
        raise BadSample(f"line 1: header {header[:60]!r}, expected {separator.join(COLUMNS)!r}")
    lines = body.splitlines()
    if not body.strip():
        raise BadSample("no rows after the header")
    if len(lines) > MAX_POINTS:
        raise BadSample(f"{len(lines):,} rows, more than {MAX_POINTS:,}")
    try:
        rows = np.loadtxt(lines, dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        rows = None
    if rows is None or rows.shape[1] != len(COLUMNS):
        raise BadSample(_broken_row(lines))
    _check_values(rows)
    return rows[:, :4]


def _check_values(rows: np.ndarray) -> None:
    """Raise BadSample for rows (n, 5) that parse and are still no trajectory."""
    if not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0]
        raise BadSample(f"row {row + 1}: {COLUMNS[column]} is {rows[row, column]}")
    if len(rows) < MIN_POINTS:
        raise BadSample(f"{len(rows)} points, fewer than {MIN_POINTS}")
    if (rows[:, 4] != 1).any():
        raise BadSample(f"row {np.argmax(rows[:, 4] != 1) + 1}: is_writing is not 1")
    stroke = rows[:, 0]
    if (stroke != np.rint(stroke)).any() or np.abs(stroke).max() > _INT16_MAX:
        raise BadSample("stroke_id is not a small whole number")


def _broken_row(lines: list[str]) -> str:
    """What is wrong with the first row that numpy refused; counted as an editor counts, the header being line 1."""
    for number, line in enumerate(lines, start=2):
        fields = line.split()
        if fields and len(fields) != len(COLUMNS):
            return f"line {number}: {len(fields)} columns, expected {len(COLUMNS)}"
        for field in fields:
            try:
                float(field)
            except ValueError:
                return f"line {number}: {field!r} is not a number"
    return "rows that are not numbers"
