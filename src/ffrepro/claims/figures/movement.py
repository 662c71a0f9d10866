"""The picture of ``ffrepro kinematics show``: path and speed, human and from the plan, strokes and duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from ffrepro.claims.figures.style import BASELINE, NEGATIVE, PALETTE, POSITIVE, STYLE, canvas, plain, png

if TYPE_CHECKING:  # the report's figures must load without torch
    from ffrepro.data.negatives.duplicates import Recorded
    from ffrepro.kinematics.extraction import Extracted
    from ffrepro.kinematics.reference import Reference

_LABELLED = 30  # peaks are numbered up to so many strokes


def draw(title: str, reference: Reference, found: Extracted, duplicates: list[Recorded], flip_y: bool) -> bytes:
    """A PNG: on the left the paths, on the right the speeds.

    Args:
        reference: the human movement. found: its plan. duplicates: made from it, drawn over the path.
        flip_y: y grows downwards, as on a screen.
    """
    import torch

    from ffrepro.kinematics.extraction import evaluate

    with mpl.rc_context(STYLE):
        velocity, position = (part.numpy() for part in evaluate(found.plan, torch.from_numpy(reference.t)))
        figure, axes = canvas(11, 4.6, 1, 2)
        figure.suptitle(plain(title), fontsize=10)
        path, speed = axes[0]
        _path(path, reference, position + found.start.numpy(), found, duplicates)
        if flip_y:
            path.invert_yaxis()
        _speed(speed, reference, velocity, found)
        return png(figure)


def _path(
    axes: Axes, reference: Reference, position_n2: np.ndarray, found: Extracted, duplicates: list[Recorded]
) -> None:
    from ffrepro.kinematics import lognormal

    for number, one in enumerate(duplicates):
        axes.plot(one.x, one.y, color=NEGATIVE, alpha=0.45, lw=0.8, label="" if number else "duplicates")
    axes.plot(*reference.position.T, color=BASELINE, lw=3.5, alpha=0.45, solid_capstyle="round", label="human")
    axes.plot(*position_n2.T, color=POSITIVE, lw=1.2, label="from its plan")
    peaks = lognormal.peak_time(found.plan).numpy()
    places = [np.interp(peaks, reference.t, position_n2[:, axis]) for axis in (0, 1)]
    for number, (x, y) in enumerate(zip(*places, strict=True)):
        axes.plot(x, y, "o", ms=4, color=_colour(number))
        if len(peaks) <= _LABELLED:
            axes.annotate(str(number + 1), (x, y), textcoords="offset points", xytext=(4, 3), fontsize=7)
    axes.set(aspect="equal", adjustable="datalim", xlabel="x", ylabel="y", title=f"SNRt {found.quality.snr_t:.1f} dB")
    axes.legend(loc="best")


def _speed(axes: Axes, reference: Reference, velocity_n2: np.ndarray, found: Extracted) -> None:
    import torch

    from ffrepro.kinematics import lognormal

    strokes = lognormal.speed(found.plan, torch.from_numpy(reference.t)).numpy()
    for number, stroke in enumerate(strokes):
        axes.fill_between(reference.t, stroke, color=_colour(number), alpha=0.18, lw=0)
        axes.plot(reference.t, stroke, color=_colour(number), lw=0.7)
    axes.plot(reference.t, np.hypot(*reference.velocity.T), color=BASELINE, lw=3.5, alpha=0.45, label="human")
    axes.plot(reference.t, np.hypot(*velocity_n2.T), color=POSITIVE, lw=1.2, label="from its plan")
    axes.set(xlabel="time, s", ylabel="speed, units/s", ylim=(0, None), title=f"SNRv {found.quality.snr_v:.1f} dB")
    axes.legend(loc="best")


def _colour(number: int) -> str:
    return PALETTE[number % len(PALETTE)]
