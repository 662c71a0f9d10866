"""The rows of the first screen's plot of errors: published, Forward-Forward's and backpropagation's, all in percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ffrepro.claims.assess import Assessment
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence
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


class Pair(NamedTuple):
    """Errors of Forward-Forward and of backpropagation on one data set, over the same seeds of one scale.

    ``capped``: the epochs at which runs of either were cut short of what the paper takes; None: at none. ``standin``:
    whether the data are made by this project and say nothing of the paper.
    """

    label: str
    dataset: str
    scale: str
    ff: Interval
    bp: Interval
    capped: int | None = None
    standin: bool = False


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


def paired(claims: Claims, assessments: dict[str, Assessment], entry: dict[str, Any]) -> Pair | None:
    """Errors of Forward-Forward and of backpropagation over the seeds that both have.

    None where there are none, or where the two are not alike (``_alike``).

    Args:
        entry: ``label``, ``ff`` and, where it is a claim of its own, ``bp``; else what stands beside as BP counts.
    """
    one, other = _sides(claims, assessments, entry)
    shared = set(one.seeds) & set(other.seeds) if other else set()
    if other is None or not shared:
        return None
    dataset = claims.content["datasets"][one.claim["measure"]["dataset"]]
    sides = (_over(claims, comparison, shared) for comparison in (one, other))
    capped = max((side.capped for side in (one, other) if side.capped is not None), default=None)
    standin = any(record.standin for record in one.evidence.records)
    return Pair(entry["label"], dataset, one.evidence.scale, *sides, capped, standin)


def _sides(
    claims: Claims, assessments: dict[str, Assessment], entry: dict[str, Any]
) -> tuple[Comparison, Comparison | None]:
    """Forward-Forward's numbers, and backpropagation's where they are alike."""
    one = _headline(assessments[f"{claims.paper}/{entry['ff']}"])
    other = _headline(assessments[f"{claims.paper}/{entry['bp']}"]) if "bp" in entry else one.beside.get(_BP)
    return one, other if other is not None and _alike(one, other) else None


def _alike(one: Comparison, other: Comparison) -> bool:
    """Whether two numbers are of the same data, of one scale, and of one kind of machine."""
    return None not in (one.evidence, other.evidence) and _data(one.evidence) == _data(other.evidence)


def _data(evidence: Evidence) -> tuple:
    plan = evidence.records[0].plan
    where = (plan["dataset"], plan["source"], plan["protocol"]["treatment"], evidence.train_samples)
    return (*where, evidence.scale, evidence.hardware)


def _over(claims: Claims, comparison: Comparison, seeds: set[int]) -> Interval:
    values = [value for value, seed in zip(comparison.values, comparison.seeds, strict=True) if seed in seeds]
    return _interval(claims, comparison.claim, st.summarize(values))


def error(quantity: dict, value: float) -> float:
    """A value of a quantity with a range as an error in percent: what it lacks to the top, or how far it is above 0."""
    top = quantity["range"][1]
    return 100 * ((top - value) if quantity["better"] == "higher" else value) / top


def _row(claims: Claims, assessments: dict[str, Assessment], entry: dict) -> Row:
    ff = assessments[f"{claims.paper}/{entry['ff']}"]
    _, other = _sides(claims, assessments, entry)
    bp = _of(claims, other.claim, other.summary) if other else None
    published_bp = None
    if "bp" in entry:
        published_bp = _published(claims, assessments[f"{claims.paper}/{entry['bp']}"].claim)
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
