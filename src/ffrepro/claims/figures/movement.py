"""The picture of ``ffrepro kinematics show``: path and speed, human and from the plan, strokes and duplicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from ffrepro.claims.figures.style import BASELINE, NEGATIVE, PALETTE, POSITIVE, STYLE, canvas, plain, png

if TYPE_CHECKING:  # the report's figures must load without torch
    from ffrepro.data.negatives.duplicates import Recorded
    from ffrepro.kinematics.extraction import Extracted
    from ffrepro.kinematics.reference import Reference

_LABELLED = 30  # peaks are numbered up to so many strokes
_POINTS = 4000  # of a curve, at most: several for every pixel, and for 20 s every sample
_STROKE_POINTS = 60
_STROKE_REACH = 4.0  # a stroke's speed is exp(-z^2 / 2) of its peak at z sigmas in ln t: at 4 of them, 0.0003


def draw(title: str, reference: Reference, found: Extracted, duplicates: list[Recorded], flip_y: bool) -> bytes:
    """A PNG: on the left the paths, on the right the speeds.

    Args:
        reference: the human movement. found: its plan. duplicates: made from it, drawn over the path.
        flip_y: y grows downwards, as on a screen.
    """
    with mpl.rc_context(STYLE):
        return png(picture(title, reference, found, duplicates, flip_y))


def picture(title: str, reference: Reference, found: Extracted, duplicates: list[Recorded], flip_y: bool) -> Figure:
    """The figure that ``draw`` writes. What it holds is bounded, however long the movement and its plan are."""
    import torch

    from ffrepro.kinematics.extraction import evaluate

    rows = _thin(len(reference.t))
    t = reference.t[rows]
    velocity, position = (part.numpy() for part in evaluate(found.plan, torch.from_numpy(t)))
    figure, axes = canvas(11, 4.6, 1, 2)
    figure.suptitle(plain(title), fontsize=10)
    path, speed = axes[0]
    _path(path, reference.position[rows], t, position + found.start.numpy(), found, duplicates)
    if flip_y:
        path.invert_yaxis()
    _speed(speed, reference.velocity[rows], t, velocity, found)
    figure.legend(*path.get_legend_handles_labels(), loc="outside lower center", ncols=3)  # "best" looks at all points
    return figure


def _thin(count: int) -> np.ndarray:
    """Which of so many points are drawn, the first and the last always."""
    return np.arange(count) if count <= _POINTS else np.linspace(0, count - 1, _POINTS).round().astype(int)


def _path(
    axes: Axes, human_n2: np.ndarray, t: np.ndarray, position_n2: np.ndarray, found: Extracted,
    duplicates: list[Recorded],
) -> None:  # fmt: skip
    from ffrepro.kinematics import lognormal

    for number, one in enumerate(duplicates):
        rows = _thin(len(one.x))
        label = "" if number else "duplicates"
        axes.plot(one.x[rows], one.y[rows], color=NEGATIVE, alpha=0.45, lw=0.8, label=label)
    axes.plot(*human_n2.T, color=BASELINE, lw=3.5, alpha=0.45, solid_capstyle="round", label="human")
    axes.plot(*position_n2.T, color=POSITIVE, lw=1.2, label="from its plan")
    peaks = lognormal.peak_time(found.plan).numpy()
    x, y = (np.interp(peaks, t, position_n2[:, axis]) for axis in (0, 1))
    axes.scatter(x, y, s=16, color=_colours(len(peaks)), zorder=2.5)
    if len(peaks) <= _LABELLED:
        for number, place in enumerate(zip(x, y, strict=True), start=1):
            axes.annotate(str(number), place, textcoords="offset points", xytext=(4, 3), fontsize=7)
    axes.set(aspect="equal", adjustable="datalim", xlabel="x", ylabel="y", title=f"SNRt {found.quality.snr_t:.1f} dB")


def _speed(axes: Axes, human_n2: np.ndarray, t: np.ndarray, velocity_n2: np.ndarray, found: Extracted) -> None:
    curves = _strokes(found, t[-1])
    colours = _colours(len(curves))
    axes.add_collection(PolyCollection(curves, facecolors=colours, alpha=0.18, lw=0))
    axes.add_collection(LineCollection(curves[:, 1:-1], colors=colours, lw=0.7))
    axes.plot(t, np.hypot(*human_n2.T), color=BASELINE, lw=3.5, alpha=0.45, label="human")
    axes.plot(t, np.hypot(*velocity_n2.T), color=POSITIVE, lw=1.2, label="from its plan")
    axes.set(xlabel="time, s", ylabel="speed, units/s", ylim=(0, None), title=f"SNRv {found.quality.snr_v:.1f} dB")


def _strokes(found: Extracted, seconds: float) -> np.ndarray:
    """Time and speed of every stroke where it has any within the recording, (K, points, 2), from 0 to 0."""
    import torch

    from ffrepro.kinematics import lognormal

    plan = found.plan
    reach = _STROKE_REACH * plan.sigma
    middle = plan.mu - plan.sigma.square()  # the speed is a bell over ln(t - t0) about its peak
    begin, end = ((plan.t0 + torch.exp(middle + side)).clamp(0, seconds) for side in (-reach, reach))
    part = torch.linspace(0, 1, _STROKE_POINTS, dtype=begin.dtype)
    t = begin[:, None] + (end - begin)[:, None] * part
    one_by_one = lognormal.Plan(*(field[:, None] for field in plan))
    speed = lognormal.speed(one_by_one, t)[:, 0]
    curves = torch.stack([t, speed], -1)
    ends = torch.stack([curves[:, :1], curves[:, -1:]])
    ends[..., 1] = 0
    return torch.cat([ends[0], curves, ends[1]], 1).numpy()


def _colours(count: int) -> list[str]:
    return [PALETTE[number % len(PALETTE)] for number in range(count)]
