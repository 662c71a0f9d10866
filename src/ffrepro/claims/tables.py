"""Compare a paper's table with ours: every cell under every treatment, with tests, notes and deviations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ffrepro.claims import formats, machines, table_pairs
from ffrepro.claims.blocks import Line, Table
from ffrepro.claims.compare import Pick, compared, measured
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store
from ffrepro.claims.table_pairs import Pair
from ffrepro.claims.verdict import STANDIN
from ffrepro.core import statistics as st

BY_MACHINE = "Our times and memory by machine; those of two machines are never compared."


@dataclass
class TableResult:
    """A table of the paper with our numbers.

    Attributes:
        cells: (treatment, claim id) -> comparison.
        notes: the same keys -> footnote texts.
        by_machine: our times and memory, a column for each machine; None in a table without any.
    """

    claims: Claims
    name: str
    spec: dict[str, Any]
    scope: str
    cells: dict[tuple[str, str], Comparison]
    notes: dict[tuple[str, str], list[str]]
    pairs: list[Pair] = field(default_factory=list)
    by_machine: Table | None = None

    @property
    def standin(self) -> bool:
        return any(cell.verdict.kind == STANDIN for cell in self.cells.values())

    @property
    def has_runs(self) -> bool:
        return any(cell.evidence is not None for cell in self.cells.values())

    @property
    def title(self) -> str:
        """The table's title, which says so where the data are a stand-in."""
        warning = "; STAND-IN DATA, no result" if self.standin else ""
        return f"{self.spec['title']} ({self.scope}{warning})"

    @property
    def anchor(self) -> str:
        """Where a report has it."""
        return f"{self.claims.paper}-{self.name}"

    def columns(self) -> list[str]:
        """Titles of the columns, each with the protocol of its numbers where no column has several."""
        cells = zip(*self.spec["rows"].values(), strict=True)
        return self._named(self.spec["columns"], cells) or self.spec["columns"]

    def rows(self) -> dict[str, list[str]]:
        """Label -> short claim ids; a label names the protocol of a row's numbers where no column's title does."""
        rows = self.spec["rows"]
        labels = None if self.columns() != self.spec["columns"] else self._named(rows, rows.values())
        return dict(zip(labels or rows, rows.values(), strict=True))

    def _named(self, titles: Iterable[str], cells: Iterable[Iterable[str]]) -> list[str] | None:
        """Titles with the one protocol of each one's cells; None where there is none, or one has several."""
        found = [{self.claims.protocol(self.claims.claim(short)) for short in ids} for ids in cells]
        if any(len(names) > 1 for names in found) or not all(map(any, found)):
            return None
        return [f"{title} ({names.pop()})" for title, names in zip(titles, found, strict=True)]

    def ids(self) -> list[str]:
        """The claims of the table, each once, row by row."""
        ordered = [self.claims.claim(short)["id"] for row in self.spec["rows"].values() for short in row]
        return list(dict.fromkeys(ordered))

    def footnotes(self) -> dict[str, str]:
        """Note text -> its letter, in order of appearance."""
        texts = dict.fromkeys(
            t for treatment in self.claims.treatments for i in self.ids() for t in self.notes[treatment, i]
        )
        return {text: _letter(index) for index, text in enumerate(texts)}

    def deviations(self) -> list[dict]:
        """The deviations that touch any cell with a number."""
        touching = {
            deviation["id"]
            for (treatment, _), cell in self.cells.items()
            if cell.summary is not None or cell.companions
            for deviation in self.claims.deviations(cell.claim, treatment)
        }
        return [deviation for deviation in self.claims.content["deviations"] if deviation["id"] in touching]


def build(claims: Claims, store: Store, name: str, pick: Pick, scope: str) -> TableResult:
    """Compare every cell of a table.

    Args:
        pick: the evidence to use, see ``compare.scale_pick`` and ``compare.best_pick``.
        scope: what ``pick`` picks, for the title.

    Raises:
        FfreproError: the paper has no table of this name.
    """
    spec = claims.table(name)
    result = TableResult(claims, name, spec, scope, {}, {})
    for treatment in claims.treatments:
        family = {c["id"]: c for i in result.ids() for c in claims.family_of(claims.claims[i])}
        found = compared(claims, store, family.values(), treatment, pick)
        cells = {i: found[i] for i in result.ids()}
        for claim_id, cell in cells.items():
            result.cells[treatment, claim_id] = cell
            result.notes[treatment, claim_id] = notes(claims, store, cell)
        result.pairs += table_pairs.pairs(claims, spec, treatment, cells)
    result.by_machine = _by_machine(result, store)
    return result


