"""Measured claims against our runs: the sample, its tests within the claim's family, its verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import replace

from ffrepro.claims import choices, controls, counted, curves, judge, machines, verdict
from ffrepro.claims.comparison import Comparison
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
OPERAND = "no claim"  # the kind of a number that is beside the claims
Pick = Callable[[str, str], Evidence | None]


def compare(claims: Claims, store: Store, claim: dict, treatment: str, pick: Pick) -> Comparison:
    """Compare one measured claim, with the others of its family behind it.

    Args:
        pick: chooses the evidence of an (experiment, variant): a scale's, or the best there is.
    """
    family = {other["id"]: other for other in claims.family_of(claim)} | {claim["id"]: claim}
    return compared(claims, store, family.values(), treatment, pick)[claim["id"]]


def compared(claims: Claims, store: Store, chosen: Iterable[dict], treatment: str, pick: Pick) -> dict[str, Comparison]:
    """Compare claims that are whole families; by id."""
    found = {claim["id"]: measured(claims, store, claim, treatment, pick) for claim in chosen}
    judged = judge.judged(claims, found)
    return {i: choices.spanned(claims, cell, pick) if i in judged else cell for i, cell in (found | judged).items()}


def best_pick(store: Store) -> Pick:
    """The best evidence there is."""
    return store.best


def scale_pick(store: Store, scale: str) -> Pick:
    """The evidence of one scale."""
    return lambda experiment, variant: store.at_scale(experiment, variant, scale)


def measured(claims: Claims, store: Store, claim: dict, treatment: str, pick: Pick) -> Comparison:
    """The sample of a claim. Its verdict says why it cannot be judged, or nothing yet."""
    if claim["kind"] == "counted":
        return _counted(claim, treatment)
    factor, measure = claims.factor(claim), claim["measure"]
    evidence, values = sample(claims, measure, treatment, pick, factor)
    shown = {"": evidence} if values else {}
    beside = {}
    for entry in claim.get("companions", []):
        under = entry.get("treatment", treatment)
        other, found = sample(claims, measure | {"row": None} | entry, under, pick, factor)
        if found and not controls.missing(claims, entry["metric"], other, pick):
            shown[entry["label"]] = other
            apart = claim | {"measure": measure | entry}
            beside[entry["label"]] = _unjudged(claims, apart, under, other, found)
    reduced = {label: e.reduced for label, e in shown.items() if e.reduced}
    expected, rounded = claims.expected(claim), claims.rounded(claim)
    lacking = controls.missing(claims, measure["metric"], evidence, pick) if values else []
    if not values or lacking:
        why = Verdict(verdict.NOT_RUN, controls.reason(lacking)) if lacking else None
        reason = why or _why_not(claims, store, claim, treatment, evidence)
        return Comparison(claim, treatment, expected, None, None, 0, None, beside, reason, rounded=rounded,
                          reduced=reduced)  # fmt: skip
    cell = replace(
        _unjudged(claims, claim, treatment, evidence, values), expected=expected, rounded=rounded, reduced=reduced,
        summary=_summary(claims, claim, evidence, values), verdict=_barred(claims, claim, evidence), beside=beside,
    )  # fmt: skip
    return replace(cell, rounds=evidence.records[0].plan["bench"]["bench_rounds"]) if cell.is_bench else cell


def operand(claims: Claims, entry: dict, treatment: str, pick: Pick) -> Comparison:
    """A number of ours that a conclusion speaks of and no cell of the paper has; never judged by itself.

    Args:
        entry: its ``label``, ``quantity`` and what measures it; with ``spread`` a run's number is its distance from the
            median over runs, so that two of them are compared as by the test of Brown and Forsythe; with ``reach`` the
            epochs to a target that other runs of the experiment set.
    """
    measure = {key: entry[key] for key in ("experiment", "dataset", "variant", "row", "metric") if key in entry}
    claim = {"kind": "measured", "row": entry["label"], "metric": "", "quantity": entry["quantity"], "measure": measure}
    evidence, values = sample(claims, measure, entry.get("treatment", treatment), pick, claims.factor(claim))
    if not values or controls.missing(claims, measure["metric"], evidence, pick):
        return Comparison(claim, treatment, st.NAN, None, None, 0, None, {}, Verdict(OPERAND))
    if entry.get("spread"):
        middle = statistics.median(values)
        values = [abs(value - middle) for value in values]
    if "reach" not in entry:
        return _unjudged(claims, claim, treatment, evidence, values)
    goal = entry["reach"]
    base, found = sample(claims, measure | {"variant": goal["of"]}, entry.get("treatment", treatment), pick, 1)
    if not found:
        return Comparison(claim, treatment, st.NAN, None, None, 0, None, {}, Verdict(OPERAND))
    value = curves.target(base, measure["metric"], goal["share"], goal["start"])
    values, cut = curves.epochs(evidence.records, measure["metric"], value)
    cell = _unjudged(claims, claim, treatment, evidence, values)
    return replace(cell, cut=tuple(cut), capped=max((n for n in cut if n is not None), default=None))


def _unjudged(claims: Claims, claim: dict, treatment: str, evidence: Evidence, values: list[float]) -> Comparison:
    """Numbers of ours of which no verdict is wanted."""
    cut = tuple(claims.capped_at(record) for record in evidence.records)
    capped = max((limit for limit in cut if limit is not None), default=None)
    seeds = tuple(record.plan["seed"] for record in evidence.records)
    censored = claims.content["quantities"][claim["quantity"]].get("censored", False)
    return Comparison(claim, treatment, st.NAN, evidence, st.summarize(values), len(values), capped, {},
                      Verdict(OPERAND), tuple(values), seeds, cut, censored=censored)  # fmt: skip


def sample(
    claims: Claims, measure: dict, treatment: str, pick: Pick, factor: float
) -> tuple[Evidence | None, list[float]]:
    """The runs that measure something, and each one's number; none where one of them has no such number."""
    variant = BENCH_VARIANT if measure["metric"].startswith("bench/") else measure["variant"]
    evidence = pick(claims.experiment(measure["experiment"], treatment, measure["dataset"]), variant)
    found = [r.value(measure["metric"], measure.get("row")) for r in evidence.records] if evidence else []
    return evidence, [] if None in found else [value * factor for value in found]


