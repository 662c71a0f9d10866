"""How hard the negatives are under the matched protocol: every detector, beside trivial classifiers and controls.

No claim of a paper is judged here. The claims file's ``difficulty`` says which runs there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ffrepro.claims import formats
from ffrepro.claims.blocks import Block, Heading, Line, Notice, Paragraph, Table
from ffrepro.claims.compare import Pick, best_pick, scale_pick
from ffrepro.claims.load import Claims
from ffrepro.claims.records import ENOUGH, Record, Store
from ffrepro.core import statistics as st

METRIC = "test/auc"
CONTROLS = {"shuffled": "control: training labels shuffled", "human": "control: human against human"}
_DIGITS = 3
AUC = (0.0, 1.0)  # what it can be


@dataclass(frozen=True)
class Cell:
    """The AUC of one method on one kind of negatives (or under one control)."""

    records: tuple[Record, ...]
    summary: st.Summary


@dataclass(frozen=True)
class Difficulty:
    """Everything measured, of one scale or of the best evidence.

    Attributes:
        cells: (data set, level or control, method) -> cell; what was not run is not there.
    """

    claims: Claims
    cells: dict[tuple[str, str, str], Cell]

    @property
    def spec(self) -> dict:
        """The claims file's ``difficulty``."""
        return self.claims.content["difficulty"]

    @property
    def datasets(self) -> list[str]:
        """Those with any cell, in the claims file's order."""
        return [name for name in self.claims.content["datasets"] if any(key[0] == name for key in self.cells)]

    @property
    def records(self) -> list[Record]:
        return [record for cell in self.cells.values() for record in cell.records]


def build(claims: Claims, pick: Pick) -> Difficulty:
    """Look all cells up.

    Args:
        pick: which evidence, see ``compare.scale_pick`` and ``compare.best_pick``.
    """
    spec = claims.content["difficulty"]
    cells = {}
    for dataset in claims.content["datasets"]:
        for method, entry in spec["methods"].items():
            wanted = {level: ("runs", f"{method}_{spec['setting']}{level}") for level in spec["levels"]}
            wanted |= {control: (control, method) for control in CONTROLS if control in entry}
            for row, (key, variant) in wanted.items():
                evidence = pick(entry[key].format(dataset=dataset), variant)
                values = [v for r in evidence.records if (v := r.value(METRIC)) is not None] if evidence else []
                if values:
                    cells[dataset, row, method] = Cell(evidence.records, st.cut(st.summarize(values), *AUC))
    return Difficulty(claims, cells)


def planned(claims: Claims, store: Store, scale: str) -> bool:
    """Whether a scale has any of these runs."""
    spec = claims.content.get("difficulty")
    return spec is not None and any(
        store.planned(entry["runs"].format(dataset=dataset), scale=scale)
        for entry in spec["methods"].values()
        for dataset in claims.content["datasets"]
    )


def section(claims: Claims, store: Store, scale: str) -> list[Block]:
    """The report's section: the table of this scale, and that of the best evidence where it is another."""
    if not planned(claims, store, scale):
        return []
    spec = claims.content["difficulty"]
    here, best = build(claims, scale_pick(store, scale)), build(claims, best_pick(store))
    content: list[Block] = [Heading(spec["title"], 2, f"{claims.paper}-difficulty"), Paragraph(spec["text"])]
    if best.cells and [r.run for r in best.records] != [r.run for r in here.records]:
        content += _block(best, "best evidence")
    return content + _block(here, f"scale {scale}") + _without_plans(store, here)


def plans_file(store: Store, source: str, dataset: str) -> Path | None:
    """The stroke plans of a data set, None where there are none."""
    path = store.root / "data/plans" / source / f"{dataset}.npz"
    return path if path.with_suffix(".json").is_file() else None


def _without_plans(store: Store, found: Difficulty) -> list[Block]:
    """Which pictures are missing, and how to get them: stroke plans are data, no part of a record."""
    used = {(r.plan["source"], r.plan["dataset"]) for r in found.records}
    missing = sorted(pair for pair in used if plans_file(store, *pair) is None)
    if not missing:
        return []
    names = ", ".join(found.claims.content["datasets"][dataset] for _, dataset in missing)
    commands = "; ".join(f"ffrepro kinematics plan {dataset} --source {source}" for source, dataset in missing)
    text = "The pictures of their quality and of a movement leave these sets out; to make the plans"
    return [Paragraph(f"No stroke plans of {names} are here. {text}: {commands}")]


def _block(found: Difficulty, scope: str) -> list[Block]:
    anchor = f"{found.claims.paper}-difficulty-{scope.split()[0]}"
    standin = any(record.standin for record in found.records)
    title = f"AUC by negatives ({scope}{'; STAND-IN DATA, no result' if standin else ''})"
    if not found.cells:
        return [Heading(title, 3, anchor), Paragraph("No finished runs.")]
    content: list[Block] = [Heading(title, 3, anchor)]
    if standin:
        content.append(
            Notice("Stand-in data made by this project: the numbers show that the pipeline runs, nothing else.")
        )
    return [*content, table(found), *(Paragraph(text) for text in notes(found))]


def table(found: Difficulty) -> Table:
    """A row for each data set and kind of negatives, then its controls; mean ± std (n) over the 95 % interval."""
    spec = found.spec
    rows = []
    for dataset in found.datasets:
        for row, label in (spec["levels"] | CONTROLS).items():
            cells = [found.cells.get((dataset, row, method)) for method in spec["methods"]]
            if any(cells):
                rows.append([found.claims.content["datasets"][dataset], label, *map(_lines, cells)])
    header = ["Data set", "Negatives", *(entry["label"] for entry in spec["methods"].values())]
    return Table(header, rows, frozenset(range(2, len(header))))


def notes(found: Difficulty) -> list[str]:
    """What a reader must know about the runs: how few, how short, on what."""
    texts = [
        "AUC on the test part: mean ± std over n runs that differ by seed and by who is in which part; below it the "
        "95 % t interval of the mean, cut at 0 and 1."
    ]
    if any(key[1] == "shuffled" for key in found.cells):
        texts.append(
            "An AUC away from .5 under shuffled labels is no leak by itself: FF's score grows with the input's energy, "
            "so that an untrained net orders classes that differ in speed (docs/matched.md)."
        )
    few = sorted({cell.summary.n for cell in found.cells.values() if cell.summary.n < ENOUGH})
    if few:
        texts.append(f"Cells with n = {', '.join(map(str, few))} are too few runs to conclude anything from.")
    capped = {cap: r for r in found.records if (cap := found.claims.capped_at(r)) is not None}
    if capped:
        says = found.claims.budget(next(iter(capped.values())).plan["experiment"]).says
        texts.append(
            f"Some nets were capped at {', '.join(map(str, sorted(capped)))} epochs ({says}): "
            "more training may find more. The classifiers have no epochs."
        )
    return texts


def _lines(cell: Cell | None) -> str | list[Line]:
    if cell is None:
        return formats.DASH
    interval = formats.interval(cell.summary.low, cell.summary.high, _DIGITS)
    lines = [Line(f"{formats.mean_std(cell.summary, _DIGITS)} (n={cell.summary.n})")]
    return lines + [Line(interval)] * (interval != formats.DASH)
