"""Curves over epochs: per-layer accuracy of Forward-Forward, and validation accuracy and AUC of every method."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.style import LAYERS, Drawn, Scene, canvas, caption, plain, png, say
from ffrepro.claims.records import Record
from ffrepro.core.statistics import summarize


def layer_accuracy(scene: Scene, spec: dict) -> list[Drawn]:
    """Validation accuracy of each layer by epoch, a panel for each variant, a picture for each treatment."""
    return [_layers(scene, spec, treatment) for treatment in scene.claims.treatments]


def learning_curves(scene: Scene, spec: dict) -> list[Drawn]:
    """Validation accuracy and AUC by epoch, a column for each data set, a picture for each treatment."""
    return [_learning(scene, spec, treatment) for treatment in scene.claims.treatments]


def _layers(scene: Scene, spec: dict, treatment: str) -> Drawn:
    variants = spec["variants"]
    figure, axes = canvas(4.2 * len(variants), 3.0, 1, len(variants), sharey=True)
    used: list[Record] = []
    rows = []
    for ax, variant in zip(axes[0], variants, strict=True):
        ax.set_title(scene.label(variant))
        evidence = scene.evidence(spec["experiment"], treatment, spec["dataset"], variant)
        if evidence is None:
            say(ax, scene.missing(spec["experiment"], treatment, spec["dataset"], variant))
            continue
        used += evidence.records
        for layer in range(evidence.records[0].plan["net"]["layers"]):
            band(ax, evidence.records, f"val/accuracy_layer{layer}", LAYERS[layer % len(LAYERS)], f"layer {layer}")
            tested = [r.value(f"test/accuracy_layer{layer}") for r in evidence.records]
            known = [value for value in tested if value is not None]
            rows.append([scene.label(variant), str(layer), formats.mean_std(summarize(known) if known else None, 4)])
        ax.set_xlabel("epoch")
        ax.legend(loc="lower right")
    axes[0, 0].set_ylabel("validation accuracy")
    dataset = scene.claims.content["datasets"][spec["dataset"]]
    text = caption(scene, used, [f"{dataset}, {treatment}. Line: mean over runs still training; band: their std."])
    tables = [Table(["Variant", "Layer", "Test accuracy"], rows, frozenset({1, 2}))] if rows else []
    name = f"{spec['name']}_{treatment}"
    return Drawn(name, f"{spec['title']} ({treatment})", spec.get("shows", ""), png(figure), text, tables)


def _learning(scene: Scene, spec: dict, treatment: str) -> Drawn:
    datasets, variants = scene.claims.content["datasets"], scene.variants(spec["experiment"])
    figure, axes = canvas(2.4 * len(datasets) + 0.6, 4.4, 2, len(datasets), sharex="col", sharey="row")
    used: list[Record] = []
    for column, (dataset, label) in enumerate(datasets.items()):
        axes[0, column].set_title(plain(label))
        absent = []
        for variant in variants:
            evidence = scene.evidence(spec["experiment"], treatment, dataset, variant)
            if evidence is None:
                absent.append(scene.label(variant))
                continue
            used += evidence.records
            for row, metric in enumerate(("val/accuracy", "val/auc")):
                band(axes[row, column], evidence.records, metric, scene.colour(variant), scene.label(variant))
        if absent:
            say(axes[0, column], f"no runs of {', '.join(absent)} at scale {scene.scale}")
        axes[1, column].set_xlabel("epoch")
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("AUC")
    handles = next((ax.get_legend_handles_labels() for ax in axes.flat if ax.lines), ([], []))
    figure.legend(*handles, loc="outside upper right", ncols=max(len(variants), 1))
    text = caption(scene, used, [f"{treatment}. Line: mean over runs still training; band: their std."])
    name = f"{spec['name']}_{treatment}"
    return Drawn(name, f"{spec['title']} ({treatment})", spec.get("shows", ""), png(figure), text)


def band(
    ax: Axes,
    records: tuple[Record, ...],
    metric: str,
    colour: str,
    label: str,
    *,
    factor: int = 1,
    linestyle: str = "-",
) -> None:
    """Mean over the runs that still train at an epoch, and one standard deviation where there are two or more.

    Args:
        metric: a fraction in metrics.jsonl. factor: 100 to draw it in percent.
    """
    runs = [[factor * line[metric] for line in record.metrics() if metric in line] for record in records]
    longest = max(map(len, runs))
    if not longest:
        return
    table = np.full((len(runs), longest), np.nan)
    for row, values in zip(table, runs, strict=True):
        row[: len(values)] = values
    alive = (~np.isnan(table)).sum(0)
    mean = np.nanmean(table, 0)
    epoch = np.arange(1, longest + 1)
    marker = "o" if longest < 5 else None
    ax.plot(epoch, mean, linestyle, color=colour, label=label, linewidth=1.4, marker=marker, markersize=3)
    several = alive >= 2
    std = np.full(longest, np.nan)
    std[several] = np.nanstd(table[:, several], 0, ddof=1)
    low, high = np.clip([mean - std, mean + std], 0, factor)  # fractions end there
    ax.fill_between(epoch, low, high, where=several, color=colour, alpha=0.18, linewidth=0)