def _summary(claims: Claims, claim: dict, evidence: Evidence, values: list[float]) -> st.Summary:
    summary = st.summarize(values)
    metric = claim["measure"]["metric"]
    spread = SPREAD.get(metric.partition("/")[2]) if metric.startswith("bench/") else None
    if spread is not None and summary.n == 1:
        factor, row = claims.factor(claim), claim["measure"]["row"]
        low, high = (factor * evidence.records[0].value(f"bench/{name}", row) for name in spread)
        return summary._replace(low=low, high=high)
    bounds = claims.content["quantities"][claim["quantity"]].get("range")
    return st.cut(summary, *bounds) if bounds else summary


def _barred(claims: Claims, claim: dict, evidence: Evidence) -> Verdict:
    """Why runs give no verdict whatever their numbers; no kind where they may."""
    quantity = claims.content["quantities"][claim["quantity"]]
    if evidence.standin:
        return Verdict(verdict.STANDIN)
    if "not_comparable" in quantity:
        return Verdict(verdict.NOT_COMPARABLE, quantity["not_comparable"])
    if evidence.dirty:
        return Verdict(verdict.INCONCLUSIVE, "made from a checkout with uncommitted changes")
    if evidence.cut_to:
        return Verdict(verdict.INCONCLUSIVE, f"trained on {evidence.cut_to:,} samples only")
    if several := machines.apart([(claim["measure"]["metric"], evidence)]):
        return Verdict(verdict.INCONCLUSIVE, several)
    return Verdict(judge.OPEN)


def _counted(claim: dict, treatment: str) -> Comparison:
    """A count has no spread: it is the published one or not."""
    count, expected = counted.parameters(claim["measure"], claim["measure"]["count"]), claim["value"]
    beside = {
        entry["label"]: Comparison(
            claim, treatment, st.NAN, None, _exact(counted.parameters(claim["measure"], entry["count"])), 0, None, {},
            Verdict(OPERAND),
        )
        for entry in claim.get("companions", [])
    }  # fmt: skip
    result = Verdict(verdict.MET if count == expected else verdict.NOT_MET)
    return Comparison(claim, treatment, expected, None, _exact(count), 0, None, beside, result, values=(count,),
                      rounded=(expected, expected))  # fmt: skip


def _exact(number: int) -> st.Summary:
    return st.Summary(1, number, st.NAN, st.NAN, st.NAN)


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
    variant = BENCH_VARIANT if measure["metric"].startswith("bench/") else measure["variant"]
    if store.has_dirty(experiment, variant):
        return Verdict(verdict.NOT_RUN, f"every finished run of {experiment} is of a checkout with uncommitted changes")
    return Verdict(verdict.NOT_RUN, f"no finished run of {experiment} here")
