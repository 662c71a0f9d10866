"""The first screen as blocks: the counts, the table of promises, the plots of errors and of ratios."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ffrepro.claims import verdict
from ffrepro.claims.anchors import anchor
from ffrepro.claims.assess import Assessment, counts
from ffrepro.claims.blocks import Block, Bullets, Either, Folded, Heading, Line, Paragraph, Point, Strip, Strips, Table
from ffrepro.claims.formats import DASH, number
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Store
from ffrepro.claims.reproduce import Hours
from ffrepro.claims.screen import words
from ffrepro.claims.screen.answers import Answer, Decider, Number, answers
from ffrepro.claims.screen.errors import Interval, Row, rows
from ffrepro.claims.screen.promises import promises

TITLE = "Does Forward-Forward really do that?"
LEAST, MOST = 0.05, 100.0  # percent: where the axis of errors begins and ends
TICKS = (0.1, 0.3, 1, 3, 10, 30, 100)
ERRORS = ("published, FF", "ours, FF", "ours, BP", "published, BP")
RATIOS = ("least possible", "ours, FF over BP")
OURS, ITSELF = "our question", "by the paper itself"  # what a cell says of its deciders
_RULE = [
    "yes, no: every claim that decides the promise has a verdict for it, or against it, and all agree; loosely: as "
    "yes, but at least one of them holds loosely only",
    "mixed: some verdicts are for the promise, some against it; partly yes, partly no: those that there are agree, and "
    "other claims are open, not run or cannot be judged",
    "open: there are runs, and they decide neither way so far; not run: what could decide has no runs",
    "cannot be judged: no run decides it, since the paper leaves open what was done, or its words name nothing to "
    "measure",
    "in brackets: how many of the deciding claims have a verdict for or against; by the paper itself: all of these "
    "are refuted by what the paper prints or says elsewhere, without any run of ours",
    "it says: what the paper says and the claims test, where that is not the promise in the first column itself",
    "not claimed: the paper has no sentence on it; numbers of ours may stand there all the same, and decide nothing",
    "A verdict is for the promise where the claim is reproduced, compatible, holds, or is a setting met; it is "
    "against it where the claim is worse, refuted by the paper's own figures, or a setting that the paper does not "
    "meet. A claim that speaks against the promise counts against it where it holds, and leaves it open where it does "
    "not.",
    "a / b %: test errors of Forward-Forward and of backpropagation on one data set, means over the seeds that both "
    "have at one scale, under the headline's treatment; × is the one's time or memory over the other's, from the least "
    "to the largest of the ratios below. These numbers stand beside the word; the verdicts make it.",
]


@dataclass(frozen=True)
class Column:
    """One paper on the first screen."""

    claims: Claims
    assessments: dict[str, Assessment]
    answers: list[Answer]
    errors: list[Row]


def column(claims: Claims, store: Store, assessments: dict[str, Assessment], hours: Hours | None = None) -> Column:
    """A paper's column.

    Args:
        hours: what a planned run takes.

    Raises:
        FfreproError: a number that the claims file names is not there.
    """
    return Column(claims, assessments, answers(claims, store, assessments, hours), rows(claims, assessments))


def tally(columns: Iterable[Column]) -> dict[str, int]:
    """The papers' own claims by what their verdicts come to (``verdict.SUMS``)."""
    found: Counter[str] = Counter()
    for column in columns:
        for kind, count in counts(column.assessments).items():
            found[verdict.sum_of(kind)] += count
    return {name: found[name] for name in verdict.SUMS}


def counted(columns: Sequence[Column]) -> str:
    """``4 papers · 549 claims of their own: ✓ 101 hold · ✗ 87 do not · ? 30 open · … · ⊘ 150 cannot be judged``."""
    found = tally(columns)
    shown = [f"{verdict.MARKS[name]} {count} {name}" for name, count in found.items() if count or name != verdict.AHEAD]
    papers = f"{len(columns)} paper{'s' if len(columns) != 1 else ''}"
    return f"{papers} · {sum(found.values())} claims of their own: {' · '.join(shown)}"


def first_screen(columns: Sequence[Column]) -> list[Block]:
    """Counts, promises, plots."""
    content: list[Block] = [Paragraph(counted(columns)), promise_table(columns)]
    content.append(Folded("What the words mean", [Bullets(_RULE)]))
    errors = [row for column in columns for row in column.errors]
    if errors:
        content.append(Heading("Errors: published, ours, backpropagation's", 3, "errors"))
        content.append(
            Either([error_strips(errors)], [_as_table(ERRORS, _error_cells(errors), last="verdict of ours, FF")])
        )
    ratios = [row for column in columns for row in _ratio_rows(column)]
    if ratios:
        content.append(Heading("Time and memory over backpropagation's", 3, "ratios"))
        content.append(Either([ratio_strips(ratios)], [_as_table(RATIOS, _ratio_cells(ratios))]))
    return content


def promise_table(columns: Sequence[Column]) -> Table:
    """A row for each promise, a column for each paper."""
    rows: list[list[str | list[Line]]] = []
    for index, promise in enumerate(promises()):
        row: list[str | list[Line]] = [promise.label]
        row += [_cell(column.answers[index]) for column in columns]
        rows.append(row)
    return Table(["promise", *(column.claims.short for column in columns)], rows, stacked=True)


