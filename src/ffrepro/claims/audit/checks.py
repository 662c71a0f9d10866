"""The checks of an audit file, each made into a row: what was computed, whether it agrees, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

from ffrepro.base.errors import FfreproError
from ffrepro.claims.audit.form import Form
from ffrepro.core.audit import expressions, intervals
from ffrepro.core.audit import grim as grim_test
from ffrepro.core.audit.expressions import Case
from ffrepro.core.audit.figures import Figures, NotPrinted
from ffrepro.core.audit.intervals import Interval, figure, show
from ffrepro.core.audit.p_values import Group, Recomputed, independent, paired

CONSISTENT, INCONSISTENT, UNDECIDED = "consistent", "inconsistent", "cannot be checked"
RESULTS = (INCONSISTENT, UNDECIDED, CONSISTENT)
OWN = "the paper's own figures"
_SHOWN = 6


class Row(NamedTuple):
    """One check: ``computed`` is the arithmetic, ``basis`` whose figures it rests on, ``claim`` may be empty."""

    id: str
    claim: str
    place: str
    quote: str
    kind: str
    result: str
    computed: str
    explanation: str
    basis: str


class _Outcome(NamedTuple):
    result: str
    computed: str
    explanation: str


def rows(form: Form) -> list[Row]:
    """Every check of an audit file, in its order.

    Raises:
        FfreproError: a check that speaks of what is not there, or cannot be evaluated.
    """
    return [_row(form, index, check) for index, check in enumerate(form.checks)]


def _row(form: Form, index: int, check: dict[str, Any]) -> Row:
    kind = check["kind"]
    try:
        outcome = _CHECKS[kind](check, form.figures)
    except NotPrinted as gap:
        outcome = _Outcome(UNDECIDED, "nothing", f"Missing: {gap}.")
    except FfreproError as error:
        where = f"{form.path} checks[{index}] ({check['id']}): {error.where}"
        raise FfreproError(error.what, where=where, fix=error.fix) from None
    except (ValueError, ArithmeticError) as error:
        where = f"{form.path} checks[{index}] ({check['id']})"
        raise FfreproError(str(error), where=where, fix="see docs/AUDIT.md") from None
    sources = form.outside([check[key] for key in ("holds", "from", "cells", "a", "b") if key in check])
    sources |= form.outside([check["n"]] if kind == "grim" else [])
    basis = OWN if not sources else "; ".join(f"{name}: {source}" for name, source in sources.items())
    words = [outcome.explanation, *([f"Note: {check['note']}"] if "note" in check else [])]
    return Row(
        check["id"], check.get("claim", ""), check["place"], check["quote"], kind,
        outcome.result, outcome.computed, " ".join(words), basis,
    )  # fmt: skip


def _statement(check: dict, figures: Figures) -> _Outcome:
    holds, cases = expressions.truth(check["holds"], figures)
    words = [_held(holds, cases)]
    for other in check.get("instead", []):
        again, others = expressions.truth(other["holds"], figures)
        words.append(f"{_sentence(other['says'])}: {_lower(_held(again, others))}")
    result = {True: CONSISTENT, False: INCONSISTENT, None: UNDECIDED}[holds]
    if "expects" in check:  # the paper's figures cannot contradict what it does not say
        result = UNDECIDED if holds is False else result
        words.append(f"The comparison is ours, not the paper's: {check['expects']}.")
    return _Outcome(result, f"{_plain(check['holds'])}: {_listed(map(_case, cases))}", " ".join(words))


def _held(holds: bool | None, cases: list[Case]) -> str:
    start = {True: "It holds", False: "It does not hold", None: "The printed digits leave it open"}[holds]
    if len(cases) == 1:
        return f"{start}: {_short(cases[0])}."
    wrong = [case for case in cases if case.holds is False]
    unclear = [case for case in cases if case.holds is None]
    text = f"{start}: {len(cases) - len(wrong) - len(unclear)} of {len(cases)} comparisons are true"
    text += f"; not {_listed(map(_short, wrong))}" if wrong else ""
    return text + (f"; open {_listed(map(_short, unclear))}" if unclear else "") + "."


def _number(check: dict, figures: Figures) -> _Outcome:
    unit = Fraction(check["unit"]) if "unit" in check else None
    printed = intervals.parse(check["printed"], exact=check.get("exact", False), unit=unit)
    value = expressions.scalar(check["from"], figures)
    found = intervals.agreement(value, printed)
    words = [f"Printed {check['printed']}; the figures give {show(value)}{_AGREES[found]}."]
    if found == "no":
        words[0] = words[0][:-1] + f" ({_away(printed.value, value)})."
    for other in check.get("instead", []):
        again = expressions.scalar(other["from"], figures)
        verb = "which does not print so" if intervals.agreement(again, printed) == "no" else "which prints so"
        words.append(f"{_sentence(other['says'])}: {show(again)}, {verb}.")
    computed = f"{_plain(check['from'])} = {show(value)}; {check['printed']} stands for {show(printed.value)}"
    return _Outcome(INCONSISTENT if found == "no" else CONSISTENT, computed, " ".join(words))


_AGREES = {
    "rounded": ", which prints so",
    "cut": ", which prints so cut off, not rounded",
    "no": ", which does not print so",
}


def _away(printed: Interval, value: Interval) -> str:
    gap = printed - value
    size = abs(gap)
    return f"{show(size) if not size.exact else figure(size.low)} too {'large' if gap.low > 0 else 'small'}"


def _p_value(check: dict, figures: Figures) -> _Outcome:
    means = [expressions.scalar(check[side], figures) for side in ("a", "b")]
    spreads = [expressions.scalar(f"spread({check[side]})", figures) for side in ("a", "b")]
    if "n" not in check:
        raise NotPrinted("how many runs each mean is of")
    sign, printed, values = _printed_p(check["printed"])
    found = _recompute(check, means, spreads, check["n"])
    agrees = _agrees(sign, values, found)
    words = [
        f"Printed p {sign} {printed}; the printed means and spreads give {_p(found.p)}, and {_p(found.low)} to "
        f"{_p(found.high)} within their rounding (effect size g = {figure(round(found.g, 3))}).",
        "It lies inside." if agrees else "It lies outside.",
    ]
    if check["test"] == "paired":
        words.append("The correlation of the pairs is not printed: the range is that over all correlations.")
    for other in check.get("instead", []):
        again = _recompute(check, means, spreads, other["n"])
        verb = "which agrees" if _agrees(sign, values, again) else "which does not agree either"
        words.append(f"{_sentence(other['says'])}: {_p(again.low)} to {_p(again.high)}, {verb}.")
    sizes = ", ".join(map(str, check["n"]))
    computed = (
        f"{check['test']} t, n = {sizes}: {check['a']} = {figure(means[0].centre)} ± {figure(spreads[0].centre)}, "
        f"{check['b']} = {figure(means[1].centre)} ± {figure(spreads[1].centre)}: p = {_p(found.p)} "
        f"[{_p(found.low)}, {_p(found.high)}]"
    )
    return _Outcome(CONSISTENT if agrees else INCONSISTENT, computed, " ".join(words))


def _recompute(check: dict, means: list[Interval], spreads: list[Interval], sizes: list[int]) -> Recomputed:
    groups = []
    for mean, spread, n in zip(means, spreads, sizes, strict=True):
        if check.get("spread", "std") == "sem":
            spread = spread * intervals.root(intervals.number(n))
        groups.append(Group(mean, spread, n))
    if check["test"] == "paired":
        return paired(*groups)
    return independent(*groups, equal_variance=check["test"] == "student")


def _printed_p(text: str) -> tuple[str, str, Interval]:
    """The sign, the digits and the interval of a printed p: ``< .05``, ``= 0.072``."""
    digits = text.strip().lstrip("<>=").strip()
    sign = text.strip()[0] if text.strip()[0] in "<>=" else "="
    printed = intervals.parse(digits)
    return sign, digits, printed.value if sign == "=" else printed.cut


def _agrees(sign: str, printed: Interval, found: Recomputed) -> bool:
    if sign == "=":
        return float(printed.low) <= found.high and found.low <= float(printed.high)
    return found.low < float(printed.low) if sign == "<" else found.high > float(printed.low)


def _grim(check: dict, figures: Figures) -> _Outcome:
    cells = expressions.numbers(check["cells"], figures)
    step, runs = Fraction(check.get("step", 1)), check.get("runs", 1)
    n = _whole(check["n"], figures)
    result, text = _possible(cells, n, runs, step)
    words = [text]
    for other in check.get("instead", []):
        _, again = _possible(cells, _whole(other["n"], figures), other.get("runs", runs), step)
        words.append(f"{_sentence(other['says'])}: {_lower(again)}")
    verdicts = {label: grim_test.grim(cell, n * runs, step).possible for label, cell in cells.items()}
    computed = f"multiples of {figure(step)}/({n:,} × {runs}): " + _listed(
        f"{label} {figure(cells[label].centre)}: {'possible' if possible else 'impossible'}"
        for label, possible in verdicts.items()
    )
    return _Outcome(result, computed, " ".join(words))


def _possible(cells: dict[str, Interval], n: int, runs: int, step: Fraction) -> tuple[str, str]:
    found = {label: grim_test.grim(cell, n * runs, step) for label, cell in cells.items()}
    size = f"{n:,} samples" + (f" in each of {runs} runs" if runs > 1 else "")
    if not any(one.decides for one in found.values()):
        grain = figure(float(step / (n * runs)))
        return UNDECIDED, f"Means over {size} lie {grain} apart, closer than the printed digits: all are possible."
    wrong = [label for label, one in found.items() if not one.possible]
    if not wrong:
        return CONSISTENT, f"All {len(cells)} printed means can be counts over {size}."
    near = _listed(
        f"{label} {figure(cells[label].centre)} (nearest {figure(found[label].below)} and {figure(found[label].above)})"
        for label in wrong
    )
    return INCONSISTENT, f"{len(wrong)} of {len(cells)} printed means cannot be counts over {size}: {near}."


def _whole(expression: str, figures: Figures) -> int:
    value = expressions.scalar(expression, figures)
    if not value.exact or value.low.denominator != 1 or value.low < 1:
        raise ValueError(f"n = {expression} is {show(value)}, no whole number from 1 on (mark counts as exact)")
    return int(value.low)


def _spread(check: dict, figures: Figures) -> _Outcome:
    means = expressions.numbers(check["cells"], figures)
    spreads = expressions.numbers(f"spread({check['cells']})", figures)
    n, counted = check["n"], check["of"] == "whole_numbers"
    test: Callable[[Interval, Interval, int], bool] = grim_test.grimmer if counted else grim_test.debit
    wrong = [label for label in means if not test(means[label], spreads[label], n)]
    what = f"{n:,} {check['of'].replace('_', ' ')}"
    shown = _listed(
        f"{label} {figure(means[label].centre)} ± {figure(spreads[label].centre)}" for label in wrong or means
    )
    text = f"{len(wrong)} of {len(means)} cannot be" if wrong else f"All {len(means)} can be"
    outcome = INCONSISTENT if wrong else CONSISTENT
    return _Outcome(outcome, f"means and deviations of {what}", f"{text} the mean and deviation of {what}: {shown}.")


def _missing(check: dict, figures: Figures) -> _Outcome:
    related = f' Related: "{check["related"]}"' if "related" in check else ""
    return _Outcome(UNDECIDED, "nothing", f"Missing: {check['needs']}.{related}")


_CHECKS: dict[str, Callable[[dict, Figures], _Outcome]] = {
    "statement": _statement,
    "number": _number,
    "p_value": _p_value,
    "grim": _grim,
    "spread": _spread,
    "missing": _missing,
}


def _case(case: Case) -> str:
    return f"{_label(case)}{show(case.left)} {case.sign} {show(case.right)}"


def _short(case: Case) -> str:
    left, right = case.printed
    return f"{_label(case)}{figure(left.low)} {case.sign} {figure(right.low)}"


def _label(case: Case) -> str:
    return f"{case.label} " if case.label else ""


def _p(value: float) -> str:
    return f"{value:.4f}" if value >= 0.001 else f"{value:.2g}"


def _listed(items: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    texts = list(items)
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _plain(expression: str) -> str:
    return " ".join(expression.split())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
