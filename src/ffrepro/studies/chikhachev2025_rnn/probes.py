"""Facts about the data that claims of this paper are checked with; each a function of a prepared set's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ffrepro.data import npz
from ffrepro.data.trajectory_set import HUMAN

_TOUR = 8  # the movements of a sample, by the paper
_NEAR = 0.1  # of a sample's extent


def decimals(path: Path) -> float:
    """Share of trajectories that one rule tells apart: human if no coordinate has more than two decimals."""
    stored = npz.load(path, ("x", "y", "offsets", "label"), fix=f"run again: ffrepro prepare {path.stem}")
    on_grid = np.ones(len(stored["x"]), bool)
    for axis in ("x", "y"):
        hundredths = stored[axis] * 100
        on_grid &= np.abs(hundredths - np.round(hundredths)) < 1e-6
    human = np.logical_and.reduceat(on_grid, stored["offsets"][:-1])
    return round(float((human == (stored["label"] == 1)).mean()), 3)


def movements(path: Path) -> float:
    """Median over the human samples of the strokes that a recording is cut into."""
    return float(np.median([len(ends) for ends in _stroke_ends(path)]))


def tours(path: Path) -> float:
    """Share of the human samples of two tours whose strokes of the second end where those of the first do.

    A sample of two tours has twice ``_TOUR`` strokes. Ends are the same place if they are no further apart than
    ``_NEAR`` of the sample's extent, the diagonal of the box around its ends.
    """
    pairs = [ends.reshape(2, _TOUR, 2) for ends in _stroke_ends(path) if len(ends) == 2 * _TOUR]
    same = [
        np.hypot(*(second - first).T).max() <= _NEAR * np.hypot(*np.ptp(np.concatenate([first, second]), axis=0))
        for first, second in pairs
    ]
    return round(float(np.mean(same)), 3) if same else 0.0


def _stroke_ends(path: Path) -> list[np.ndarray]:
    """(strokes, 2) of every human sample: where each of its strokes ends."""
    names = ("x", "y", "stroke", "offsets", "label")
    stored = npz.load(path, names, fix=f"run again: ffrepro prepare {path.stem}")
    found = []
    for i in np.flatnonzero(stored["label"] == HUMAN):
        own = slice(stored["offsets"][i], stored["offsets"][i + 1])
        last = np.append(np.flatnonzero(np.diff(stored["stroke"][own])), -1)
        found.append(np.stack([stored["x"][own][last], stored["y"][own][last]], axis=1))
    return found
