"""Where the pen of a user's recording is up: by what its columns of pen and pressure say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ROLES = ("pen", "pen up", "pressure")
_MOST = 0.5  # recordings of people have the pen down in most rows
_OTHERWISE = {
    "pen": "if 0 means down there, name the column pen_up",
    "pen up": "if 1 means down there, name the column pen",
    "pressure": "if 0 does not mean up there, give the column another name",
}


def up(columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """bool (n,): the rows in which pen or pressure says that the pen is up, and warnings.

    A column by which the pen is never down says nothing: a device without pressure writes 0 in every row.

    Args:
        columns: (n,) each, by role; roles other than ``ROLES`` are passed over. NaN, an empty field, says nothing.
    """
    out, notes = np.zeros(len(next(iter(columns.values()))), bool), []
    for role in ROLES:
        if role not in columns:
            continue
        values = columns[role]
        lifted = values > 0 if role == "pen up" else values <= 0
        if role == "pressure" and (values < 0).any():  # standardised, say
            notes.append("pressure is negative in some rows: not used")
        elif not len(values):
            continue
        elif lifted.all():
            notes.append(f"{role} says in every row that the pen is up: not used")
        else:
            out |= lifted
            if lifted.mean() > _MOST:
                rows = f"{lifted.sum():,} of {len(lifted):,} rows"
                notes.append(f"{role} says in {rows} that the pen is up: {_OTHERWISE[role]}")
    return out, notes
