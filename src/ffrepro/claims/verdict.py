"""The list of verdicts, and the rules that assign one to a measured number.

The rule, for a published value v with a margin, and n runs of ours (alpha .05, p after Holm's correction over the
family of the claim, its published table):

1. no runs: not run. Stand-in data: never a verdict.
2. a count that was cut short by the epoch limit (it is only a lower bound), or n < 3: inconclusive. A timed ratio has
   fresh processes in place of runs, each with interleaved rounds.
3. v lies outside of the interval in which our runs predict it, and further away than the margin: better or worse, by
   the good direction; not comparable where there is none. But short of v after fewer epochs than the paper's is
   inconclusive: more training might have closed the gap.
4. two one-sided tests place ours within the margin of v: reproduced; holds loosely where v is outside of that interval.
5. v lies inside: compatible, unless that interval is ten times as wide as the margin, and predicts nearly anything. A
   published value without a spread is a draw like ours (the mean of as many as the paper says, else one), not an exact
   number.
6. anything else: inconclusive.

Where the difference rests on our reading of what the paper does not state, 3 is "protocol not stated".
"""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.claims.records import ENOUGH

ALPHA = 0.05
TOO_WIDE = 10  # margins: an interval wider than that predicts nearly anything
ENOUGH_ROUNDS = 6  # of a process: with fewer there is no 95 % interval of a median

REPRODUCED = "reproduced"
COMPATIBLE = "compatible"
HOLDS = "holds"
LOOSELY = "holds loosely"
BETTER = "better"
WORSE = "worse"
INCONCLUSIVE = "inconclusive"
REFUTED = "refuted by the paper's own figures"
MET = "setting met"
NOT_MET = "setting not met by the paper"
SHORTENED = "setting shortened by us"
UNSTATED = "protocol not stated"
NOT_COMPARABLE = "not comparable"
NOT_TESTABLE = "not testable"
NOT_RUN = "not run"
STANDIN = "smoke (stand-in data)"
KINDS = (
    REPRODUCED, COMPATIBLE, HOLDS, LOOSELY, BETTER, WORSE, INCONCLUSIVE, REFUTED, MET, NOT_MET, SHORTENED, UNSTATED,
    NOT_COMPARABLE, NOT_TESTABLE, NOT_RUN, STANDIN,
)  # fmt: skip

# What the verdicts come to where there is no room for sixteen of them. More runs may decide what is open; none decides
# what cannot be judged.
HOLD, AHEAD, HOLD_NOT, TOLD_NOT, RUN_NOT = "hold", "came out better", "do not", "open", "not run"
UNJUDGED = "cannot be judged"
SUMS = {
    HOLD: (REPRODUCED, COMPATIBLE, HOLDS, LOOSELY, MET),
    AHEAD: (BETTER,),  # another number than the published one, on the good side of it
    HOLD_NOT: (WORSE, REFUTED, NOT_MET),
    TOLD_NOT: (INCONCLUSIVE, SHORTENED),
    RUN_NOT: (NOT_RUN, STANDIN),
    UNJUDGED: (UNSTATED, NOT_COMPARABLE, NOT_TESTABLE),
}
MARKS = {HOLD: "✓", AHEAD: "▲", HOLD_NOT: "✗", TOLD_NOT: "?", RUN_NOT: "○", UNJUDGED: "⊘"}


def sum_of(kind: str) -> str:
    """Which of ``SUMS`` a kind belongs to."""
    return next(name for name, kinds in SUMS.items() if kind in kinds)


@dataclass(frozen=True)
class Verdict:
    """One of ``KINDS`` and why."""

    kind: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


@dataclass(frozen=True)
class Case:
    """What the rule looks at.

    Attributes:
        n: runs, or processes of a bench; ``unit`` says which.
        beyond: whether ours is further from the published value than the margin.
        good: whether ours is on the good side, None where no side is.
        p_different: that our runs would draw the published value, adjusted; ``p_alone``: before Holm's correction.
        p_equivalent: of the equivalence test, adjusted; all NaN where n is below two.
        tests: how many the correction was over.
        wide: whether the interval in which ours predict the published value is too wide to say anything.
        by, margin: the difference and the margin in words.
        censored: the number is a count that a cut-short run does not reach.
        capped: the epochs at which runs were cut short, None where none was.
    """

    n: int
    beyond: bool
    good: bool | None
    p_different: float
    p_alone: float
    p_equivalent: float
    by: str
    margin: str
    tests: int = 1
    wide: bool = False
    unit: str = "run"
    censored: bool = False
    capped: int | None = None


def of_runs(case: Case) -> Verdict:
    """Rules 2 to 6."""
    if case.censored and case.capped is not None:
        return Verdict(INCONCLUSIVE, f"capped at {case.capped} epochs")
    if case.n < ENOUGH:
        return too_few(case.n, case.unit)
    if case.beyond and case.p_different < ALPHA:
        return _apart(case)
    inside, ours = case.p_alone >= ALPHA, f"our {case.unit}{_plural(2, case.unit)}"
    if case.p_equivalent < ALPHA:
        if inside:
            return Verdict(REPRODUCED, f"within the margin of {case.margin}")
        return Verdict(LOOSELY, f"within the margin of {case.margin}, but outside of what {ours} predict")
    if inside and case.wide:
        return Verdict(INCONCLUSIVE, f"too wide: {ours} predict nearly anything beside it")
    if inside:
        return Verdict(COMPATIBLE, f"{ours} predict it; equivalence within {case.margin} is not shown")
    if case.beyond:
        return Verdict(
            INCONCLUSIVE, f"differs by {case.by}, which does not survive Holm's correction over {case.tests} tests"
        )
    return Verdict(INCONCLUSIVE, f"differs by {case.by}, within the margin of {case.margin}: equivalence is not shown")


def _apart(case: Case) -> Verdict:
    by = f"by {case.by}, margin {case.margin}"
    if case.capped is not None and not case.good:
        return Verdict(INCONCLUSIVE, f"short of the published value {by}, but capped at {case.capped} epochs")
    if case.good is None:
        return Verdict(NOT_COMPARABLE, f"differs {by}; less or more of it is no merit")
    return Verdict(BETTER if case.good else WORSE, by)


def too_few(n: int, unit: str) -> Verdict:
    """A number of runs, or of processes that times were taken in, which concludes nothing."""
    timed = "timed in " if unit == "process" else ""
    return Verdict(INCONCLUSIVE, f"{timed}n = {n} {unit}{_plural(n, unit)}, at least {ENOUGH} needed")


def of_side(*, n: int, mean: float, p: float, expected: tuple[float, float], threshold: float) -> Verdict:
    """The verdict on the direction of a ratio: on which side of a threshold it lies, whatever its size.

    Args:
        n: processes it was timed in. p: that the mean over them differs from the threshold, adjusted.
        expected: the least and the largest ratio that the printed digits allow.
    """
    low, high = expected
    if low < threshold < high:
        return Verdict(INCONCLUSIVE, f"the printed digits leave open on which side of {threshold:g} it is")
    if n < ENOUGH:
        return too_few(n, "process")
    if not p < ALPHA:
        return Verdict(INCONCLUSIVE, f"the interval spans {threshold:g}")
    side = "above" if mean > threshold else "below"
    if (low >= threshold) == (mean > threshold):
        return Verdict(HOLDS, f"{side} {threshold:g} as published")
    return Verdict(WORSE, f"{side} {threshold:g}, the other way round than published")


def _plural(n: int, unit: str) -> str:
    return "" if n == 1 else "es" if unit.endswith("s") else "s"
