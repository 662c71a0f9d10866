"""Accuracy and AUC over one setting (the threshold), and how much they move inside the range that the paper claims."""

from __future__ import annotations

from matplotlib.axes import Axes

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.style import Drawn, Scene, canvas, caption, png, say
from ffrepro.claims.records import Evidence, Record
from ffrepro.core.statistics import Summary, summarize

_METRICS = {"test/accuracy": "test accuracy", "test/auc": "test AUC"}
_HEADER = [
    "Variant",
    "Treatment",
    "Values in the range",
    "Lowest mean accuracy",
    "Highest",
    "Range",
    "Margin",
    "Little impact",
]
_LINES = ("-", "--", ":", "-.")
Point = tuple[float, Evidence]


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """One picture: a panel for each metric, a line for each variant and treatment."""
    lines = {(v, t): points(scene, spec, v, t) for v in spec["variants"] for t in scene.claims.treatments}
    figure, axes = canvas(4.3 * len(_METRICS), 3.2, 1, len(_METRICS))
    claimed = spec["claimed"]
    for ax, (metric, label) in zip(axes[0], _METRICS.items(), strict=True):
        ax.axvspan(claimed["low"], claimed["high"], color="#f0f0f0", zorder=0)
        for (variant, treatment), found in lines.items():
            style = _LINES[scene.claims.treatments.index(treatment) % len(_LINES)]
            _line(ax, found, metric, scene.colour(variant), style, f"{scene.label(variant)}, {treatment}")
        if any(lines.values()):
            ax.set_xscale("log")
            ticks = sorted({value for found in lines.values() for value, _ in found})
            ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
        else:
            say(ax, f"no runs at scale {scene.scale}")
        ax.set(xlabel="θ" if spec["setting"] == "method.theta" else spec["setting"], ylabel=label)
    if any(lines.values()):
        axes[0, 0].legend(loc="best", fontsize=7)
    used: list[Record] = [r for found in lines.values() for _, evidence in found for r in evidence.records]
    dataset = scene.claims.content["datasets"][spec["dataset"]]
    low, high = claimed["low"], claimed["high"]
    shaded = f"Shaded: the range {low:g} to {high:g} of which the paper says that it has little impact."
    text = caption(scene, used, [f"{dataset}. Bars: std over seeds. {shaded}"])
    rows = [row for (v, t), found in lines.items() if (row := _range(scene, spec, v, t, found))]
    tables = [Table(_HEADER, rows, frozenset(range(3, 7)))] if rows else []
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text, tables)]


def points(scene: Scene, spec: dict, variant: str, treatment: str) -> list[Point]:
    """(value of the setting, evidence) in ascending order; the second experiment fills in its own value."""
    group, _, key = spec["setting"].partition(".")
    found: dict[float, Evidence] = {}
    for family in (spec["experiment"], spec["with"]):
        experiment = scene.claims.experiment(family, treatment, spec["dataset"])
        planned = scene.store.planned(experiment, scale=scene.scale)
        names = dict.fromkeys(plan["variant"] for plan in planned if scene.base(plan["variant"]) == variant)
        for name in names:
            evidence = scene.store.at_scale(experiment, name, scene.scale)
            if evidence is not None:
                found.setdefault(evidence.records[0].plan[group][key], evidence)
    return sorted(found.items())


def _summary(evidence: Evidence, metric: str) -> Summary | None:
    values = [value for record in evidence.records if (value := record.value(metric)) is not None]
    return summarize(values) if values else None


def _line(ax: Axes, found: list[Point], metric: str, colour: str, style: str, label: str) -> None:
    known = [(value, summary) for value, evidence in found if (summary := _summary(evidence, metric))]
    if known:
        x, means = [value for value, _ in known], [summary.mean for _, summary in known]
        bars = [summary.std if summary.n > 1 else 0.0 for _, summary in known]
        ax.errorbar(x, means, bars, color=colour, linestyle=style, marker="o", markersize=3.5, capsize=2, label=label)


def _range(scene: Scene, spec: dict, variant: str, treatment: str, found: list[Point]) -> list[str] | None:
    """How much the mean accuracy moves inside the claimed range; None with fewer than two values in it."""
    claimed = spec["claimed"]
    inside = [
        (value, summary.mean)
        for value, evidence in found
        if claimed["low"] <= value <= claimed["high"] and (summary := _summary(evidence, "test/accuracy"))
    ]
    if len(inside) < 2:
        return None
    means = [mean for _, mean in inside]
    spread = max(means) - min(means)
    margin = scene.claims.content["quantities"][claimed["quantity"]]["margin"]["absolute"]
    standin = any(record.standin for _, evidence in found for record in evidence.records)
    answer = "stand-in data" if standin else "yes" if spread <= margin else "no"
    return [
        scene.label(variant), treatment, ", ".join(f"{value:g}" for value, _ in inside), formats.number(min(means), 4),
        formats.number(max(means), 4), formats.number(spread, 4), formats.number(margin, 4), answer,
    ]  # fmt: skip
