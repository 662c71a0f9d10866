"""The rows of the first screen's plot of errors: published, Forward-Forward's and backpropagation's, all in percent."""

from __future__ import annotations

from dataclasses import dataclass

from ffrepro.claims.assess import Assessment
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.load import Claims
from ffrepro.claims.verdict import Verdict
from ffrepro.core import statistics as st

_BP = "BP"  # what stands beside a number under this label is backpropagation's


@dataclass(frozen=True)
class Interval:
    """An error in percent with its 95 % interval, of what is published its rounding (NaN: none), over ``n`` runs."""

    value: float
    low: float = st.NAN
    high: float = st.NAN
    n: int = 0


@dataclass(frozen=True)
class Row:
    """One headline claim.

    Attributes:
        published, published_bp: the paper's; ff, bp: ours, None where there are no runs.
        n: runs behind ours.
    """

    label: str
    claim: str
    verdict: Verdict
    n: int | None
    published: Interval
    published_bp: Interval | None
    ff: Interval | None
    bp: Interval | None


def rows(claims: Claims, assessments: dict[str, Assessment]) -> list[Row]:
    """The rows that the claims file declares, in its order."""
    return [_row(claims, assessments, entry) for entry in claims.content.get("first_screen", {}).get("errors", [])]


def ours(claims: Claims, assessment: Assessment) -> Interval | None:
    """Our error of a measured claim, under the headline treatment; None without runs."""
    return _of(claims, assessment.claim, _headline(assessment).summary)


def beside(claims: Claims, assessment: Assessment) -> Interval | None:
    """Backpropagation's error that stands beside a measured claim."""
    return _of(claims, assessment.claim, _headline(assessment).companions.get(_BP))


def paired(claims: Claims, ff: Assessment, bp: Assessment | None) -> tuple[Interval, Interval] | None:
    """Errors of Forward-Forward and of backpropagation over the seeds that both have; None where there are none.

    Args:
        bp: backpropagation's claim; None: what stands beside Forward-Forward's.
    """
    one = _headline(ff)
    other = _headline(bp) if bp else one.beside.get(_BP)
    shared = set(one.seeds) & set(other.seeds) if other else set()
    return (_over(claims, one, shared), _over(claims, other, shared)) if other and shared else None


def _over(claims: Claims, comparison: Comparison, seeds: set[int]) -> Interval:
    values = [value for value, seed in zip(comparison.values, comparison.seeds, strict=True) if seed in seeds]
    return _interval(claims, comparison.claim, st.summarize(values))


def error(quantity: dict, value: float) -> float:
    """A value of a quantity with a range as an error in percent: what it lacks to the top, or how far it is above 0."""
    top = quantity["range"][1]
    return 100 * ((top - value) if quantity["better"] == "higher" else value) / top


def _row(claims: Claims, assessments: dict[str, Assessment], entry: dict) -> Row:
    ff = assessments[f"{claims.paper}/{entry['ff']}"]
    bp, published_bp = beside(claims, ff), None
    if "bp" in entry:
        twin = assessments[f"{claims.paper}/{entry['bp']}"]
        bp, published_bp = ours(claims, twin), _published(claims, twin.claim)
    label = f"{claims.content['first_screen']['short']}: {entry['label']}"
    return Row(
        label, ff.claim["id"], ff.verdict, ff.n, _published(claims, ff.claim), published_bp, ours(claims, ff), bp
    )


def _headline(assessment: Assessment) -> Comparison:
    return next(iter(assessment.comparisons.values()))


def _of(claims: Claims, claim: dict, summary: st.Summary | None) -> Interval | None:
    return _interval(claims, claim, summary) if summary else None


def _interval(claims: Claims, claim: dict, summary: st.Summary) -> Interval:
    quantity = claims.content["quantities"][claim["quantity"]]
    low, high = sorted(error(quantity, end) for end in (summary.low, summary.high))
    return Interval(error(quantity, summary.mean), low, high, summary.n)


def _published(claims: Claims, claim: dict) -> Interval:
    quantity, std = claims.content["quantities"][claim["quantity"]], claim.get("std", st.NAN)
    ends = sorted(error(quantity, end) for end in (claim["value"] - std, claim["value"] + std))
    return Interval(error(quantity, claim["value"]), *ends)
