"""Every claim as an entry of the page that a reader can search for: verdict, tests, runs, deviations, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ffrepro.claims import formats, reproduce, tables, verdict
from ffrepro.claims.anchors import anchor, group_of
from ffrepro.claims.assess import Assessment
from ffrepro.claims.blocks import Block, Bullets, Code, Entry, Finder, Line, Paragraph, Table
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.figures.style import Drawn
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.claims.tables import TableResult

Column = tuple[str, Comparison]  # what it is called, and the numbers


def finder(papers: dict[str, str], found: list[Entry]) -> Finder:
    """The controls for some entries.

    Args:
        papers: key -> what it is called.
    """
    sums = {name: f"{verdict.MARKS[name]} {name}" for name in verdict.SUMS}
    kinds = {kind: kind for kind in verdict.KINDS if any(entry.facets["verdict"] == kind for entry in found)}
    return Finder({"paper": papers, "outcome": sums, "verdict": kinds}, len(found))


@dataclass(frozen=True)
class Source:
    """What a paper's entries are made of.

    Attributes:
        results: its compared tables, whose numbers of another scale stand beside those of the best evidence.
        figures: those that were drawn. hours: what a planned run takes.
    """

    claims: Claims
    store: Store
    results: list[TableResult]
    figures: list[Drawn]
    hours: reproduce.Hours | None = None


def of_paper(source: Source, assessments: dict[str, Assessment]) -> list[Entry]:
    """An entry for each claim of a paper."""
    return [_entry(source, assessment) for assessment in assessments.values()]


def _entry(source: Source, assessment: Assessment) -> Entry:
    claims, claim = source.claims, assessment.claim
    short, kind = claim["id"].split("/")[1], assessment.verdict.kind
    shown_in = list(dict.fromkeys(result.name for result in source.results if claim["id"] in result.ids()))
    own = " (asked by us)" if claim.get("own") else ""
    head = {
        "mark": verdict.MARKS[verdict.sum_of(kind)],
        "number": f"{claims.short} {short}",
        "what": f"{claim['where']}. {claim['row']}: {claim['metric']}{own}",
        "published": f"paper {_published(claims, claim)}",
        "ours": _ours(claims, assessment),
        "verdict": kind,
    }
    facets = {"paper": claims.paper, "outcome": verdict.sum_of(kind), "verdict": kind}
    inside = _inside(source, assessment, shown_in)
    return Entry(anchor(claim["id"]), head, facets, _words(claims, claim, kind, shown_in), inside)


def _inside(source: Source, assessment: Assessment, shown_in: list[str]) -> list[Block]:
    claims, claim = source.claims, assessment.claim
    content: list[Block] = [Paragraph(f"“{claim['quote']}” ({claims.content['title']}, {claim['where']})")]
    if assessment.verdict.reason:
        content.append(Paragraph(str(assessment.verdict)))
    columns = _columns(assessment, source.results)
    content.append(_numbers(claims, source.store, columns) if columns else _findings(assessment))
    said = [f"From the published numbers: {assessment.derived}"] if assessment.derived else []
    said += [f"The released code: {claim['code']}"] if "code" in claim else []
    said += [f"Note: {claim['note']}"] if "note" in claim else []
    said += _deviations(claims, claim)
    said += [f"Shown in [{result.spec['title']}](#{result.anchor})" for result in _first(source.results, shown_in)]
    said += [f"Figure: [{figure.title}](#{figure.anchor(claims.paper)})" for figure in source.figures
             if claim["id"].split("/")[1] in figure.claims]  # fmt: skip
    said += _runs(assessment)
    missing = reproduce.cost(reproduce.needed(claims, source.store, claim), source.store, source.hours)
    said += [f"Not run: {missing}"] if missing else []
    if said:
        content.append(Bullets(said))
    content.append(Paragraph("How to make this number again:"))
    content.append(Code(reproduce.commands(claims, source.store, assessment, shown_in)))
    return content


def _findings(assessment: Assessment) -> Table:
    """The verdicts on what is no number."""
    rows: list[list[str | list[Line]]] = [
        [name or "every treatment", [_line(finding.verdict)], finding.evidence, finding.scale or formats.DASH]
        for name, finding in assessment.findings.items()
    ]
    return Table(["treatment", "verdict", "rests on", "scale"], rows)


def _deviations(claims: Claims, claim: dict) -> list[str]:
    touching = {name: claims.deviations(claim, name) for name in claims.treatments}
    return [
        f"Deviation {entry['id']} ({', '.join(treatments)}): {entry['text']}"
        for entry in claims.content["deviations"]
        if (treatments := [name for name, found in touching.items() if entry in found])
    ]


def _columns(assessment: Assessment, results: Iterable[TableResult]) -> list[Column]:
    """The best evidence under each treatment, then what tables of a scale have from other runs."""
    columns = list(assessment.comparisons.items())
    seen = {(name, comparison.runs) for name, comparison in columns}
    for result in results:
        for treatment in assessment.comparisons:
            cell = result.cells.get((treatment, assessment.claim["id"]))
            if cell is not None and cell.runs and (treatment, cell.runs) not in seen:
                seen.add((treatment, cell.runs))
                columns.append((f"{treatment}, {result.scope}", cell))
    return columns


def _numbers(claims: Claims, store: Store, columns: list[Column]) -> Table:
    """Everything that the verdict rests on, a column for each treatment."""
    digits = {name: claims.content["quantities"][cell.claim["quantity"]]["digits"] for name, cell in columns}

    def row(label: str, text: Callable[[str, Comparison], str | list[Line]]) -> list[str | list[Line]]:
        return [label, *(text(name, cell) for name, cell in columns)]

    def interval(name: str, ends: tuple[float, float]) -> str:
        return formats.interval(*ends, digits[name])

    rows = [
        row("protocol", lambda _, c: claims.protocol(c.claim) or formats.DASH),
        row("published", lambda _, c: tables.published(claims, c.claim)),
        row("ours", lambda _, c: tables.ours(claims, c)),
        row("n", lambda _, c: str(c.n or formats.DASH)),
        row("95 % CI", lambda name, c: interval(name, (c.summary.low, c.summary.high)) if c.summary else formats.DASH),
        row("predicted for the paper", lambda name, c: interval(name, c.power.predicted)),
        row("ours minus published", lambda name, c: formats.signed(c.difference, digits[name])),
        row("p, after Holm", lambda _, c: _two(c.tests.different, c.tests.holm_different)),
        row("p of equivalence, after Holm", lambda _, c: _two(c.tests.equivalent, c.tests.holm_equivalent)),
        row("margin", lambda _, c: c.tests.margin or formats.DASH),
        row("detects", lambda _, c: c.power.detects or formats.DASH),
        row("equivalence up to", lambda _, c: c.power.reaches or formats.DASH),
        row("verdict", lambda _, c: [_line(c.verdict)]),
        row("by the margin set beforehand", lambda _, c: [_line(c.beforehand)] if c.beforehand else formats.DASH),
        row(
            "evidence", lambda _, c: f"scale {c.evidence.scale}, {c.evidence.hardware}" if c.evidence else formats.DASH
        ),
        row("notes", lambda _, c: "; ".join(tables.notes(claims, store, c)) or formats.DASH),
    ]
    kept = [one for one in rows if any(cell != formats.DASH for cell in one[1:])]
    return Table(["", *(name for name, _ in columns)], kept)


def _two(alone: float, adjusted: float) -> str:
    first = formats.p_value(alone)
    return first if first == formats.DASH else f"{first}, {formats.p_value(adjusted)}"


def _line(found: verdict.Verdict) -> Line:
    return Line(f"{verdict.MARKS[verdict.sum_of(found.kind)]} {found}", found.kind)


def _runs(assessment: Assessment) -> list[str]:
    found = []
    for treatment, finding in assessment.findings.items():
        groups: dict[str, int] = {}
        for run in finding.runs:
            groups[group_of(run)] = groups.get(group_of(run), 0) + 1
        links = ", ".join(f"[{group}](#{anchor(group)}) ×{count}" for group, count in groups.items())
        found += [f"Runs{f', {treatment}' if treatment else ''}: {links}"] if links else []
    return found


def _published(claims: Claims, claim: dict) -> str:
    if claim["kind"] == "measured":
        return tables.published(claims, claim)
    return f"{formats.plain(claim['value'])} {claim['units']}".strip()


def _ours(claims: Claims, assessment: Assessment) -> str:
    comparison = next(iter(assessment.comparisons.values()), None)
    return f"ours {tables.ours(claims, comparison)}" if comparison and comparison.summary else ""


def _words(claims: Claims, claim: dict, kind: str, shown_in: list[str]) -> str:
    """What a search looks through, in lower case; "Table 1" is found as "table1", too."""
    measure = claim.get("measure", {})
    parts = [claim["id"], claims.short, claim["where"], claim["where"].replace(" ", ""),
             claim["row"], claim["metric"], claim["quote"], kind, *shown_in, *map(str, measure.values())]  # fmt: skip
    return " ".join(parts).lower()


def _first(results: Iterable[TableResult], names: Iterable[str]) -> list[TableResult]:
    first: dict[str, TableResult] = {}
    for result in results:
        first.setdefault(result.name, result)
    return [first[name] for name in names]
