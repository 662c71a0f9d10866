"""Our own samples against each other: the pairs of a paper's table, with their tests."""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.claims import conclusions, formats
from ffrepro.claims.blocks import Line, Table
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.load import Claims
from ffrepro.core import statistics as st


@dataclass(frozen=True)
class Pair:
    """Two of our own samples against each other: effect size, Student's, Welch's and, within seeds, the paired test.

    ``paired`` is None where the runs do not share a split by seed; ``p_holm`` is of it where it is there, else Welch's,
    over the table.
    """

    label: str
    treatment: str
    a: st.Summary
    b: st.Summary
    student: st.Test
    welch: st.Test
    paired: st.Test | None
    effect: st.Effect
    p_holm: float
    digits: int


def table(found: list[Pair]) -> Table:
    """Our own samples against each other."""
    header = [
        "Pair",
        "Treatment",
        "First",
        "Second",
        "p (Student)",
        "p (Welch)",
        "p (paired by seed)",
        "p (paired, else Welch; Holm)",
        "Hedges' g [95 % CI]",
    ]
    rows: list[list[str | list[Line]]] = [
        [
            pair.label, pair.treatment, formats.mean_std(pair.a, pair.digits), formats.mean_std(pair.b, pair.digits),
            formats.p_value(pair.student.p), formats.p_value(pair.welch.p),
            formats.p_value(pair.paired.p if pair.paired else None), formats.p_value(pair.p_holm),
            f"{formats.number(pair.effect.g, 1)} {formats.interval(pair.effect.low, pair.effect.high, 1)}",
        ]
        for pair in found
    ]  # fmt: skip
    return Table(header, rows, frozenset(range(2, 9)))


def pairs(claims: Claims, spec: dict, treatment: str, cells: dict[str, Comparison]) -> list[Pair]:
    """The pairs that a table names, and cells beside other variants of ours, where both have runs."""
    found = []
    for first, second in spec["pairs"]:
        a, b = cells[claims.claim(first)["id"]], cells[claims.claim(second)["id"]]
        if a.summary is None or b.summary is None:
            continue
        found.append((a, b.summary, b.claim["row"], _within(a, b)))
    for cell in cells.values():
        others = [entry["label"] for entry in cell.claim.get("companions", []) if "variant" in entry]
        beside = {name: cell.beside[name] for name in others if cell.summary and name in cell.beside}
        found += [(cell, other.summary, name, _within(cell, other)) for name, other in beside.items()]
    welch = [st.two_sample_t(a.summary, b, equal_variance=False) for a, b, *_ in found]
    adjusted = st.holm([(entry[-1] or test).p for entry, test in zip(found, welch, strict=True)])
    return [
        Pair(f"{a.claim['row']} against {other}, {a.claim['metric']}", treatment, a.summary, b,
             st.two_sample_t(a.summary, b, equal_variance=True), test, within, st.hedges_g(a.summary, b),
             p,
             claims.content["quantities"][a.claim["quantity"]]["digits"])
        for (a, b, other, within), test, p in zip(found, welch, adjusted, strict=True)
    ]  # fmt: skip


def _within(a: Comparison, b: Comparison) -> st.Test | None:
    """The paired test of two samples; None where the runs do not share a split by seed."""
    if not conclusions.paired([a, b]):
        return None
    return st.one_sample_t(st.summarize([x - y for x, y in zip(a.values, b.values, strict=True)]), 0.0)
