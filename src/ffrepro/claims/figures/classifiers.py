"""Pictures of image classifiers beside their backpropagation twins: error and layers by epoch, error by scheme.

A picture for each experiment and data set that has runs of the scale; one without is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from matplotlib.axes import Axes

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.curves import band
from ffrepro.claims.figures.style import BASELINE, LAYERS, PALETTE, PAPER, Drawn, Scene, canvas, caption, plain, png
from ffrepro.claims.records import Evidence, Record
from ffrepro.core import statistics as st

_PERCENT = 100
_SHOWN = {  # in learning curves: the paper's schemes
    "multi_pass": (PALETTE[0], "-"),
    "goodness": (PALETTE[0], "-"),
    "one_pass": (PALETTE[1], ":"),
}


@dataclass(frozen=True)
class Group:
    """The runs of one experiment on one data set: variant -> evidence, of those that are no twins, and the twins'."""

    family: str
    treatment: str
    dataset: str
    found: dict[str, Evidence]
    twins: dict[str, Evidence]

    @property
    def records(self) -> list[Record]:
        shown = [self.twins[name] for name in self.found if name in self.twins]
        return [record for evidence in [*self.found.values(), *shown] for record in evidence.records]

    def drawn(self, scene: Scene, spec: dict, figure, text: str, tables: list[Table]) -> Drawn:
        """The finished picture, named and titled by what it shows."""
        name = f"{spec['name']}_{self.family}_{self.dataset}"
        title = f"{spec['title']} ({self.family}, {scene.claims.content['datasets'][self.dataset]})"
        return Drawn(name, title, spec.get("shows", ""), png(figure), caption(scene, self.records, [text]), tables)


def groups(scene: Scene) -> Iterator[Group]:
    """Every experiment and data set with runs of a variant that is compared with a twin."""
    claims = scene.claims
    for family, treatments in claims.content["experiments"].items():
        for treatment in treatments:
            for dataset in claims.content["datasets"]:
                evidence = {v: scene.evidence(family, treatment, dataset, v) for v in claims.content["variants"]}
                found = {v: e for v, e in evidence.items() if e and claims.twin(v)}
                twins = {v: e for v in found if (e := evidence[claims.twin(v)])}
                if found:
                    yield Group(family, treatment, dataset, found, twins)


def keeping(group: Group, array: str) -> Group:
    """The group with those of its runs alone that kept an array: records differ by when they were made."""

    def kept(found: dict[str, Evidence]) -> dict[str, Evidence]:
        some = {v: tuple(r for r in evidence.records if array in r.arrays()) for v, evidence in found.items()}
        return {variant: Evidence(records) for variant, records in some.items() if records}

    return replace(group, found=kept(group.found), twins=kept(group.twins))


def schemes(record: Record, split: str = "test") -> list[str]:
    """The inference schemes that a run was measured with, in the record's order."""
    start = f"{split}/error_"
    return [name.removeprefix(start) for name in record.result["metrics"] if name.startswith(start)]


def error_curves(scene: Scene, spec: dict) -> list[Drawn]:
    """Validation error by epoch, a panel for each net; the training error, measured once, as a mark at the end."""
    return [_error_curves(scene, spec, group) for group in groups(scene)]


def layer_curves(scene: Scene, spec: dict) -> list[Drawn]:
    """Validation accuracy of each layer by epoch, a panel for each net."""
    return [_layer_curves(scene, spec, group) for group in groups(scene)]


def error_by_scheme(scene: Scene, spec: dict) -> list[Drawn]:
    """Test error of every inference scheme, groups of bars by net, the paper's numbers as diamonds."""
    return [_error_by_scheme(scene, spec, group) for group in groups(scene)]


def _error_curves(scene: Scene, spec: dict, group: Group) -> Drawn:
    figure, axes = canvas(3.4 * len(group.found) + 1.2, 3.0, 1, len(group.found), sharey=True)
    rows = []
    for ax, (variant, evidence) in zip(axes[0], group.found.items(), strict=True):
        ax.set(title=plain(scene.label(variant)), xlabel="epoch")
        for scheme, (colour, style) in _looks(evidence.records[0]).items():
            label = scheme.replace("_", "-")
            _errors(ax, evidence, f"error_{scheme}", colour, style, label)
            rows.append([scene.label(variant), label, *_final(evidence, f"error_{scheme}")])
        twin = group.twins.get(variant)
        if twin:
            _errors(ax, twin, "error", BASELINE, "--", "backpropagation")
            rows.append([scene.label(variant), "backpropagation", *_final(twin, "error")])
        ax.set_ylim(bottom=0)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(loc="upper right")
    axes[0, 0].set_ylabel("validation error [%]")
    text = "Line: mean over runs; band: their std; cross: training error at the end, the only time that it is measured."
    table = Table(["Net", "Inference", "Training error", "Validation error", "Test error"], rows, frozenset({2, 3, 4}))
    return group.drawn(scene, spec, figure, text, [table])