def of_paper(column: Column) -> list[Block]:
    """What decides each promise of a paper."""
    found = [answer for answer in column.answers if answer.deciders or answer.numbers]
    if not found:
        return []
    paper = column.claims.paper
    rows: list[list[str | list[Line]]] = []
    for answer in found:
        deciders = [_decider(decider) for decider in answer.deciders]
        deciders += [Line(f"Not run: {answer.cost}")] if answer.cost else []
        asks = f"{answer.promise.label}. {answer.promise.asks}"
        word = [Line(str(answer.word), answer.word.word)]
        word += [Line(f"it says: {answer.says}")] if answer.says else []
        numbers: str | list[Line] = [Line(text) for text in answer.details] or DASH
        rows.append([asks, word, numbers, deciders or "the paper does not say so"])
    anchors = [place(answer) for answer in found]
    header = ["Promise", "Word", "Our numbers", "Claims that decide it"]
    return [Heading("What it promises", 3, f"{paper}-promises"), Table(header, rows, anchors=anchors, stacked=True)]


def place(answer: Answer) -> str:
    """Where the claims behind a cell stand."""
    return f"promise-{answer.paper}-{answer.promise.name}"


def _cell(answer: Answer) -> list[Line]:
    shown = answer.word is not words.NOT_CLAIMED or bool(answer.numbers)
    notes = [answer.told] if answer.told else []
    notes += [OURS] * answer.asked_by_us + [ITSELF] * answer.by_itself
    told = f" ({', '.join(notes)})" if notes else ""
    lines = [Line(f"{answer.word}{told}", answer.word.word, place(answer) if shown else "")]
    lines += [Line(f"it says: {answer.says}")] if answer.says else []
    lines += [Line(text) for text in answer.numbers]
    return lines + ([Line(answer.cost, words.NOT_RUN.word)] if answer.cost and answer.word is words.NOT_RUN else [])


def _decider(decider: Decider) -> Line:
    claim, found = decider.assessment.claim, decider.assessment.verdict
    against = " (speaks against it)" if decider.against else ""
    mark = verdict.MARKS[verdict.sum_of(found.kind)]
    text = f"{mark} {claim['id'].split('/')[1]} {claim['row']}: {claim['metric']}{against}: {found.kind}"
    return Line(text, found.kind, anchor(claim["id"]))


def along(value: float) -> float:
    """Where an error in percent stands on its logarithmic axis, from 0 to 100."""
    inside = min(max(value, LEAST), MOST)
    return 100 * math.log(inside / LEAST) / math.log(MOST / LEAST)


def error_strips(rows: Sequence[Row]) -> Strips:
    """One row for each headline claim."""
    drawn = []
    for row in rows:
        found = ((0, row.published), (1, row.ff), (2, row.bp), (3, row.published_bp))
        points = [_error_point(series, interval) for series, interval in found if interval is not None]
        drawn.append(Strip(row.label, points, _note(row), anchor(row.claim)))
    ticks = [(along(tick), f"{tick:g}") for tick in TICKS]
    return Strips("error in percent, 95 %", list(ERRORS), ticks, drawn)


def _note(row: Row) -> str:
    """``✓ compatible, n = 5``: what the row's own number comes to, which also says where the data are a stand-in."""
    kind = row.verdict.kind
    return f"{verdict.MARKS[verdict.sum_of(kind)]} {kind}{f', n = {row.n}' if row.n else ''}"


def ratio_strips(rows: Sequence[tuple[str, str, Number, Number | None]]) -> Strips:
    """One row for each ratio of time or memory."""
    top = max(1.25, *(0.25 * math.ceil(4 * ratio.value) for _, _, ratio, _ in rows))
    scale = 100 / top
    drawn = []
    for label, what, ratio, limit in rows:
        points = [Point(0, limit.value * scale, math.nan, math.nan, number(limit.value, 2))] if limit else []
        points.append(
            Point(1, ratio.value * scale, ratio.low * scale, min(ratio.high, top) * scale, number(ratio.value, 2))
        )
        drawn.append(
            Strip(f"{what}, {label}", points, f"{number(ratio.value, 2)}×", anchor(ratio.claim) if ratio.claim else "")
        )
    ticks = [(scale * tick / 4, f"{tick / 4:g}") for tick in range(int(4 * top) + 1)]
    return Strips("of backpropagation's (1)", list(RATIOS), ticks, drawn)


def _error_point(series: int, interval: Interval) -> Point:
    text = f"{interval.value:.2f} %"
    if not math.isnan(interval.low):
        text += f" [{interval.low:.2f}, {interval.high:.2f}]"
        return Point(series, along(interval.value), along(interval.low), along(interval.high), text)
    return Point(series, along(interval.value), math.nan, math.nan, text)


def _ratio_rows(column: Column) -> list[tuple[str, str, Number, Number | None]]:
    """(label, what, ratio, limit) of every ratio that answers a promise."""
    return [
        (f"{column.claims.short}: {ratio.label}", _what(answer), ratio, limit)
        for answer in column.answers
        for ratio, limit in zip(answer.ratios, answer.limits, strict=True)
    ]


def _what(answer: Answer) -> str:
    """``time (training step)``."""
    what = answer.promise.label.removeprefix("takes less ")
    return f"{what} ({answer.ratio_of})" if answer.ratio_of else what


def _as_table(series: Sequence[str], cells: list[list[str]], last: str | None = None) -> Table:
    """Numbers behind a label; ``last``: the title of a column of text behind them."""
    header = ["", *series, *([last] if last else [])]
    return Table(header, list(cells), frozenset(range(1, len(series) + 1)))


def _error_cells(rows: Iterable[Row]) -> list[list[str]]:
    def shown(interval: Interval | None) -> str:
        return DASH if interval is None else _error_point(0, interval).text

    return [[row.label, *map(shown, (row.published, row.ff, row.bp, row.published_bp)), _note(row)] for row in rows]


def _ratio_cells(rows: Iterable[tuple[str, str, Number, Number | None]]) -> list[list[str]]:
    return [
        [f"{what}, {label}", number(limit.value, 2) if limit else DASH, number(ratio.value, 2)]
        for label, what, ratio, limit in rows
    ]
