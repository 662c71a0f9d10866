"""The list of verdicts, and the rules that assign one to a measured number.

The rule, for a claim with margin m and a published value v, and n runs with mean x (alpha .05, one claim at a time;
tables show beside it which differences survive Holm's correction):

1. no runs: not run. Stand-in data: never a verdict.
2. a count that was cut short by the epoch limit (it is only a lower bound), or n < 3: inconclusive.
3. two one-sided t-tests place the true mean within v ± m (p < .05): reproduced. A published spread enters through
   Welch's version of the test; a value without one is taken as exact.
4. the difference is significant (two-tailed t, p < .05) and |x - v| > m: better or worse, by the good direction.
   But worse after fewer epochs than the paper's is inconclusive: more training might have closed the gap.
5. anything else: inconclusive.
"""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.claims.records import ENOUGH

ALPHA = 0.05
ENOUGH_ROUNDS = 6  # with fewer there is no 95 % interval of a median

REPRODUCED = "reproduced"
BETTER = "better"
WORSE = "worse"
INCONCLUSIVE = "inconclusive"
NOT_RUN = "not run"
NOT_COMPARABLE = "not comparable"
REFUTED = "refuted by the paper's own figures"
MET = "setting met"
NOT_MET = "setting not met"
STANDIN = "smoke (stand-in data)"
KINDS = (REPRODUCED, BETTER, WORSE, INCONCLUSIVE, REFUTED, MET, NOT_MET, NOT_COMPARABLE, NOT_RUN, STANDIN)


@dataclass(frozen=True)
class Verdict:
    """One of ``KINDS`` and why."""

    kind: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


def of_runs(
    *,
    n: int,
    difference: float,
    margin: float,
    better: str,
    p_equivalent: float,
    p_different: float,
    censored: bool,
    capped: int | None,
) -> Verdict:
    """Rules 2 to 5.

    Args:
        difference: our mean minus the published value.
        better: ``higher`` or ``lower``.
        p_equivalent, p_different: of the equivalence test and of the two-tailed test; NaN where n is below two.
        censored: the number is a count that a cut-short run does not reach.
        capped: the epochs at which runs were cut short, None where none was.
    """
    if censored and capped is not None:
        return Verdict(INCONCLUSIVE, f"capped at {capped} epochs")
    if n < ENOUGH:
        return Verdict(INCONCLUSIVE, f"n = {n}, at least {ENOUGH} needed")
    if p_equivalent < ALPHA:
        return Verdict(REPRODUCED, f"within the margin of {margin:.3g}")
    if p_different < ALPHA and abs(difference) > margin:
        good = (difference > 0) == (better == "higher")
        if capped is not None and not good:
            return Verdict(INCONCLUSIVE, f"short of the published value, but capped at {capped} epochs")
        return Verdict(BETTER if good else WORSE, f"by {abs(difference):.3g}, margin {margin:.3g}")
    return Verdict(INCONCLUSIVE, "neither within the margin nor clearly beyond it")


def of_side(*, rounds: int, low: float, high: float, expected: float, threshold: float) -> Verdict:
    """The verdict on a ratio that only tells which of two is the smaller: by its side of a threshold.

    All of the 95 % interval of the median over rounds must lie on one side.
    """
    if rounds < ENOUGH_ROUNDS:
        return Verdict(INCONCLUSIVE, f"{rounds} rounds, at least {ENOUGH_ROUNDS} needed")
    if low <= threshold <= high:
        return Verdict(INCONCLUSIVE, f"the interval spans {threshold:g}")
    side = "above" if low > threshold else "below"
    if (expected > threshold) == (low > threshold):
        return Verdict(REPRODUCED, f"{side} {threshold:g} as published")
    return Verdict(WORSE, f"{side} {threshold:g}, the other way round than published")


def of_rounds(*, rounds: int, low: float, high: float, expected: float, margin: float) -> Verdict:
    """The verdict on a ratio timed in many interleaved rounds of one process, where lower is better.

    The same rule with the 95 % interval of the median over rounds (from order statistics: rounds are neither normal
    nor independent runs) in place of the tests: all of it within the margin, or all of it beyond.
    """
    if rounds < ENOUGH_ROUNDS:
        return Verdict(INCONCLUSIVE, f"{rounds} rounds, at least {ENOUGH_ROUNDS} needed")
    if expected - margin <= low and high <= expected + margin:
        return Verdict(REPRODUCED, f"within the margin of {margin:.3g}")
    if high < expected - margin:
        return Verdict(BETTER, f"by at least {expected - high:.3g}, margin {margin:.3g}")
    if low > expected + margin:
        return Verdict(WORSE, f"by at least {low - expected:.3g}, margin {margin:.3g}")
    return Verdict(INCONCLUSIVE, "the interval spans the margin")
