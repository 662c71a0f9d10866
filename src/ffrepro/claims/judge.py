"""The tests of measured claims, Holm's correction over their families, and the verdicts that follow."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from ffrepro.claims import verdict
from ffrepro.claims.comparison import Comparison, Power, Tests
from ffrepro.claims.load import Claims, Rule
from ffrepro.claims.verdict import ALPHA, Case, Verdict
from ffrepro.core import permutation
from ffrepro.core import statistics as st

OPEN = ""  # the kind of a verdict that has yet to be given


def judged(claims: Claims, found: dict[str, Comparison]) -> dict[str, Comparison]:
    """The comparisons among some whole families that are open, with tests and verdicts; by id."""
    cells = [cell for cell in found.values() if cell.verdict.kind == OPEN]
    result = {cell.claim["id"]: cell for cell in cells}
    first = _by_rule(claims, cells, beforehand=False)
    earlier = _by_rule(claims, cells, beforehand=True)
    for cell in cells:
        i = cell.claim["id"]
        tests, found_verdict = first[i]
        before = earlier.get(i, (None, None))[1]
        result[i] = replace(
            cell, tests=tests, verdict=found_verdict, beforehand=before,
            power=_power(claims.rule(cell.claim), cell),
        )  # fmt: skip
    return result


def _by_rule(claims: Claims, cells: list[Comparison], *, beforehand: bool) -> dict[str, tuple[Tests, Verdict]]:
    """Tests and verdict by id, under the margins in force or under those set beforehand where these are others."""
    rules = {cell.claim["id"]: claims.rule(cell.claim, beforehand=beforehand) for cell in cells}
    done = {}
    ordered = sorted(cells, key=lambda cell: claims.family(cell.claim))
    for _, group in groupby(ordered, key=lambda cell: claims.family(cell.claim)):
        members = [cell for cell in group if rules[cell.claim["id"]] is not None]
        pairs = [_p_values(rules[cell.claim["id"]], cell) for cell in members]
        different, equivalent = (st.holm(list(column)) for column in zip(*pairs, strict=True)) if pairs else ([], [])
        for cell, pair, *adjusted in zip(members, pairs, different, equivalent, strict=True):
            rule = rules[cell.claim["id"]]
            count = sum(p == p for p, _ in pairs)
            tests = Tests(*pair, *adjusted, count, rule.words)
            done[cell.claim["id"]] = tests, _verdict(claims, rule, cell, tests)
    return done


def _p_values(rule: Rule, cell: Comparison) -> tuple[float, float]:
    """p of the difference and p of equivalence."""
    if cell.n < 2 or (rule.censored and cell.capped is not None) or _too_few_rounds(cell):
        return st.NAN, st.NAN
    sample = _sample(rule, cell)
    if rule.threshold is not None:
        return st.one_sample_t(sample, rule.scale.of(rule.threshold)).p, st.NAN
    low, high = (rule.scale.of(value) for value in cell.rounded)
    nearest = min(max(sample.mean, low), high)
    ends = (low, high)
    if cell.claim.get("std"):
        theirs = st.Summary(cell.claim["n"], 0.0, cell.claim["std"], st.NAN, st.NAN)
        different = st.two_sample_t(sample, theirs._replace(mean=nearest), equal_variance=False).p
        return different, max(st.tost_two_sample(sample, theirs._replace(mean=end), rule.margin) for end in ends)
    if rule.censored and permutation.is_bimodal(cell.values):
        return permutation.around(cell.values, min(max(cell.summary.mean, cell.rounded[0]), cell.rounded[1])), st.NAN
    draws = rule.draws
    different = st.one_sample_t(sample, nearest, draws).p
    return different, max(st.tost_one_sample(sample, end, rule.margin, draws) for end in ends)


def _verdict(claims: Claims, rule: Rule, cell: Comparison, tests: Tests) -> Verdict:
    if cell.is_bench and cell.n >= verdict.ENOUGH and _too_few_rounds(cell):
        return Verdict(verdict.INCONCLUSIVE, f"{cell.rounds} rounds, at least {verdict.ENOUGH_ROUNDS} needed")
    if rule.threshold is not None:
        return verdict.of_side(n=cell.n, mean=cell.summary.mean, p=tests.holm_different, expected=cell.rounded,
                               threshold=rule.threshold)  # fmt: skip
    if rule.censored and cell.capped is None and permutation.is_bimodal(cell.values):
        return _as_stated(claims, cell, _bimodal(cell, tests))
    mean, (low, high) = _sample(rule, cell).mean, (rule.scale.of(value) for value in cell.rounded)
    nearest = min(max(mean, low), high)
    difference = mean - nearest
    case = Case(
        n=cell.n, beyond=abs(mean - rule.scale.of(cell.expected)) > rule.margin and difference != 0,
        good=None if rule.better is None else (difference > 0) == (rule.better == "higher"),
        p_different=tests.holm_different, p_alone=tests.different, p_equivalent=tests.holm_equivalent,
        by=rule.scale.words(mean - rule.scale.of(cell.expected)), margin=rule.words, tests=tests.family,
        wide=_width(rule, cell) > verdict.TOO_WIDE * rule.margin, unit="process" if cell.is_bench else "run",
        censored=rule.censored, capped=cell.capped,
    )  # fmt: skip
    return _as_stated(claims, cell, verdict.of_runs(case))


def _as_stated(claims: Claims, cell: Comparison, found: Verdict) -> Verdict:
    """A verdict, or that it rests on what the paper leaves open."""
    if cell.n < verdict.ENOUGH:
        return found
    open_ = {entry["id"]: entry["unstated"] for entry in claims.deviations(cell.claim, cell.treatment)
             if "unstated" in entry}  # fmt: skip
    apart = found.kind in (verdict.BETTER, verdict.WORSE, verdict.NOT_COMPARABLE)
    if "always" in open_.values() or (apart and open_):
        reason = f"{found.kind} ({found.reason}) by our reading of what the paper leaves open: {', '.join(open_)}"
        return Verdict(verdict.UNSTATED, reason)
    return found


def _bimodal(cell: Comparison, tests: Tests) -> Verdict:
    """Runs in two groups: no normal law predicts another one, and n signs are too few to contradict it."""
    low, high = min(cell.values), max(cell.values)
    if low <= cell.rounded[1] and cell.rounded[0] <= high and tests.different >= ALPHA:
        return Verdict(verdict.COMPATIBLE, f"within our runs, which fall into two groups ({low:g} to {high:g})")
    p = f"{tests.different:.3f}".removeprefix("0")
    return Verdict(verdict.INCONCLUSIVE, f"our runs fall into two groups ({low:g} to {high:g}), permutation p = {p}")


def _sample(rule: Rule, cell: Comparison) -> st.Summary:
    return st.summarize([rule.scale.of(value) for value in cell.values])


def _power(rule: Rule, cell: Comparison) -> Power:
    if rule.threshold is not None or cell.n < 2 or (rule.censored and cell.capped is not None):
        return Power()
    if rule.censored and permutation.is_bimodal(cell.values):
        return Power((min(cell.values), max(cell.values)))
    sample, draws = _sample(rule, cell), rule.draws
    low, high = (rule.scale.back(place) for place in st.prediction_interval(sample, draws))
    detects = st.detectable_difference(sample.n, sample.std, draws)
    reaches = st.largest_spread(sample.n, rule.margin, draws)
    return Power((low, high), rule.scale.words(detects), rule.scale.words(reaches))


def _width(rule: Rule, cell: Comparison) -> float:
    """Half of the interval in which our runs predict the published value, on the claim's scale."""
    low, high = st.prediction_interval(_sample(rule, cell), rule.draws)
    return (high - low) / 2


def _too_few_rounds(cell: Comparison) -> bool:
    return cell.is_bench and cell.rounds < verdict.ENOUGH_ROUNDS
