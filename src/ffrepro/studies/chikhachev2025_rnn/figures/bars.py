"""Bars beside the paper's marks: epochs until early stopping; time and memory of a step relative to backpropagation."""

from __future__ import annotations

from matplotlib.axes import Axes

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.compare import BENCH_VARIANT
from ffrepro.claims.figures.style import PAPER, Drawn, Scene, canvas, caption, plain, png, say
from ffrepro.claims.records import Record
from ffrepro.core.statistics import summarize

_ARROW = 14  # epochs: length of the arrow on a bar that was cut short
_COST_HEADER = ["Data set", "Row", "ms per step", "Time ratio", "95 % interval", "Peak memory", "Memory ratio"]


def epochs(scene: Scene, spec: dict) -> list[Drawn]:
    """Epochs run, a panel for each treatment, groups of bars by data set; a bar cut short has an arrow."""
    datasets, variants = scene.claims.content["datasets"], scene.variants(spec["experiment"])
    figure, axes = canvas(8.6, 3.1, 1, len(scene.claims.treatments), sharey=True)
    used: list[Record] = []
    for ax, treatment in zip(axes[0], scene.claims.treatments, strict=True):
        ax.set_title(treatment)
        drawn = 0
        for group, dataset in enumerate(datasets):
            for index, variant in enumerate(variants):
                place = _place(group, index, len(variants))
                _mark(ax, place, _published(scene, dataset, variant, "epochs"))
                evidence = scene.evidence(spec["experiment"], treatment, dataset, variant)
                if evidence is None:
                    continue
                drawn += 1
                used += evidence.records
                summary = summarize([record.value("epochs") for record in evidence.records])
                error = summary.std if summary.n > 1 else None
                ax.bar(place, summary.mean, _width(len(variants)), yerr=error, color=scene.colour(variant), capsize=2)
                if any(scene.claims.capped_at(record) for record in evidence.records):
                    tip = (place, summary.mean + _ARROW)
                    ax.annotate("", tip, (place, summary.mean), arrowprops={"arrowstyle": "->"})
        if not drawn:
            say(ax, f"no runs at scale {scene.scale}")
        ax.set_xticks(range(len(datasets)), [plain(label) for label in datasets.values()])
    axes[0, 0].set_ylabel("epochs run")
    _legend(scene, axes[0, -1], variants)
    text = caption(
        scene, used, ["Bars: mean ± std over seeds; arrows: cut short by the epoch limit; diamonds: the paper."]
    )
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text)]


def cost(scene: Scene, spec: dict) -> list[Drawn]:
    """Ratios of time and peak memory to the baseline, and a table of the absolute figures."""
    treatment = scene.claims.treatments[0]
    datasets = scene.claims.content["datasets"]
    found = {name: scene.evidence(spec["experiment"], treatment, name, BENCH_VARIANT) for name in datasets}
    records = {name: evidence.records[0] for name, evidence in found.items() if evidence}
    shown = {dataset: _shown(record) for dataset, record in records.items()}
    height = 1.2 + 0.19 * sum(map(len, shown.values()))
    figure, axes = canvas(8.6, height, 1, 2, sharey=True)
    if not records:
        for ax in axes[0]:
            say(ax, scene.missing(spec["experiment"], treatment, next(iter(datasets)), BENCH_VARIANT))
    else:
        _cost_bars(scene, axes[0], records, shown)
    absolute = [row for dataset, record in records.items() for row in _cost_rows(datasets[dataset], record)]
    baselines = ", ".join(dict.fromkeys(record.result["baseline"] for record in records.values()))
    parts = [f"{treatment}. One training step, interleaved in one process; ratios to: {baselines}." if records else ""]
    parts.append("Whiskers: 95 % interval of the median over rounds; diamonds: the paper's time ratios.")
    parts += [f"{_conditions(record)}." for record in records.values()]
    tables = [Table(_COST_HEADER, absolute, frozenset(range(2, 7)))] if absolute else []
    text = caption(scene, records.values(), list(dict.fromkeys(parts)))
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text, tables)]


