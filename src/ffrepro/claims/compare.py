"""One measured claim against our runs: the sample, its tests, its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ffrepro.claims import counted, verdict
from ffrepro.claims.load import Claims
from ffrepro.claims.records import Evidence, Store
from ffrepro.claims.verdict import Verdict
from ffrepro.core import statistics as st

BENCH_VARIANT = "interleaved"  # a bench times all variants in one process: one record, a row for each
# A bench's columns that claims may speak of, each with the columns that say how far its rounds spread: of a ratio the
# 95 % interval of its median, of a time the fastest and the slowest round.
SPREAD = {
    "ratio_to_bp": ("ratio_low", "ratio_high"),
    "ratio_to_one_pass": ("one_pass_low", "one_pass_high"),
    "ms_median": ("ms_min", "ms_max"),
}
Pick = Callable[[str, str], Evidence | None]


@dataclass(frozen=True)
class Comparison:
    """A claim's published number beside ours, under one treatment.

    Attributes:
        expected: what ours is compared with, in the measured quantity's units.
        evidence: the runs, None where there is none.
        summary: of the runs' values, in the paper's units; of a bench the median over its rounds with ``SPREAD``.
        n: runs; rounds for a bench; 0 for what is counted.
        p_different: two-tailed t-test, p_equivalent: TOST; NaN where there are none.
        capped: the epochs at which runs were cut short.
        companions: label -> summary of the numbers shown beside it.
        reduced: label of a number beside it, "" for our own -> the precision of its runs where that is not float32.
    """

    claim: dict[str, Any]
    treatment: str
    expected: float
    evidence: Evidence | None
    summary: st.Summary | None
    n: int
    p_different: float
    p_equivalent: float
    capped: int | None
    companions: dict[str, st.Summary]
    verdict: Verdict
    reduced: dict[str, str] = field(default_factory=dict)

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
        return _is_bench(self.claim["measure"])

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


def compare(claims: Claims, store: Store, claim: dict, treatment: str, pick: Pick) -> Comparison:
    """Compare one measured claim.

    Args:
        pick: chooses the evidence of an (experiment, variant): a scale's, or the best there is.
    """
    if claim["kind"] == "counted":
        return _counted(claims, claim, treatment)
    factor = claims.factor(claim)
    evidence, values = _sample(claims, claim["measure"], treatment, pick, factor)
    shown = {"": evidence} if values else {}
    companions = {}
    for entry in claim.get("companions", []):
        other, found = _sample(claims, claim["measure"] | {"row": None} | entry, treatment, pick, factor)
        if found:
            shown[entry["label"]], companions[entry["label"]] = other, st.summarize(found)
    result = _compared(claims, store, claim, treatment, evidence, values, companions)
    return replace(result, reduced={label: e.reduced for label, e in shown.items() if e.reduced})


def _compared(
    claims: Claims,
    store: Store,
    claim: dict,
    treatment: str,
    evidence: Evidence | None,
    values: list[float],
    companions: dict[str, st.Summary],
) -> Comparison:
    expected = claims.expected(claim)
    if not values:
        reason = _why_not(claims, store, claim, treatment, evidence)
        return Comparison(claim, treatment, expected, None, None, 0, st.NAN, st.NAN, None, companions, reason)
    capped = max((cap for r in evidence.records if (cap := claims.capped_at(r)) is not None), default=None)
    if _is_bench(claim["measure"]):
        return _bench(claims, claim, treatment, evidence, expected, companions)
    quantity = claims.content["quantities"][claim["quantity"]]
    summary = st.summarize(values)
    if "range" in quantity:
        summary = st.cut(summary, *quantity["range"])
    # Tests on stand-in data, on a part of the data, or on counts that only say "at least so many", mean nothing.
    censored = capped is not None and quantity.get("censored", False)
    meaningless = evidence.standin or censored or evidence.train_samples
    margin = None if meaningless else claims.margin(claim)
    p_different, p_equivalent = _tests(claim, summary, expected, margin)
    result = _verdict(claims, claim, evidence, summary, expected, p_different, p_equivalent, capped)
    return Comparison(
        claim, treatment, expected, evidence, summary, summary.n, p_different, p_equivalent, capped, companions, result
    )


def best_pick(store: Store) -> Pick:
    """The best evidence there is; a bench is one record however many rounds it has."""
    return lambda experiment, variant: store.best(
        experiment, variant, 1 if variant == BENCH_VARIANT else verdict.ENOUGH
    )


def scale_pick(store: Store, scale: str) -> Pick:
    """The evidence of one scale."""
    return lambda experiment, variant: store.at_scale(experiment, variant, scale)


def _sample(
    claims: Claims, measure: dict, treatment: str, pick: Pick, factor: float
) -> tuple[Evidence | None, list[float]]:
    variant = BENCH_VARIANT if _is_bench(measure) else measure["variant"]
    evidence = pick(claims.experiment(measure["experiment"], treatment, measure["dataset"]), variant)
    found = [r.value(measure["metric"], measure.get("row")) for r in evidence.records] if evidence else []
    return evidence, [value * factor for value in found if value is not None]


def _counted(claims: Claims, claim: dict, treatment: str) -> Comparison:
    """A count has no spread: it is the published one or not."""
    count, expected = counted.parameters(claim["measure"], claim["measure"]["count"]), claim["value"]
    shown = {
        entry["label"]: counted.parameters(claim["measure"], entry["count"]) for entry in claim.get("companions", [])
    }
    companions = {label: _exact(number) for label, number in shown.items()}
    result = Verdict(verdict.MET if count == expected else verdict.NOT_MET)
    return Comparison(claim, treatment, expected, None, _exact(count), 0, st.NAN, st.NAN, None, companions, result)


def _exact(number: int) -> st.Summary:
    return st.Summary(1, number, st.NAN, st.NAN, st.NAN)


def _is_bench(measure: dict) -> bool:
    return measure.get("metric", "").startswith("bench/")  # what is counted has no metric


def _tests(claim: dict, ours: st.Summary, expected: float, margin: float | None) -> tuple[float, float]:
    """p of the difference and p of equivalence; a published spread makes both two-sample tests."""
    if margin is None:
        return st.NAN, st.NAN
    if "std" in claim:
        theirs = st.Summary(claim["n"], expected, claim["std"], st.NAN, st.NAN)
        different = st.two_sample_t(ours, theirs, equal_variance=False).p
        return different, st.tost_two_sample(ours, theirs, margin)
    return st.one_sample_t(ours, expected).p, st.tost_one_sample(ours, expected, margin)


def _verdict(
    claims: Claims,
    claim: dict,
    evidence: Evidence,
    summary: st.Summary,
    expected: float,
    p_different: float,
    p_equivalent: float,
    capped: int | None,
) -> Verdict:
    quantity = claims.content["quantities"][claim["quantity"]]
    if evidence.standin:
        return Verdict(verdict.STANDIN)
    if "not_comparable" in quantity:
        return Verdict(verdict.NOT_COMPARABLE, quantity["not_comparable"])
    if evidence.train_samples:
        return Verdict(verdict.INCONCLUSIVE, f"trained on {evidence.train_samples:,} images only")
    return verdict.of_runs(
        n=summary.n,
        difference=summary.mean - expected,
        margin=claims.margin(claim),
        better=quantity["better"],
        p_equivalent=p_equivalent,
        p_different=p_different,
        censored=quantity.get("censored", False),
        capped=capped,
    )


def _bench(
    claims: Claims, claim: dict, treatment: str, evidence: Evidence, expected: float, companions: dict[str, st.Summary]
) -> Comparison:
    record = evidence.records[0]
    column = claim["measure"]["metric"].partition("/")[2]
    factor = claims.factor(claim)
    middle, low, high = (
        factor * record.value(f"bench/{name}", claim["measure"]["row"]) for name in (column, *SPREAD[column])
    )
    rounds = record.plan["bench"]["bench_rounds"]
    quantity = claims.content["quantities"][claim["quantity"]]
    if evidence.standin:
        result = Verdict(verdict.STANDIN)
    elif "not_comparable" in quantity:
        result = Verdict(verdict.NOT_COMPARABLE, quantity["not_comparable"])
    elif "threshold" in quantity:
        threshold = quantity["threshold"]
        result = verdict.of_side(rounds=rounds, low=low, high=high, expected=expected, threshold=threshold)
    else:
        margin = claims.margin(claim)
        result = verdict.of_rounds(rounds=rounds, low=low, high=high, expected=expected, margin=margin)
    summary = st.Summary(rounds, middle, st.NAN, low, high)
    return Comparison(claim, treatment, expected, evidence, summary, rounds, st.NAN, st.NAN, None, companions, result)


def _why_not(claims: Claims, store: Store, claim: dict, treatment: str, evidence: Evidence | None) -> Verdict:
    measure = claim["measure"]
    if evidence is not None:
        return Verdict(verdict.NOT_RUN, f"its runs do not measure {measure['metric']}")
    experiment = claims.experiment(measure["experiment"], treatment, measure["dataset"])
    planned = store.planned(experiment)
    unplanned = claims.content["quantities"][claim["quantity"]].get("unplanned", {})
    if not planned and treatment in unplanned:
        return Verdict(verdict.NOT_COMPARABLE, unplanned[treatment])
    if not planned:
        return Verdict(verdict.NOT_RUN, f"params.yaml plans no {experiment}")
    return Verdict(verdict.NOT_RUN, f"no finished run of {experiment} here")
