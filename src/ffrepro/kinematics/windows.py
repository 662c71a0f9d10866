"""Cut a long movement into windows of bounded size.

The cost of a least-squares step grows with the cube of the strokes in it, and strokes a second apart have nothing to
do with each other. A long movement is therefore solved window by window: each window owns the strokes that peak in
it, sees the others as given, and has data a little beyond its own ends. Windows of two interleaved cuts take turns, so
that what lies on a border of one cut is in the middle of a window of the other.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LONGEST = 1.28  # s: shorter movements are one window
_OWN = 0.96  # s, about: what a window of a longer movement owns
_MARGIN = 0.12  # s of data on either side of it
_BEFORE, _AFTER = 5, 8  # widths from its peak at which a stroke has no speed left; skewed ones end late


class Window(NamedTuple):
    """Attributes: owns strokes that peak in [begin, end), s; has data at the samples first .. last - 1."""

    begin: float
    end: float
    first: int
    last: int


def cuts(samples: int, step: float) -> int:
    """How many cuts a movement has: 1 where it is one window, else 2."""
    return 1 if samples * step <= LONGEST else 2


def windows(samples: int, step: float, cut: int) -> list[Window]:
    """The windows of one of the cuts, in order.

    Args:
        samples: of the movement. step: s between them. cut: its number, modulo ``cuts``.
    """
    if cuts(samples, step) == 1:
        return [Window(-math.inf, math.inf, 0, samples)]
    count = math.ceil(samples * step / _OWN)
    borders = np.arange(1, count) if cut % 2 == 0 else np.arange(count) + 0.5
    inner = np.rint(borders * samples / count).astype(int)
    margin = round(_MARGIN / step)
    ends = [-math.inf, *(inner * step), math.inf]
    first, last = np.r_[0, inner - margin], np.r_[inner + margin, samples]
    return [
        Window(begin, end, max(int(a), 0), min(int(b), samples))
        for begin, end, a, b in zip(ends[:-1], ends[1:], first, last, strict=True)
    ]


def owned(window: Window, peaks_K: np.ndarray) -> np.ndarray:
    """Indices of the strokes that the window owns."""
    return np.flatnonzero((peaks_K >= window.begin) & (peaks_K < window.end))


def context(window: Window, peaks_K: np.ndarray, widths_K: np.ndarray, step: float) -> np.ndarray:
    """Indices of the strokes that it does not own and that may have speed in its data.

    Args:
        peaks_K, widths_K: t3 and w of the strokes, s (``ffrepro.kinematics.parameters``).
    """
    near = (peaks_K + _AFTER * widths_K > window.first * step) & (peaks_K - _BEFORE * widths_K < window.last * step)
    return np.flatnonzero(near & ((peaks_K < window.begin) | (peaks_K >= window.end)))
