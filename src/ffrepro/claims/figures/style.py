"""Common parts of figures: the scene, a canvas, colours, and reproducible PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ffrepro.claims.blocks import Table
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Record, Store

DPI = 110
BASELINE = "#4d4d4d"
PALETTE = ("#e08214", "#2166ac", "#1b7837", "#8e4ba3", "#b2182b", "#35978f")  # colour-blind safe next to each other
LAYERS = ("#2166ac", "#e08214", "#1b7837", "#8e4ba3", "#b2182b", "#35978f")
POSITIVE, NEGATIVE = "#2166ac", "#d6604d"
PAPER = "#000000"
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Scene:
    """What a figure is drawn from: one paper's claims and the records of one scale."""

    claims: Claims
    store: Store
    scale: str

    def evidence(self, family: str, treatment: str, dataset: str, variant: str) -> Evidence | None:
        """The runs of an experiment's variant."""
        return self.store.at_scale(self.claims.experiment(family, treatment, dataset), variant, self.scale)

    def variants(self, family: str) -> list[str]:
        """The variants of an experiment, in the claims' order: what it does not declare is not missing from it."""
        datasets = self.claims.content["datasets"]
        places = [(treatment, dataset) for treatment in self.claims.treatments for dataset in datasets]
        names = dict.fromkeys(self.claims.experiment(family, *place) for place in places)
        planned = {plan["variant"] for name in names for plan in self.store.planned(name)}
        return [variant for variant in self.claims.content["variants"] if variant in planned]

    def missing(self, family: str, treatment: str, dataset: str, variant: str) -> str:
        """What to say where there are none."""
        return f"no runs of {self.claims.experiment(family, treatment, dataset)}/{variant} at scale {self.scale}"

    def label(self, variant: str) -> str:
        """A variant as the paper calls it, a grid's variant by the one it varies."""
        names = self.claims.content["variants"]
        base = self.base(variant)
        return names[base] if base else variant

    def base(self, variant: str) -> str | None:
        """The variant that a point of a grid varies: ``a`` of ``a_theta2``."""
        names = [name for name in self.claims.content["variants"] if variant == name or variant.startswith(f"{name}_")]
        return max(names, key=len, default=None)

    def colour(self, variant: str) -> str:
        """A variant's colour, the same in every figure; the baseline is grey."""
        others = [name for name in self.claims.content["variants"] if name not in self.claims.baselines]
        base = self.base(variant)
        return PALETTE[others.index(base) % len(PALETTE)] if base in others else BASELINE


@dataclass(frozen=True)
class Drawn:
    """One picture with what belongs beside it; ``claims``: the numbers of those that it answers."""

    name: str
    title: str
    shows: str
    png: bytes
    caption: str
    tables: list[Table] = field(default_factory=list)
    claims: tuple[str, ...] = ()

    def anchor(self, paper: str) -> str:
        """Where a paper's report has it."""
        return f"{paper}-{self.name}"


def canvas(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: object
) -> tuple[Figure, np.ndarray]:
    """A figure of so many inches and its axes, always as a 2-D array."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def png(figure: Figure) -> bytes:
    """The picture's bytes, without the program's version in them."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return out.getvalue()


def say(axes: Axes, text: str) -> None:
    """Write into axes that have nothing to draw why that is so."""
    axes.text(
        0.5, 0.5, text, ha="center", va="center", wrap=True, transform=axes.transAxes, fontsize=8, color="#808080"
    )
    axes.set(xticks=[], yticks=[])


def inscribe(axes: Axes, x: float, y: float, text: str, **font: object) -> None:
    """Write a text into a cell of a picture, centred; it lies inside the axes: the layout need not measure it."""
    axes.text(x, y, text, ha="center", va="center", in_layout=False, **font)


def plain(text: str) -> str:
    """A text that matplotlib does not take for mathematics: ``$1``."""
    return text.replace("$", r"\$")


def caption(scene: Scene, records: Iterable[Record], parts: list[str]) -> str:
    """A caption: the parts, then what the runs are, with a warning where they are of stand-in data or cut short."""
    found = list(records)
    text = [part for part in parts if part]
    if found:
        place = [f"Scale {scene.scale}", *dict.fromkeys(record.plan["hardware"] for record in found)]
        seeds = len({record.plan["seed"] for record in found if record.plan["kind"] == "train"})
        if seeds:
            place.append(f"{seeds} seed{'s' if seeds > 1 else ''}")
        text.append(", ".join(place) + ".")
    capped = {cap: record for record in found if (cap := scene.claims.capped_at(record)) is not None}
    if capped:
        numbers = ", ".join(map(str, sorted(capped)))
        says = scene.claims.budget(next(iter(capped.values())).plan["experiment"]).says
        text.append(f"Some runs were capped at {numbers} epochs ({says}).")
    parts_of_data = sorted({record.cut_to for record in found if record.cut_to})
    text += [f"Trained on {samples:,} samples only." for samples in parts_of_data]
    if any(record.standin for record in found):
        text.append("STAND-IN DATA: not a result.")
    return " ".join(text)
