"""AUC against how hard the negatives are: detectors and trivial classifiers, with the human-against-human control."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ffrepro.claims.compare import scale_pick
from ffrepro.claims.figures.style import BASELINE, PALETTE, Drawn, Scene, canvas, caption, plain, png, say
from ffrepro.core import statistics as st
from ffrepro.studies.chikhachev2025_rnn import difficulty
from ffrepro.studies.chikhachev2025_rnn.difficulty import Difficulty

_CLASSIFIERS = PALETTE[3:]  # of methods that are no variants of the paper
_CONTROL = "#d9d9d9"
_SPREAD = 0.28  # of the methods side by side at one level


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """A panel for each data set of the scale; nothing where the scale plans none of these runs."""
    if not difficulty.planned(scene.claims, scene.store, scene.scale):
        return []
    found = difficulty.build(scene.claims, scale_pick(scene.store, scene.scale))
    datasets = found.datasets
    figure, axes = canvas(3.6 * max(len(datasets), 1) + 0.8, 3.4, 1, max(len(datasets), 1), sharey=True)
    if not datasets:
        say(axes[0, 0], f"no runs at scale {scene.scale}")
    for ax, dataset in zip(axes[0], datasets):
        _panel(scene, ax, found, dataset)
    if datasets:
        axes[0, 0].set_ylabel("test AUC")
        handles: dict[str, object] = {}
        for ax in axes[0]:
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        figure.legend(handles.values(), handles.keys(), loc="outside right upper")
    parts = ["Bars: 95 % t interval of the mean over seeds, where there are two or more, cut at 1."]
    if any(key[1] == "human" for key in found.cells):
        parts.append(
            "Grey band: the control, human against human, from the lowest to the highest mean of a classifier."
        )
    text = caption(scene, found.records, parts)
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text)]


def _panel(scene: Scene, ax: Axes, found: Difficulty, dataset: str) -> None:
    levels, methods = found.spec["levels"], found.spec["methods"]
    there = [level for level in levels if any((dataset, level, method) in found.cells for method in methods)]
    others = [method for method in methods if scene.base(method) is None]
    control = [cell.summary.mean for (d, row, _), cell in found.cells.items() if (d, row) == (dataset, "human")]
    if control:
        ax.axhspan(min(control) - 0.002, max(control) + 0.002, color=_CONTROL, zorder=0)
    ax.axhline(0.5, color=BASELINE, linewidth=0.8, linestyle=":")
    for number, (method, entry) in enumerate(methods.items()):
        shift = _SPREAD * (number / max(len(methods) - 1, 1) - 0.5)
        points = [
            (place + shift, found.cells[dataset, level, method].summary)
            for place, level in enumerate(there)
            if (dataset, level, method) in found.cells
        ]
        if points:
            colour = (
                _CLASSIFIERS[others.index(method) % len(_CLASSIFIERS)] if method in others else scene.colour(method)
            )
            style = {"color": colour, "linestyle": "--" if method in others else "-", "linewidth": 1.2}
            x, means = [place for place, _ in points], [summary.mean for _, summary in points]
            bars = np.transpose([_bar(summary) for _, summary in points])
            ax.errorbar(x, means, bars, marker="o", markersize=3.5, capsize=2, label=entry["label"], **style)
    ax.set_xticks(range(len(there)), [levels[level].replace(", ", ",\n") for level in there])
    ax.set(title=plain(found.claims.content["datasets"][dataset]), xlabel="negatives")


def _bar(summary: st.Summary) -> tuple[float, float]:
    """Lengths of the bar below and above a mean."""
    return (summary.mean - summary.low, summary.high - summary.mean) if summary.n > 1 else (0.0, 0.0)
