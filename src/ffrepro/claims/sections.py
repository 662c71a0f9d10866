"""The report's sections, as blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from ffrepro.claims import evidence_sections, formats, table_files, table_pages, verdict
from ffrepro.claims.anchors import anchor, group_of
from ffrepro.claims.assess import Assessment, counts
from ffrepro.claims.blocks import (
    Block,
    Bullets,
    Either,
    Folded,
    Heading,
    Line,
    Notice,
    Paragraph,
    Picture,
    Table,
)
from ffrepro.claims.figures.style import Drawn
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Record, Store
from ffrepro.claims.screen import view
from ffrepro.claims.tables import TableResult

_SHOWN_RUNS = 3
_RULE = [
    "not run: there is no run, or not of every condition, and the reason says what is missing; neither stand-in data "
    "nor runs of a checkout with uncommitted changes give a verdict",
    f"inconclusive: fewer than {verdict.ENOUGH} runs (of a timed ratio: fresh processes, each with interleaved "
    "rounds), a count that the epoch limit cut short, or numbers that tell neither way",
    "a published value without a spread is a draw like ours, the mean of as many runs as the paper says, else of one; "
    "a printed value is every value that rounds to it; p is Holm's over the first table that shows the value (p < .05)",
    "reproduced: two one-sided tests place ours within the margin of the published value, and our runs predict it "
    "(95 %); holds loosely: the first without the second; compatible: the second without the first",
    "better or worse: outside of that interval and of the margin, by the good direction; a quantity without one is "
    "not comparable then; worse after fewer epochs than the paper's counts as inconclusive",
    "protocol not stated: such a difference, or any number, that rests on what the paper leaves open and we had to "
    "choose; with the range of our choices",
    "holds, worse, inconclusive of a conclusion: each of its comparisons is tested on our runs, within seeds where "
    "they share a split, epochs by an exact log-rank test; the comparison that decides is named",
    "holds loosely of a conclusion: true of the paper's figures, and of much else; refuted by the paper's own figures: "
    "false of them however they were rounded, or contradicted by what the paper says elsewhere; the reason names the "
    "place",
    "setting met: our runs have the setting, or, of a property that the paper claims, our code has it, as the reason "
    "says; not met by the paper: its data or released code have another value; shortened by us",
    "not comparable: shown, but never judged; not testable: no experiment decides it as it is worded",
    "in short, at the head of the report: protocol not stated, not comparable and not testable cannot be judged, by no "
    "number of runs; inconclusive and shortened are open, and more runs may decide them",
    "post hoc: a margin set after runs were seen; the verdict by the earlier one stands beside",
]
_STANDIN = (
    "Scale smoke runs on stand-in data that this project makes itself, for a few epochs. Its numbers show that "
    "everything runs, and nothing about Forward-Forward. Verdicts come from runs on real data, where there are any."
)


_BAD = (
    "Records left out because they are damaged or say what no run can have left: {}. Nothing in this report rests on "
    "them; remove them and run them again, or import them again from where they were made."
)


def window_title(scale: str, records: list[Record]) -> str:
    """The page's title."""
    return f"ffrepro report, scale {scale}" + (" (stand-in data)" if any(r.standin for r in records) else "")


def head(store: Store, scale: str, columns: list[view.Column]) -> list[Block]:
    """The first screen, and what nobody may overlook."""
    content: list[Block] = [Heading(view.TITLE, 1, "top", "the answer")]
    wanted = store.wanted(scale)
    if any(store.plans[run]["source"] == "standin" for run in wanted):
        content.append(Notice(_STANDIN))
    if store.bad:
        content += [Notice(_BAD.format(len(store.bad))), evidence_sections.with_reasons(store.bad)]
    place = f"scale {scale} ({', '.join(store.hardware)})"
    done = f"{len(wanted) - len(store.missing(scale))} of {len(wanted)} planned runs have a record"
    return [
        *content,
        *view.first_screen(columns),
        Paragraph(
            "What papers on the Forward-Forward algorithm claim, run again with backpropagation beside it; times are "
            "compared within one process alone. "
            f"Tables and figures below are of {place}: {done}. Each verdict rests on the best evidence there is: "
            "scale paper before lite, this checkout's runs and the committed ones alike; what it rests on is named "
            "beside it."
        ),
    ]


def summary(claims: Claims, assessments: dict[str, Assessment]) -> list[Block]:
    """How many claims got which verdict, and the rule behind it."""
    content = claims.content
    found = counts(assessments)
    rows: list[list[str | list[Line]]] = [[[Line(kind, kind)], str(count)] for kind, count in found.items()]
    treatments = [f"{name}: {what}" for name, what in content["treatments"].items()]
    return [
        Heading(content["title"], 2, claims.paper, claims.short),
        Paragraph(f"{content['source']}. The author's code: {content['code']}."),
        Paragraph(f"{sum(found.values())} claims. Verdicts of the treatment {claims.treatments[0]}:"),
        Either([Paragraph(" · ".join(_counted(kind, count) for kind, count in found.items()))],
               [Table(["Verdict", "Claims"], rows, frozenset({1}))]),
        Folded("How verdicts are given", [
            Bullets(_RULE), Paragraph("Treatments:"), Bullets(treatments), Paragraph("Margins, set beforehand:"),
            Bullets([f"{name} {_margin(entry)}: {entry['why']}" for name, entry in content["quantities"].items()]),
        ]),
    ]  # fmt: skip


