"""Filters of the first layer as small images: a picture for each experiment and data set, nets above their twins.

Records keep them (``training.filters``); one run is shown, since filters of different runs have nothing in common that
a mean would keep.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.classifiers import Group, groups, keeping
from ffrepro.claims.figures.style import Drawn, Scene, canvas, plain, say
from ffrepro.claims.records import Evidence

ARRAY, OF, CLASS = "filters", "filters_of", "filters_class"
SIDE = 12  # pixels that a tile has at least, so that the gaps between small ones stay narrow
GAP = 2
TOP = 0.98  # quantile of a filter's sizes: where a label stands in the image, its few weights would drown the others
_HEADER = ["Net", "Filters shown", "Of", "Size", "Root mean square", "Largest"]


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """The lowest seed's filters; nothing where no run kept any."""
    kept = [keeping(group, ARRAY) for group in groups(scene)]
    return [_draw(scene, spec, _first_runs(group)) for group in kept if group.found]


def tiles(filters_FCHW: np.ndarray) -> np.ndarray:
    """Images (F, H, W, 3) in 0..1: a weight of zero is mid-grey; what ``TOP`` of a filter's weights do not exceed is
    full, and so is what lies beyond.

    Three channels become red, green and blue, one becomes grey.
    """
    weights = filters_FCHW.astype(np.float64)
    top_F = np.quantile(np.abs(weights).reshape(len(weights), -1), TOP, axis=1)
    scaled = np.clip(weights / np.where(top_F > 0, top_F, 1.0)[:, None, None, None], -1, 1)
    count, _, high, wide = weights.shape
    return np.broadcast_to(0.5 + 0.5 * scaled.transpose(0, 2, 3, 1), (count, high, wide, 3))


def rows_of(count: int, class_F: np.ndarray | None) -> list[np.ndarray]:
    """Which filters stand in which line: a class's in one line, or all in a square."""
    if class_F is not None:
        return [np.flatnonzero(class_F == label) for label in np.unique(class_F)]
    return np.split(np.arange(count), np.arange(0, count, int(np.ceil(count**0.5)))[1:])


def mosaic(tiles_FHW3: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    """One image (H', W', 3) of all tiles, white between them."""
    zoom = max(1, -(-SIDE // tiles_FHW3.shape[1]))
    large = tiles_FHW3.repeat(zoom, 1).repeat(zoom, 2)
    high, wide = (side + GAP for side in large.shape[1:3])
    out = np.ones((len(rows) * high - GAP, max(map(len, rows)) * wide - GAP, 3))
    for line, members in enumerate(rows):
        for column, member in enumerate(members):
            y, x = line * high, column * wide
            out[y : y + high - GAP, x : x + wide - GAP] = large[member]
    return out


def _first_runs(group: Group) -> Group:
    def first(found: dict[str, Evidence]) -> dict[str, Evidence]:
        return {variant: Evidence(evidence.records[:1]) for variant, evidence in found.items()}

    return replace(group, found=first(group.found), twins=first(group.twins))


def _draw(scene: Scene, spec: dict, group: Group) -> Drawn:
    lines = 2 if group.twins else 1
    figure, axes = canvas(2.3 * len(group.found) + 0.8, 3.1 * lines + 0.2, lines, len(group.found))
    rows: list[list[str]] = []
    for column, (variant, evidence) in enumerate(group.found.items()):
        names = spec.get("classes", {}).get(group.dataset)
        rows.append(_panel(axes[0, column], scene.label(variant), evidence, names))
        if lines > 1 and variant in group.twins:
            twin = scene.claims.twin(variant)
            rows.append(_panel(axes[1, column], scene.label(twin), group.twins[variant], names))
        elif lines > 1:
            say(axes[1, column], "no run of its twin kept filters")
            axes[1, column].spines[:].set_visible(False)
    text = (
        "Weights of the first layer as they were learnt, without the normalisation of its input. Grey is zero, the "
        "largest 2 % of each filter's weights are full; three channels are red, green and blue. A line is the group "
        "of a class where the method has groups. Of a large layer, some units at equal distances. One run of each."
    )
    return group.drawn(scene, spec, figure, text, [Table(_HEADER, rows, frozenset({1, 2, 4, 5}))])


def _panel(ax: Axes, label: str, evidence: Evidence, names: list[str] | None) -> list[str]:
    arrays = evidence.records[0].arrays()
    filters, class_F = arrays[ARRAY], arrays.get(CLASS)
    lines = rows_of(len(filters), class_F)
    image = mosaic(tiles(filters), lines)
    ax.imshow(image, interpolation="nearest")
    ax.set_title(plain(label))
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if class_F is not None:
        step = (len(image) + GAP) / len(lines)
        words = [names[c] if names else str(c) for c in np.unique(class_F)]
        ax.set_yticks([step * line + (step - GAP - 1) / 2 for line in range(len(lines))], words, fontsize=6.5)
        ax.tick_params(length=0)
    weights = filters.astype(np.float64)
    size = " x ".join(map(str, filters.shape[1:]))
    square, top = np.sqrt(np.square(weights).mean()), np.abs(weights).max()
    return [label, str(len(filters)), str(int(arrays[OF])), size, f"{square:.3g}", f"{top:.3g}"]
