"""Goodness of each class by true class: a picture for each experiment and data set, a row of panels for each net.

A panel is a layer. Its rows are true classes, its columns the classes that the goodness speaks for: groups of channels,
or labels put into the image (``core.classification.goodness_by_class``). Each row is divided by its mean, since layers,
and images of different classes, differ in how strongly they answer at all.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.classifiers import Group, groups, keeping
from ffrepro.claims.figures.style import Drawn, Scene, canvas, inscribe, plain
from ffrepro.claims.records import Evidence

ARRAY = "test_goodness_by_class"
_HEADER = ["Net", "Layer", "Own class", "Other classes", "Ratio", "Own class first", "Strongest other"]


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """Means over runs; nothing where no run kept its goodness."""
    kept = [keeping(group, ARRAY) for group in groups(scene)]
    return [_draw(scene, spec, group) for group in kept if group.found]


def relative(goodness_JJ: np.ndarray) -> np.ndarray:
    """Each row divided by its mean: 1 is what a layer that knows nothing gives to every class."""
    mean_J1 = goodness_JJ.mean(1, keepdims=True)
    return np.divide(goodness_JJ, mean_J1, out=np.ones_like(goodness_JJ), where=mean_J1 != 0)


def strongest_other(relative_JJ: np.ndarray) -> tuple[int, int]:
    """(true class, class) of the largest entry beside the diagonal, rows without samples left aside."""
    others = np.where(np.eye(len(relative_JJ), dtype=bool) | np.isnan(relative_JJ), -np.inf, relative_JJ)
    true, other = np.unravel_index(others.argmax(), others.shape)
    return int(true), int(other)


def _draw(scene: Scene, spec: dict, group: Group) -> Drawn:
    by_net = {variant: _mean(evidence) for variant, evidence in group.found.items()}
    layers = max(len(goodness_LJJ) for goodness_LJJ in by_net.values())
    # High enough that its width limits a square panel: the layout cuts titles off where it is the other way round.
    high = 3.9 if group.dataset in spec.get("classes", {}) else 3.4
    figure, axes = canvas(2.5 * layers + 1.1, high * len(by_net), len(by_net), layers)
    rows: list[list[str]] = []
    for line, (variant, goodness_LJJ) in zip(axes, by_net.items(), strict=True):
        names = spec.get("classes", {}).get(group.dataset) or [str(c) for c in range(goodness_LJJ.shape[1])]
        for layer, ax in enumerate(line):
            if layer < len(goodness_LJJ):
                ax.set_title(plain(f"{scene.label(variant)}, layer {layer + 1}"))
                _panel(ax, relative(goodness_LJJ[layer]), names, first=layer == 0)
                rows.append([scene.label(variant), str(layer + 1), *_row(goodness_LJJ[layer], names)])
            else:
                ax.axis("off")
    text = (
        "Mean goodness of the test images of each true class (row) for each class (column): of its group of channels "
        "or, in the original algorithm, with its label put in. Divided by the row's mean, so that 1 is no preference; "
        "each panel has its own colours, white to blue from its least to its largest value. Mean over runs. In the "
        "table, goodness as it is; last but one column: classes whose own goodness is the largest of their row."
    )
    table = Table(_HEADER, rows, frozenset(range(1, 6)))
    return group.drawn(scene, spec, figure, text, [table])


def _mean(evidence: Evidence) -> np.ndarray:
    """(L, J, J) over the runs; they share the test images."""
    return np.mean([record.arrays()[ARRAY] for record in evidence.records], axis=0, dtype=np.float64)


def _panel(ax: Axes, relative_JJ: np.ndarray, names: list[str], *, first: bool) -> None:
    low, high = float(np.nanmin(relative_JJ)), float(np.nanmax(relative_JJ))
    ax.imshow(relative_JJ, cmap="Blues", vmin=low, vmax=high)
    digits = 2 if high - low > 0.1 else 3
    for (row, column), value in np.ndenumerate(relative_JJ):
        if not np.isnan(value):
            weight = "bold" if row == column else "normal"
            text = f"{value:.1f}" if value >= 10 else f"{value:.{digits}f}"
            colour = "white" if value - low > 0.6 * (high - low) else "black"
            inscribe(ax, column, row, text, fontsize=4.5, fontweight=weight, color=colour)
    ticks = range(len(names))
    ax.set_xticks(ticks, names, fontsize=6, rotation=90 if len(names[0]) > 2 else 0)
    ax.set_yticks(ticks, names if first else [""] * len(names), fontsize=6)
    ax.set_xlabel("goodness for", fontsize=7.5)
    if first:
        ax.set_ylabel("true class", fontsize=7.5)
    ax.grid(False)


def _row(goodness_JJ: np.ndarray, names: list[str]) -> list[str]:
    diagonal = np.eye(len(names), dtype=bool)
    own, others = float(np.nanmean(goodness_JJ[diagonal])), float(np.nanmean(goodness_JJ[~diagonal]))
    seen = ~np.isnan(goodness_JJ).any(1)
    first = goodness_JJ[seen].argmax(1) == np.flatnonzero(seen)
    relative_JJ = relative(goodness_JJ)
    true, other = strongest_other(relative_JJ)
    return [
        f"{own:.3g}", f"{others:.3g}", formats.number(own / others if others else float("nan"), 3),
        f"{first.sum()} of {seen.sum()}", f"{names[other]} for {names[true]} ({relative_JJ[true, other]:.2f})",
    ]  # fmt: skip