def _by_machine(result: TableResult, store: Store) -> Table | None:
    """Times and memory of a table's claims on every machine that has records at the scale of the evidence."""
    timed = {
        key: cell
        for key, cell in result.cells.items()
        if cell.evidence is not None and machines.is_of_machine(cell.claim["measure"].get("metric", ""))
    }
    found: dict[tuple[str, str], dict[str, str]] = {}
    for (treatment, claim_id), cell in timed.items():
        groups = store.groups(*(cell.evidence.records[0].plan[key] for key in ("experiment", "variant")))
        scale = cell.evidence.scale
        here = machines.names(record for group in groups if group.scale == scale for record in group.records)
        found[treatment, claim_id] = {
            name: _on_machine(result.claims, store, cell, scale, name) for name in here
        }  # fmt: skip
    columns = sorted({name for cells in found.values() for name in cells})
    if not columns:
        return None
    rows: list[list[str | list[Line]]] = [
        [
            timed[key].claim["row"], timed[key].claim["metric"], key[0], published(result.claims, timed[key].claim),
            *(cells.get(name, formats.DASH) for name in columns),
        ]
        for key, cells in found.items()
    ]  # fmt: skip
    return Table(["Row", "Metric", "Treatment", "Published", *columns], rows)


def _on_machine(claims: Claims, store: Store, cell: Comparison, scale: str, machine: str) -> str:
    def pick(experiment: str, variant: str) -> Evidence | None:
        return machines.on_machine(store, machine, scale, experiment, variant)

    own = measured(claims, store, cell.claim, cell.treatment, pick)
    return f"{ours(claims, own)}, n = {own.n}" if own.summary is not None else ours(claims, own)


def overview(result: TableResult) -> Table:
    """The paper's own layout, our numbers under each of its."""
    letters = result.footnotes()
    rows: list[list[str | list[Line]]] = []
    for label, short_ids in result.rows().items():
        row: list[str | list[Line]] = [label]
        for short in short_ids:
            claim = result.claims.claim(short)
            lines = [Line(f"paper {published(result.claims, claim)}")]
            for treatment in result.claims.treatments:
                lines.append(_overview_line(result, treatment, claim, letters))
            row.append(lines)
        rows.append(row)
    return Table(["", *result.columns()], rows)


def details(result: TableResult) -> Table:
    """One row for each claim and treatment, with everything that the verdict rests on."""
    header = ["Row", "Metric", "Protocol", "Treatment", "Published", "Ours", "n", "95 % CI", "Predicted", "Difference",
              "p", "p (Holm)", "p (equivalence)", "the same (Holm)", "Detects", "Equivalence up to", "Verdict",
              "By the margin set beforehand", "Evidence", "Deviations", "Claim"]  # fmt: skip
    keys = [(treatment, claim_id) for claim_id in result.ids() for treatment in result.claims.treatments]
    return Table(header, [_detail_row(result, *key) for key in keys], frozenset(range(4, 16)))


def _detail_row(result: TableResult, treatment: str, claim_id: str) -> list[str | list[Line]]:
    cell = result.cells[treatment, claim_id]
    digits = result.claims.content["quantities"][cell.claim["quantity"]]["digits"]
    low, high = (cell.summary.low, cell.summary.high) if cell.summary else (st.NAN, st.NAN)
    letters, tests = result.footnotes(), cell.tests
    marks = "".join(f" [{letters[text]}]" for text in result.notes[treatment, claim_id])
    deviations = result.claims.deviations(cell.claim, treatment) if cell.summary or cell.companions else []
    place = f"{cell.evidence.scale}, {cell.evidence.hardware}" if cell.evidence else formats.DASH
    return [
        cell.claim["row"], cell.claim["metric"], result.claims.protocol(cell.claim) or formats.DASH, treatment,
        published(result.claims, cell.claim), ours(result.claims, cell) + marks, str(cell.n or formats.DASH),
        formats.interval(low, high, digits) + (" (range)" if cell.is_bench and cell.n == 1 else ""),
        formats.interval(*cell.power.predicted, digits), formats.signed(cell.difference, digits),
        *map(formats.p_value, (tests.different, tests.holm_different, tests.equivalent, tests.holm_equivalent)),
        cell.power.detects or formats.DASH, cell.power.reaches or formats.DASH,
        [Line(str(cell.verdict), cell.verdict.kind)],
        [Line(str(cell.beforehand), cell.beforehand.kind)] if cell.beforehand else formats.DASH,
        place, " ".join(d["id"] for d in deviations),
        claim_id.split("/")[1],
    ]  # fmt: skip


