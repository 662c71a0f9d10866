"""A compared table on the page: one treatment at a time, each number leading to everything behind it."""

from __future__ import annotations

from ffrepro.claims import table_pairs, tables, verdict
from ffrepro.claims.anchors import anchor
from ffrepro.claims.blocks import Block, Folded, Line, Notice, Paragraph, Switch, Table
from ffrepro.claims.tables import TableResult

_STANDIN = "Stand-in data made by this project: the numbers show that the pipeline runs, nothing else."


def body(results: list[TableResult]) -> list[Block]:
    """A table from the best evidence and from a scale's, where these differ.

    Its tests, notes and deviations stand at the claims that its cells lead to.
    """
    content: list[Block] = []
    if any(result.standin for result in results):
        content.append(Notice(_STANDIN))
    shown = [(treatment, result) for result in results for treatment in result.claims.treatments]
    parts: dict[str, list[Block]] = {
        f"{treatment}, {result.scope}" if len(results) > 1 else treatment: [of_treatment(result, treatment)]
        for treatment, result in shown
    }
    content.append(Switch(parts))
    for result in results:
        if result.by_machine is not None:
            content += [Paragraph(f"{tables.BY_MACHINE} ({result.scope})"), result.by_machine]
    pairs = [(result, table_pairs.table(result.pairs)) for result in results if result.pairs]
    for result, table in pairs:
        content.append(Folded(f"Our own samples against each other, two-tailed tests ({result.scope})", [table]))
    return content


def of_treatment(result: TableResult, treatment: str) -> Table:
    """The paper's own layout, our number and the verdict under each of its."""
    rows: list[list[str | list[Line]]] = []
    for label, shorts in result.rows().items():
        row: list[str | list[Line]] = [label]
        row += [_cell(result, treatment, result.claims.claim(short)) for short in shorts]
        rows.append(row)
    return Table(["", *result.columns()], rows, stacked=True)


def _cell(result: TableResult, treatment: str, claim: dict) -> list[Line]:
    cell, kind = result.cells[treatment, claim["id"]], result.cells[treatment, claim["id"]].verdict.kind
    count = f" (n = {cell.n})" if cell.n and not cell.is_counted else ""
    lines = [Line(f"paper {tables.published(result.claims, claim)}")]
    if cell.summary is not None or cell.companions:
        lines.append(Line(f"ours {tables.ours(result.claims, cell)}{count}"))
    return [*lines, Line(f"{verdict.MARKS[verdict.sum_of(kind)]} {kind}", kind, anchor(claim["id"]))]
