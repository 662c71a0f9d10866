"""The audit in the report, and as text on a terminal."""

from __future__ import annotations

from collections import Counter

from ffrepro.claims.audit import checks, form
from ffrepro.claims.audit.checks import RESULTS, Row
from ffrepro.claims.blocks import Block, Heading, Line, Paragraph, Table

HEADER = ["Check", "Where", "The paper says", "Kind", "Result", "Computed", "Explanation", "Rests on"]


def section(paper: str) -> list[Block]:
    """The audit of a paper's own figures; nothing of a paper that has no audit file.

    Raises:
        FfreproError: an audit file that cannot be read.
    """
    if paper not in form.papers():
        return []
    rows = checks.rows(form.load(form.find(paper)))
    cells = [_cells(row) for row in rows]
    return [
        Heading("Audit of the paper's own figures", 2, f"{paper}-audit"),
        Paragraph(
            f"{summary(rows)}. Nothing was trained for these: each statement is computed again from what the paper "
            "prints, with the intervals that its rounding leaves."
        ),
        Table(HEADER, cells, anchors=[f"audit-{paper}-{row.id}" for row in rows]),
    ]


def _cells(row: Row) -> list[str | list[Line]]:
    place = f"{row.place} (claim {row.claim})" if row.claim else row.place
    computed = f"`{row.computed.replace('`', '')}`"
    kind, result = row.kind.replace("_", " "), [Line(row.result, row.result)]
    return [row.id, place, row.quote, kind, result, computed, row.explanation, row.basis]


def summary(rows: list[Row]) -> str:
    """``31 checks: 9 inconsistent, 2 cannot be checked, 20 consistent``."""
    found = Counter(row.result for row in rows)
    counts = ", ".join(f"{found[result]} {result}" for result in RESULTS)
    return f"{len(rows)} check{'s' if len(rows) != 1 else ''}: {counts}"


def as_text(title: str, rows: list[Row], *, every: bool) -> str:
    """The audit for a terminal: what is inconsistent first; consistent checks in one line each.

    Args:
        every: also how the consistent ones were computed.
    """
    lines = [title, summary(rows), ""]
    for result in RESULTS:
        for row in (row for row in rows if row.result == result):
            lines.append(f'{result.upper()}  {row.id}  {row.place}: "{row.quote}"')
            if result != checks.CONSISTENT or every:
                lines += [f"    {row.explanation}", f"    computed: {row.computed}", f"    rests on: {row.basis}", ""]
    return "\n".join(lines).rstrip() + "\n"
