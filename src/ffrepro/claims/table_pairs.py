"""Our own samples against each other: the pairs of a paper's table, with their tests."""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.claims import conclusions, formats
from ffrepro.claims.blocks import Line, Table
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.load import Claims, Equivalence
from ffrepro.core import statistics as st


@dataclass(frozen=True)
class Pair:
    """Two of our own samples against each other: effect size, Student's, Welch's and, within seeds, the paired test.

    Attributes:
        paired: None where the runs do not share a split by seed.
        p_holm: of the paired test where it is there, else of Welch's, over the table.
        equivalent: p of two one-sided tests (paired where the test of a difference is) that the means lie within
            ``margin`` of each other; NaN where none is declared. equivalent_holm: the same, over the table.
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
    equivalent: float = st.NAN
    equivalent_holm: float = st.NAN
    margin: str = formats.DASH


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
        "p (equivalence)",
        "p (equivalence; Holm)",
        "Within",
        "Hedges' g [95 % CI]",
    ]
    rows: list[list[str | list[Line]]] = [
        [
            pair.label, pair.treatment, formats.mean_std(pair.a, pair.digits), formats.mean_std(pair.b, pair.digits),
            formats.p_value(pair.student.p), formats.p_value(pair.welch.p),
            formats.p_value(pair.paired.p if pair.paired else None), formats.p_value(pair.p_holm),
            formats.p_value(pair.equivalent), formats.p_value(pair.equivalent_holm), pair.margin,
            f"{formats.number(pair.effect.g, 1)} {formats.interval(pair.effect.low, pair.effect.high, 1)}",
        ]
        for pair in found
    ]  # fmt: skip
    return Table(header, rows, frozenset(range(2, len(header))))


def pairs(claims: Claims, spec: dict, treatment: str, cells: dict[str, Comparison]) -> list[Pair]:
    """The pairs that a table names, and cells beside other variants of ours, where both have runs."""
    found: list[tuple[Comparison, Comparison, str]] = []
    for first, second in spec["pairs"]:
        a, b = cells[claims.claim(first)["id"]], cells[claims.claim(second)["id"]]
        if a.summary is not None and b.summary is not None:
            found.append((a, b, b.claim["row"]))
    for cell in cells.values():
        others = [entry["label"] for entry in cell.claim.get("companions", []) if "variant" in entry]
        found += [(cell, cell.beside[name], name) for name in others if cell.summary and name in cell.beside]
    within = [_within(a, b) for a, b, _ in found]
    welch = [st.two_sample_t(a.summary, b.summary, equal_variance=False) for a, b, _ in found]
    adjusted = st.holm([(inside or test).p for inside, test in zip(within, welch, strict=True)])
    rules = [claims.equivalence(a.claim["quantity"]) for a, _, _ in found]
    alike = [_equivalent(a, b, rule) for (a, b, _), rule in zip(found, rules, strict=True)]
    return [
        Pair(f"{a.claim['row']} against {other}, {a.claim['metric']}", treatment, a.summary, b.summary,
             st.two_sample_t(a.summary, b.summary, equal_variance=True), test, inside,
             st.hedges_g(a.summary, b.summary), p, claims.content["quantities"][a.claim["quantity"]]["digits"],
             *same, rule.words if rule else formats.DASH)
        for (a, b, other), inside, test, p, rule, *same in zip(
            found, within, welch, adjusted, rules, alike, st.holm(alike), strict=True
        )
    ]  # fmt: skip


def _equivalent(a: Comparison, b: Comparison, rule: Equivalence | None) -> float:
    """p of two one-sided tests that two samples are the same; NaN without a margin, or of a single run."""
    if rule is None or min(len(a.values), len(b.values)) < 2:
        return st.NAN
    ours, theirs = ([rule.scale.of(value) for value in cell.values] for cell in (a, b))
    if conclusions.paired([a, b]):
        each = st.summarize([x - y for x, y in zip(ours, theirs, strict=True)])
        return st.tost_one_sample(each, 0.0, rule.margin)
    return st.tost_two_sample(st.summarize(ours), st.summarize(theirs), rule.margin)


def _within(a: Comparison, b: Comparison) -> st.Test | None:
    """The paired test of two samples; None where the runs do not share a split by seed."""
    if not conclusions.paired([a, b]):
        return None
    return st.one_sample_t(st.summarize([x - y for x, y in zip(a.values, b.values, strict=True)]), 0.0)