def _cost_bars(scene: Scene, axes: list[Axes], records: dict[str, Record], shown: dict[str, list[str]]) -> None:
    labels, ticks, place = scene.claims.content["datasets"], [], 0.0
    variants = {label: name for name, label in scene.claims.content["variants"].items()}
    for dataset, record in records.items():
        baseline = record.result["baseline"]
        for name in shown[dataset]:
            row = next(row for row in record.result["rows"] if row["name"] == name)
            base = name.split(",")[0]
            variant = variants.get(base, scene.claims.content["baseline"])
            colour = scene.colour(variant)
            alpha = 1.0 if name in (base, baseline) else 0.45
            ratio = row["ratio_to_bp"]
            spread = [[ratio - row["ratio_low"]], [row["ratio_high"] - ratio]]
            axes[0].barh(
                place, ratio, 0.8, color=colour, alpha=alpha, xerr=spread, capsize=1.5, error_kw={"linewidth": 0.8}
            )
            if row["peak_ratio_to_bp"] is not None:
                axes[1].barh(place, row["peak_ratio_to_bp"], 0.8, color=colour, alpha=alpha)
            if "," in name and name != baseline:  # the paper's implementation is the plain one
                published = _published(scene, dataset, variant, "time per epoch")
                if published is not None:
                    axes[0].plot(published, place, marker="D", color=PAPER, markersize=4.5, zorder=5)
            ticks.append((place, f"{labels[dataset]}  {name}"))
            place += 1
        place += 0.7
    axes[0].set_yticks([tick for tick, _ in ticks], [plain(label) for _, label in ticks], fontsize=7.5)
    axes[0].invert_yaxis()
    for ax, title in zip(axes, ("time of a step / BPTT", "peak memory of a step / BPTT"), strict=True):
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set_xlabel(title)


def _shown(record: Record) -> list[str]:
    """The rows to draw: all but the baseline's slower optimizers, which are in the table."""
    names = [row["name"] for row in record.result["rows"]]
    return [name for name in names if not name.endswith("Adam") or name == record.result["baseline"]]


def _cost_rows(dataset: str, record: Record) -> list[list[str]]:
    return [
        [
            dataset, row["name"], formats.number(row["ms_median"], 1), formats.number(row["ratio_to_bp"], 2),
            formats.interval(row["ratio_low"], row["ratio_high"], 2), formats.size(row["peak_bytes"]),
            formats.number(row["peak_ratio_to_bp"], 2),
        ]
        for row in record.result["rows"]
    ]  # fmt: skip


def _conditions(record: Record) -> str:
    return ", ".join(f"{key} {value}" for key, value in record.result["config"].items())


def _published(scene: Scene, dataset: str, variant: str, metric: str) -> float | None:
    """The paper's number for a bar."""
    for claim in scene.claims.claims.values():
        measure = claim.get("measure", {})
        if claim["metric"] == metric and (measure.get("dataset"), measure.get("variant")) == (dataset, variant):
            return scene.claims.expected(claim) if metric == "epochs" or "published" in claim else None
    return None


def _width(variants: int) -> float:
    return 0.8 / variants


def _place(group: int, index: int, variants: int) -> float:
    return group + (index - (variants - 1) / 2) * _width(variants)


def _mark(ax: Axes, place: float, value: float | None) -> None:
    if value is not None:
        ax.plot(place, value, marker="D", color=PAPER, markersize=4, linestyle="none", zorder=5)


def _legend(scene: Scene, ax: Axes, variants: list[str]) -> None:
    for variant in variants:
        ax.bar(0, 0, color=scene.colour(variant), label=scene.label(variant))
    ax.plot([], [], marker="D", color=PAPER, linestyle="none", markersize=4, label="paper")
    ax.legend(loc="upper right")