def _looks(record: Record) -> dict[str, tuple[str, str]]:
    """Colour and line of the schemes whose error a run measured in every epoch: ``_SHOWN``'s, or all where none is."""
    found = [scheme for scheme in schemes(record) if f"val/error_{scheme}" in record.metrics()[0]]
    known = {scheme: look for scheme, look in _SHOWN.items() if scheme in found}
    return known or {scheme: (colour, "-") for scheme, colour in zip(found, PALETTE, strict=False)}


def _errors(ax: Axes, evidence: Evidence, metric: str, colour: str, style: str, label: str) -> None:
    band(ax, evidence.records, f"val/{metric}", colour, label, factor=_PERCENT, linestyle=style)
    at_end = _summary(evidence, f"train/{metric}")
    if at_end:
        epochs = max(record.result["epochs"] for record in evidence.records)
        ax.plot(epochs, at_end.mean, marker="x", color=colour, markersize=6, linestyle="none")


def _layer_curves(scene: Scene, spec: dict, group: Group) -> Drawn:
    figure, axes = canvas(3.4 * len(group.found) + 1.2, 3.0, 1, len(group.found), sharey=True)
    rows = []
    for ax, (variant, evidence) in zip(axes[0], group.found.items(), strict=True):
        ax.set(title=plain(scene.label(variant)), xlabel="epoch")
        layer = 0
        while f"val/accuracy_layer{layer}" in evidence.records[0].result["metrics"]:
            name, label = f"accuracy_layer{layer}", f"layer {layer + 1}"
            band(ax, evidence.records, f"val/{name}", LAYERS[layer % len(LAYERS)], label, factor=_PERCENT)
            rows.append([scene.label(variant), str(layer + 1), _shown(_summary(evidence, f"test/{name}"))])
            layer += 1
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(loc="lower right")
    axes[0, 0].set_ylabel("validation accuracy [%]")
    text = "Class with the largest goodness in one layer alone. Line: mean over runs; band: their std."
    table = Table(["Net", "Layer", "Test accuracy"], rows, frozenset({1, 2}))
    return group.drawn(scene, spec, figure, text, [table])


def _error_by_scheme(scene: Scene, spec: dict, group: Group) -> Drawn:
    names = list(dict.fromkeys(s for evidence in group.found.values() for s in schemes(evidence.records[0])))
    figure, axes = canvas(1.6 + 0.38 * (len(names) + 1) * len(group.found), 3.0)
    ax, width, rows = axes[0, 0], 0.8 / (len(names) + 1), []
    for place, (variant, evidence) in enumerate(group.found.items()):
        bars = [(name, evidence, f"test/error_{name}", PALETTE[i % len(PALETTE)]) for i, name in enumerate(names)]
        if variant in group.twins:
            bars.append(("backpropagation", group.twins[variant], "test/error", BASELINE))
        for index, (name, runs, metric, colour) in enumerate(bars):
            summary = _summary(runs, metric)
            if summary is None:
                continue
            x = place + (index - len(names) / 2) * width
            spread = None if summary.n < 2 else summary.std
            ax.bar(x, summary.mean, width, yerr=spread, color=colour, capsize=2, label=name if place == 0 else None)
            said = _published(scene, group, variant, metric)
            if said is not None and name != "backpropagation":
                ax.plot(x, said, marker="D", color=PAPER, markersize=4.5, linestyle="none", zorder=5)
            rows.append([scene.label(variant), name, _shown(summary), formats.number(said, 1)])
    ax.set_xticks(range(len(group.found)), [plain(scene.label(variant)) for variant in group.found])
    ax.set_ylabel("test error [%]")
    figure.legend(loc="outside right upper")
    text = (
        "Bars: mean ± std over runs; diamonds: the paper. last1, last3 and all: goodness of the last, the last three "
        "and all layers; from_second: of all but the first; multi_pass, or goodness of channel groups: as in the "
        "paper."
    )
    table = Table(["Net", "Inference", "Test error", "Paper"], rows, frozenset({2, 3}))
    return group.drawn(scene, spec, figure, text, [table])


def _published(scene: Scene, group: Group, variant: str, metric: str) -> float | None:
    """The paper's number for a bar."""
    place = {"experiment": group.family, "dataset": group.dataset, "variant": variant, "metric": metric}
    return next((c["value"] for c in scene.claims.claims.values() if c.get("measure") == place), None)


def _final(evidence: Evidence, metric: str) -> list[str]:
    return [_shown(_summary(evidence, f"{split}/{metric}")) for split in ("train", "val", "test")]


def _summary(evidence: Evidence, metric: str) -> st.Summary | None:
    """Of a fraction in the results, in percent; None where the runs have none of this name."""
    values = [value * _PERCENT for record in evidence.records if (value := record.value(metric)) is not None]
    return st.summarize(values) if values else None


def _shown(summary: st.Summary | None) -> str:
    return formats.mean_std(summary, 2)
