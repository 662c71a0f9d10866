"""Facts about the data that claims of this paper are checked with; each a function of a prepared set's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ffrepro.data import npz


def decimals(path: Path) -> float:
    """Share of trajectories that one rule tells apart: human if no coordinate has more than two decimals."""
    stored = npz.load(path, ("x", "y", "offsets", "label"), fix=f"run again: ffrepro prepare {path.stem}")
    on_grid = np.ones(len(stored["x"]), bool)
    for axis in ("x", "y"):
        hundredths = stored[axis] * 100
        on_grid &= np.abs(hundredths - np.round(hundredths)) < 1e-6
    human = np.logical_and.reduceat(on_grid, stored["offsets"][:-1])
    return round(float((human == (stored["label"] == 1)).mean()), 3)
