"""Confusion matrices of the test set: a picture for each experiment and data set, a panel for each net."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.classifiers import Group, groups
from ffrepro.claims.figures.style import Drawn, Scene, canvas, inscribe, plain, say
from ffrepro.claims.records import Evidence


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """Predictions under the first of the spec's ``inference`` schemes that a net has, all runs together."""
    return [_draw(scene, spec, group) for group in groups(scene)]


def matrix(label_S: np.ndarray, prediction_S: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes): true class by row, predicted by column."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (label_S.astype(int), prediction_S.astype(int)), 1)
    return counts


def worst(counts_JJ: np.ndarray) -> tuple[int, int] | None:
    """The most frequent mistake: (true class, predicted class); None where there is no mistake."""
    mistakes = counts_JJ - np.diag(np.diag(counts_JJ))
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    return (int(true), int(predicted)) if mistakes.any() else None


def _draw(scene: Scene, spec: dict, group: Group) -> Drawn:
    figure, axes = canvas(3.3 * len(group.found) + 0.6, 3.4, 1, len(group.found))
    rows: list[list[str]] = []
    shown = " or ".join(spec["inference"])
    for ax, (variant, evidence) in zip(axes[0], group.found.items(), strict=True):
        ax.set_title(plain(scene.label(variant)))
        counts = next((c for scheme in spec["inference"] if (c := _counts(evidence, scheme)) is not None), None)
        if counts is None:
            say(ax, f"no predictions of {shown}")
            continue
        names = spec.get("classes", {}).get(group.dataset) or [str(c) for c in range(len(counts))]
        _panel(ax, counts, names)
        rows += _rows(scene.label(variant), counts, names)
    text = (
        f"Share of each true class (row, in percent) that was taken for each class (column), {shown} "
        "inference, all runs together."
    )
    table = Table(["Net", "Class", "Images", "Error", "Most often taken for"], rows, frozenset({2, 3}))
    return group.drawn(scene, spec, figure, text, [table] if rows else [])


def _counts(evidence: Evidence, inference: str) -> np.ndarray | None:
    """Summed over runs; None where no run kept such predictions."""
    name = f"test_prediction_{inference}"
    kept = [arrays for record in evidence.records if name in (arrays := record.arrays())]
    if not kept:
        return None
    classes = 1 + max(int(max(arrays["test_label"].max(), arrays[name].max())) for arrays in kept)
    return sum(matrix(arrays["test_label"], arrays[name], classes) for arrays in kept)


def _panel(ax: Axes, counts_JJ: np.ndarray, names: list[str]) -> None:
    share_JJ = 100 * counts_JJ / np.maximum(counts_JJ.sum(1, keepdims=True), 1)
    # Right answers would outshine everything: the colours are for the mistakes.
    mistakes = np.where(np.eye(len(names), dtype=bool), np.nan, share_JJ)
    top = max(float(np.nanmax(mistakes)), 1e-9)
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=top)
    for (row, column), value in np.ndenumerate(share_JJ):
        if value >= 0.05:
            weight = "bold" if row == column else "normal"
            text = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
            colour = "white" if row != column and value > 0.6 * top else "black"
            inscribe(ax, column, row, text, fontsize=5.5, fontweight=weight, color=colour)
    ticks = range(len(names))
    ax.set_xticks(ticks, names, fontsize=6.5, rotation=90 if len(names[0]) > 2 else 0)
    ax.set_yticks(ticks, names, fontsize=6.5)
    ax.set(xlabel="predicted", ylabel="true")
    ax.grid(False)


def _rows(net: str, counts_JJ: np.ndarray, names: list[str]) -> list[list[str]]:
    rows = []
    for index, name in enumerate(names):
        total, right = int(counts_JJ[index].sum()), int(counts_JJ[index, index])
        only = np.zeros_like(counts_JJ)
        only[index] = counts_JJ[index]
        mistake = worst(only)
        error = 100 * (1 - right / total) if total else float("nan")
        rows.append([net, name, str(total), formats.number(error, 2), names[mistake[1]] if mistake else formats.DASH])
    return rows
