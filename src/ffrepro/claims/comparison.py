"""What came out of comparing one measured claim with our runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ffrepro.claims import verdict
from ffrepro.claims.records import Evidence
from ffrepro.claims.verdict import Verdict
from ffrepro.core import statistics as st


@dataclass(frozen=True)
class Tests:
    """p-values of one claim under one margin; NaN where there are none.

    Attributes:
        different: that our runs would draw the published value. equivalent: two one-sided tests within the margin.
        holm_different, holm_equivalent: the same after Holm's correction over the claim's family, of ``family`` tests.
        margin: in words.
    """

    __test__ = False  # pytest would collect a class of this name

    different: float = st.NAN
    equivalent: float = st.NAN
    holm_different: float = st.NAN
    holm_equivalent: float = st.NAN
    family: int = 0
    margin: str = ""


@dataclass(frozen=True)
class Power:
    """What n and spread allow, in words of the claim's scale.

    Attributes:
        predicted: the interval in which our runs predict the published value, in the paper's units.
        detects: the smallest difference that is found with a power of .8.
        reaches: the largest spread at which equivalence can be shown.
    """

    predicted: tuple[float, float] = (st.NAN, st.NAN)
    detects: str = ""
    reaches: str = ""


@dataclass(frozen=True)
class Comparison:
    """A claim's published number beside ours, under one treatment.

    Attributes:
        expected: what ours is compared with, in the measured quantity's units; ``rounded``: the values that print so.
        evidence: the runs, None where there is none.
        summary: of the runs' values, in the paper's units; of a bench that ran in one process the median over its
            rounds with their spread.
        n: runs; processes for a bench; 0 for what is counted.
        values: a run's (a process's) number each, in the paper's units. seeds, cut: of the same runs, the epochs at
            which each was cut short, None where it was not.
        beside: label -> the numbers of ours that are shown beside it, never judged.
        reduced: label of a number beside it, "" for our own -> the precision of its runs where that is not float32.
        rounds: of a bench, in each process. censored: a run cut short gives a lower bound.
        beforehand: the verdict by the margin that was set before the runs, where it is another one; ``span``: least and
            largest number that other readings of the protocol give.
    """

    claim: dict[str, Any]
    treatment: str
    expected: float
    evidence: Evidence | None
    summary: st.Summary | None
    n: int
    capped: int | None
    beside: dict[str, Comparison]
    verdict: Verdict
    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    cut: tuple[int | None, ...] = ()
    rounded: tuple[float, float] = (st.NAN, st.NAN)
    rounds: int = 0
    censored: bool = False
    tests: Tests = Tests()
    power: Power = Power()
    beforehand: Verdict | None = None
    span: tuple[float, float] | None = None
    reduced: dict[str, str] = field(default_factory=dict)

    @property
    def companions(self) -> dict[str, st.Summary]:
        """Label -> summary of the numbers that are shown beside it."""
        return {label: other.summary for label, other in self.beside.items()}

    @property
    def difference(self) -> float:
        """Ours minus the published; NaN without runs, of what cannot be compared, and where a word is published."""
        comparable = self.summary is not None and self.verdict.kind != verdict.NOT_COMPARABLE
        comparable = comparable and not isinstance(self.expected, str)
        return self.summary.mean - self.expected if comparable else st.NAN

    @property
    def precision_notes(self) -> list[str]:
        """``trained in bfloat16_mixed precision``, or whose of the numbers beside it were."""
        notes = []
        for precision in dict.fromkeys(self.reduced.values()):
            labels = [label or "ours" for label, name in self.reduced.items() if name == precision]
            whose = "" if labels == ["ours"] else f"{' and '.join(labels)} "
            notes.append(f"{whose}trained in {precision} precision")
        return notes

    @property
    def is_bench(self) -> bool:
        return self.claim["measure"].get("metric", "").startswith("bench/")  # what is counted has no metric

    @property
    def is_ratio(self) -> bool:
        """A bench's ratio, not its seconds."""
        return self.is_bench and self.claim["measure"]["metric"].startswith("bench/ratio")

    @property
    def is_counted(self) -> bool:
        return self.claim["kind"] == "counted"

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(record.run for record in self.evidence.records) if self.evidence else ()