def published(claims: Claims, claim: dict) -> str:
    """The published number, with the ratio it is compared as: ``2.19 s (ratio 1.41)``."""
    digits = claims.content["quantities"][claim["quantity"]]["digits"]
    value = printed(claims, claim)
    value += f" ± {formats.number(claim['std'], digits)}" if "std" in claim else ""
    value += " s" if claim["units"] == "s" else ""
    return f"{value} (ratio {formats.number(claims.expected(claim), digits)})" if "published" in claim else value


def printed(claims: Claims, claim: dict) -> str:
    """The published number alone, with the digits that the paper prints."""
    if not isinstance(claim["value"], float) or "quantity" not in claim:
        return formats.plain(claim["value"])
    quantity = claims.content["quantities"][claim["quantity"]]
    return formats.number(claim["value"], quantity.get("published_digits", quantity["digits"]))


def ours(claims: Claims, cell: Comparison) -> str:
    """Our number, with those beside it: ``ratio 1.08 (0.91 s per epoch)``."""
    if cell.summary is None:
        return formats.DASH + _beside(claims, cell)
    if cell.is_counted:
        return formats.plain(cell.summary.mean) + _beside(claims, cell)
    text = formats.mean_std(cell.summary, claims.content["quantities"][cell.claim["quantity"]]["digits"])
    if cell.claim["units"] == "s":
        text = f"ratio {text}" if cell.is_ratio else f"{text} s"
    return text + _beside(claims, cell)


def _beside(claims: Claims, cell: Comparison) -> str:
    """The numbers beside ours in brackets, after a space; they may be there where ours is not."""
    digits = claims.content["quantities"][cell.claim["quantity"]]["digits"]
    shown = [
        f"{label} {formats.plain(found.mean) if cell.is_counted else formats.number(found.mean, digits)}"
        for label, found in cell.companions.items()
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _overview_line(result: TableResult, treatment: str, claim: dict, letters: dict[str, str]) -> Line:
    cell = result.cells[treatment, claim["id"]]
    marks = "".join(f"[{letters[text]}]" for text in result.notes[treatment, claim["id"]])
    if cell.summary is None:
        text = f"{treatment}: {cell.verdict.kind}{_beside(result.claims, cell)} {marks}"
        return Line(text.strip(), cell.verdict.kind)
    count = "" if cell.is_bench or cell.is_counted else f", n={cell.n}"
    return Line(
        f"{treatment}: {ours(result.claims, cell)}{count} {cell.verdict.kind} {marks}".strip(), cell.verdict.kind
    )


def notes(claims: Claims, store: Store, cell: Comparison) -> list[str]:
    """What a reader must know of our number: precision, limits, missing runs, older methods."""
    notes = list(cell.precision_notes)
    if cell.evidence is None:
        return notes
    timed = _timed(cell) if cell.is_bench else ""
    if timed:
        notes.append(timed)
    if cell.capped is not None and claims.margin(cell.claim) is not None:
        cut = sum(claims.capped_at(record) is not None for record in cell.evidence.records)
        says = claims.budget(cell.evidence.records[0].plan["experiment"]).says
        notes.append(f"{cut} of {len(cell.evidence)} runs capped at {cell.capped} epochs; {says}")
    if cell.evidence.cut_to and claims.margin(cell.claim) is not None:
        notes.append(f"trained on {cell.evidence.cut_to:,} samples only")
    plan = cell.evidence.records[0].plan
    planned = store.planned(plan["experiment"], plan["variant"], plan["scale"])
    expected = len([p for p in planned if p["hardware"] == plan["hardware"]])
    if len(cell.evidence) < expected:
        notes.append(f"{len(cell.evidence)} of {expected} planned runs")
    notes += dict.fromkeys(record.other_version for record in cell.evidence.records if record.other_version)
    if cell.evidence.dirty:
        notes.append("made from a checkout with uncommitted changes: no evidence for a verdict")
    return notes


def _timed(cell: Comparison) -> str:
    """What a bench's time is of, where the bench says so: a number of images."""
    record = cell.evidence.records[0]
    images = record.value("bench/images", cell.claim["measure"]["row"])
    if images is None:
        return ""
    config = record.result["config"]
    count = "one by one" if images == config.get("singles") != config["images"] else f"in batches of {config['batch']}"
    return f"timed over {images:,} images {count}, {config['weights']} nets, median of {config['rounds']} rounds"


def _letter(index: int) -> str:
    return chr(ord("a") + index) if index < 26 else f"a{index - 25}"
