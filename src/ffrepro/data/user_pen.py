"""Where the pen of a user's recording is up: by what its columns of pen and pressure say."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

ROLES = ("pen", "pen up", "pressure")


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
        elif len(values) and lifted.all():
            notes.append(f"{role} says in every row that the pen is up: not used")
        else:
            out |= lifted
    return out, notes