def _counted(kind: str, count: int) -> str:
    return f"{verdict.MARKS[verdict.sum_of(kind)]} {count} {kind}"


def paper_tables(results: list[TableResult]) -> list[Block]:
    """The paper's tables beside ours."""
    content: list[Block] = []
    for _, group in groupby(results, key=lambda result: result.name):
        found = list(group)
        title = found[0].spec["title"] + ("; STAND-IN DATA, no result" if any(r.standin for r in found) else "")
        page: list[Block] = [Heading(title, 3, found[0].anchor), *table_pages.body(found)]
        text = [block for one in found for block in (Heading(one.title, 3, one.anchor), *table_files.body(one))]
        content.append(Either(page, text))
    return content


def figures(claims: Claims, assessments: dict[str, Assessment], drawn: Iterable[tuple[Drawn, Picture]]) -> list[Block]:
    """The figures with the claims that they answer and the tables that belong to them."""
    content: list[Block] = [Heading("Figures", 3, f"{claims.paper}-figures")]
    for figure, picture in drawn:
        shows = f" (the paper's {figure.shows})" if figure.shows else ""
        content += [Heading(f"{figure.title}{shows}", 4, figure.anchor(claims.paper)), picture]
        answered = [assessments[f"{claims.paper}/{short}"] for short in figure.claims]
        if answered:
            content.append(Bullets([_answered(assessment) for assessment in answered]))
        content += [Folded("Numbers", [table]) for table in figure.tables]
    return content


def _answered(assessment: Assessment) -> str:
    claim, kind = assessment.claim, assessment.verdict.kind
    number = claim["id"].split("/")[1]
    mark = verdict.MARKS[verdict.sum_of(kind)]
    return f"Answers [{number}](#{anchor(claim['id'])}) {claim['row']}: {claim['metric']}. {mark} {kind}"


def all_claims(claims: Claims, assessments: dict[str, Assessment]) -> list[Block]:
    """Every claim with its verdict and what it rests on."""
    header = ["Claim", "Where", "What", "Published", "Verdict", "Evidence", "Scale", "n"]
    header += [f"As {name}" for name in claims.treatments[1:]] + ["Runs"]
    rows = [_claim_row(claims, assessment) for assessment in assessments.values()]
    asked = sum(bool(assessment.claim.get("own")) for assessment in assessments.values())
    by_us = f", {asked} of them asked by us" if asked else ""
    return [
        Heading(f"All {len(rows)} claims{by_us}", 3, f"{claims.paper}-claims"),
        Paragraph(f"`ffrepro trace {next(iter(assessments))}` prints the way from a claim to its runs' files."),
        Table(header, rows, frozenset({7})),
    ]


def deviations(claims: Claims) -> list[Block]:
    """Where our runs differ from the paper's."""
    items = [f"{entry['id']}: {entry['text']}" for entry in claims.content["deviations"]]
    title = Heading("Deviations from the paper", 3, f"{claims.paper}-deviations")
    return [title, Folded(f"{len(items)} deviations; each stands at the claims that it touches", [Bullets(items)])]


def deeper(content: list[Block]) -> list[Block]:
    """Blocks with their headings a level down: sections of a study's own, within its paper's."""
    return [replace(block, level=block.level + 1) if isinstance(block, Heading) else block for block in content]


def pictures(content: list[Block]) -> Iterator[Picture]:
    """The pictures among the blocks."""
    for block in content:
        if isinstance(block, Picture):
            yield block


def _margin(entry: dict) -> str:
    if "threshold" in entry:
        return f"by its side of {entry['threshold']:g} alone"
    if "margin" not in entry:
        same = entry.get("equivalence")
        if same is None:
            return "never judged"
        within = formats.margin(same["margin"], "linear")
        return f"never judged; two samples of ours are the same within {within} ({same['why']})"
    text = formats.margin(entry["margin"], entry.get("scale", "linear"))
    if "post_hoc" in entry:
        later = entry["post_hoc"]
        text += f"; post hoc {formats.margin(later['margin'], later.get('scale', 'linear'))} ({later['why']})"
    return text


def _claim_row(claims: Claims, assessment: Assessment) -> list[str | list[Line]]:
    claim, found = assessment.claim, assessment.headline
    words = [found.evidence]
    if assessment.derived:
        words.append(f"From the published numbers: {assessment.derived}")
    if "code" in claim:
        words.append(f"The released code: {claim['code']}")
    if "note" in claim:
        words.append(f"Note: {claim['note']}")
    others = [
        [Line(str(assessment.findings[name].verdict), assessment.findings[name].verdict.kind)]
        if name in assessment.findings
        else ""
        for name in claims.treatments[1:]
    ]
    return [
        claim["id"].split("/")[1], claim["where"], f"{claim['row']}: {claim['metric']}",
        f"{formats.plain(claim['value'])} {claim['units']}".strip(), [Line(str(found.verdict), found.verdict.kind)],
        [Line(word) for word in words if word], found.scale or formats.DASH, str(assessment.n or formats.DASH), *others,
        _run_links(found.runs),
    ]  # fmt: skip


def _run_links(runs: tuple[str, ...]) -> str:
    groups = Counter(map(group_of, runs))
    shown = [f"{group} ×{count}" for group, count in list(groups.items())[:_SHOWN_RUNS]]
    more = len(groups) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") or formats.DASH
