"""Figures 2 to 4 of the paper, re-drawn from its tables beside ours."""

from __future__ import annotations

from matplotlib.axes import Axes

from ffrepro.claims import controls
from ffrepro.claims.figures.style import PAPER, Drawn, Scene, canvas, caption, png, say
from ffrepro.claims.records import Evidence, Record
from ffrepro.core.statistics import Summary, summarize

TREATMENT = "corrected"
# Panel -> the claims of BP and FF that it shows.
PANELS = {
    "costs": {"training time, s": ("070", "071"), "memory, GB": ("072", "073")},
    "quality": {"BLEU": ("064", "065"), "perplexity": ("067", "068"), "accuracy, %": ("313", "314")},
}


def twins(scene: Scene, spec: dict) -> list[Drawn]:
    """BP beside FF, a panel for each number: bars are ours, diamonds the paper's."""
    panels = PANELS[spec["name"]]
    figure, axes = canvas(2.9 * len(panels), 2.8, 1, len(panels))
    used: list[Record] = []
    for ax, (title, ids) in zip(axes[0], panels.items(), strict=True):
        ax.set_title(title)
        for place, short in enumerate(ids):
            used += _bar(scene, ax, place, scene.claims.claim(short))
        ax.set_xticks([0, 1], ["BP", "FF"])
        if not ax.patches:
            say(ax, f"no runs at scale {scene.scale}")
    text = caption(scene, used, ["Bars: mean ± std over seeds; diamonds: the paper, on its own machine and protocol."])
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text)]


def scaling(scene: Scene, spec: dict) -> list[Drawn]:
    """Test accuracy over the number of training reviews, a line for each variant.

    The first point are the runs of the experiment ``with``, which have the paper's number of reviews.
    """
    figure, axes = canvas(5.6, 3.0, 1, 1)
    ax, used = axes[0, 0], []
    first, experiment = (
        scene.claims.experiment(spec[name], TREATMENT, spec["dataset"]) for name in ("with", "experiment")
    )
    group, _, key = spec["setting"].partition(".")
    for variant in spec["variants"]:
        points: dict[int, Summary] = {}
        runs = [(first, variant), *((experiment, name) for name in _variants(scene, experiment, variant, key))]
        for place, name in runs:
            evidence = scene.store.at_scale(place, name, scene.scale)
            if evidence is not None and not _lacking(scene, evidence, "test/accuracy"):
                values = [100 * r.value("test/accuracy") for r in evidence.records]
                points[evidence.records[0].plan[group][key]] = summarize(values)
                used += evidence.records
        if points:
            sizes = sorted(points)
            errors = [points[size].std if points[size].n > 1 else 0 for size in sizes]
            means = [points[size].mean for size in sizes]
            ax.errorbar(sizes, means, errors, marker="o", color=scene.colour(variant), label=scene.label(variant))
    if used:
        ax.set_xscale("log")
        ax.set_xlabel("training reviews")
        ax.set_ylabel("test accuracy, %")
        ax.legend(loc="lower right")
    else:
        say(ax, f"no runs of {experiment} at scale {scene.scale}")
    notes = ["Mean ± std over seeds; no point without the frozen net's runs on as many reviews.",
             "The paper's figure has no numbers in its text."]  # fmt: skip
    text = caption(scene, used, notes)
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text)]


KINDS = {"twins": twins, "scaling": scaling}


def _bar(scene: Scene, ax: Axes, place: int, claim: dict) -> tuple[Record, ...]:
    """Ours as a bar where there are runs, the paper's number as a diamond; the records."""
    if not isinstance(claim["value"], str):
        ax.errorbar(place, claim["value"], claim["std"], marker="D", color=PAPER, markersize=4.5, zorder=5)
    measure = claim["measure"]
    evidence = scene.evidence(measure["experiment"], TREATMENT, measure["dataset"], measure["variant"])
    values = [r.value(measure["metric"]) for r in evidence.records] if evidence else []
    found = [scene.claims.factor(claim) * value for value in values if value is not None]
    if evidence is None or not found or _lacking(scene, evidence, measure["metric"]):
        return ()
    summary = summarize(found)
    error = summary.std if summary.n > 1 else None
    ax.bar(place, summary.mean, 0.6, yerr=error, color=scene.colour(measure["variant"]), capsize=2)
    return evidence.records


def _lacking(scene: Scene, evidence: Evidence, metric: str) -> list[str]:
    return controls.missing(scene.claims, metric, evidence, lambda *names: scene.store.at_scale(*names, scene.scale))


def _variants(scene: Scene, experiment: str, variant: str, key: str) -> list[str]:
    """The names of a grid's runs of a variant: ``bp_train_samples2500``."""
    planned = scene.store.planned(experiment, scale=scene.scale)
    return list(dict.fromkeys(p["variant"] for p in planned if p["variant"].startswith(f"{variant}_{key}")))
