"""Conclusions: what the paper says of several numbers, checked on its own figures and then tested on our runs.

Each comparison in a conclusion is tested by itself: on differences within seeds where all its runs share a split by
seed, else by Welch's test of the same function of the means; epoch counts by the exact log-rank test, in which a run
cut short is known to be longer. A conclusion of which all parts must hold needs each of them at p < .05; of others p is
Holm's over the comparisons. The comparison that decides is named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from ffrepro.claims import expressions, machines, statements, verdict
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.formats import number, p_is
from ffrepro.claims.load import Claims
from ffrepro.claims.statements import Atom, Whole
from ffrepro.claims.verdict import ALPHA, Verdict
from ffrepro.core import permutation
from ffrepro.core import statistics as st

_MOST_CORNERS = 4096
_STEP = 1e-6


@dataclass(frozen=True)
class Tested:
    """One comparison on our runs.

    Attributes:
        holds: as the means have it, None where that is no matter of more or less.
        p: two-tailed; 0 where nothing is left to chance. why: it cannot be told, "" where it can.
        low, high: 95 % interval of the difference that is positive where the comparison holds.
    """

    atom: Atom
    holds: bool
    p: float
    why: str = ""
    low: float = st.NAN
    high: float = st.NAN
    n: int = 0
    how: str = ""


def on_paper(claims: Claims, expression: str) -> bool | None:
    """Whether an expression holds on the printed figures; None where their rounding leaves it open."""

    def answer(atom: Atom) -> bool | None:
        as_printed = expressions.truth(str(atom), claims.published)
        rounding = [name for name in atom.names if isinstance(claims.published[name], float)]
        if atom.sign in ("==", "!=") or 2 ** len(rounding) > _MOST_CORNERS:
            return as_printed
        bounds = [_inside(claims.printed(claims.claims[f"{claims.paper}/{name[1:]}"])) for name in rounding]
        corners = (dict(zip(rounding, corner, strict=True)) for corner in product(*bounds))
        found = {expressions.truth(str(atom), claims.published | corner) for corner in corners}
        return as_printed if found <= {as_printed} else None

    return _combined(statements.parse(expression), answer)


def on_runs(claims: Claims, expression: str, used: Mapping[str, Comparison]) -> tuple[Verdict, str]:
    """The verdict of our runs on a conclusion, and what it rests on in words.

    Args:
        used: name in the expression -> its comparison.
    """
    if any(c.evidence is not None and c.evidence.standin for c in used.values()):
        return Verdict(verdict.STANDIN), "ours are of stand-in data"
    absent = [c for c in used.values() if c.summary is None]
    if absent:
        rows = "; ".join(dict.fromkeys(label(c) for c in absent))
        return Verdict(verdict.NOT_RUN, f"no runs of {rows}"), f"ours: no runs of {rows}"
    tree = statements.parse(expression)
    tested = [_tested(atom, used) for atom in statements.atoms(tree)]
    adjusted = st.holm([t.p for t in tested])
    strict = dict(zip((t.atom for t in tested), adjusted, strict=True))
    own, whole = {t.atom: t for t in tested}, statements.is_conjunction(tree)
    answer = _combined(tree, lambda atom: _answer(own[atom], own[atom].p if whole else strict[atom], strict[atom]))
    found, text = _said(tree, answer, tested, strict, used)
    open_ = {entry["id"] for c in used.values() for entry in claims.deviations(c.claim, c.treatment)
             if entry.get("unstated") == "always"}  # fmt: skip
    if open_ and found.kind in (verdict.HOLDS, verdict.WORSE):
        reading = f"by our reading of what the paper leaves open: {', '.join(sorted(open_))}"
        return Verdict(verdict.UNSTATED, f"{found.kind} ({found.reason}) {reading}"), text
    return found, text


def _inside(bounds: tuple[float, float]) -> tuple[float, float]:
    """Bounds of a rounding interval, a little inside: of two that only touch, ties would round to one."""
    shy = 1e-6 * (bounds[1] - bounds[0])
    return bounds[0] + shy, bounds[1] - shy


def label(comparison: Comparison) -> str:
    """What a number of ours is called: row and metric of its claim."""
    claim = comparison.claim
    return claim["row"] if claim.get("metric", "") in claim["row"] else f"{claim['row']} ({claim['metric']})"


def _tested(atom: Atom, used: Mapping[str, Comparison]) -> Tested:
    cells = [used[name] for name in atom.names]
    values = {name: used[name].summary.mean for name in atom.names}
    difference = expressions.number(atom.difference, values)
    holds = expressions.truth(str(atom), values)
    if all(cell.is_counted for cell in cells):
        return Tested(atom, holds, 0.0, how="counted")
    timed = [(cell.claim["measure"].get("metric", ""), cell.evidence) for cell in cells]
    why = next(filter(None, map(_barred, cells)), "") or machines.apart(timed)
    if why:
        return Tested(atom, holds, st.NAN, why)
    n = min(cell.n for cell in cells if not cell.is_counted)
    if len(cells) == 2 and {atom.left, atom.right} == set(atom.names) and all(cell.censored for cell in cells):
        a, b = used[atom.left], used[atom.right]
        p = permutation.log_rank(a.values, b.values, [c is not None for c in a.cut], [c is not None for c in b.cut])
        return Tested(atom, holds, p, n=n, how="log-rank, exact")
    capped = max((cell.capped for cell in cells if cell.capped is not None), default=None)
    if capped is not None:
        return Tested(atom, holds, st.NAN, f"runs capped at {capped} epochs", n=n)
    if paired(cells):
        each = [expressions.number(atom.difference, dict(zip(atom.names, row, strict=True)))
                for row in zip(*(cell.values for cell in cells), strict=True)]  # fmt: skip
        return _of_sample(atom, holds, each)
    return _of_means(atom, holds, difference, used, n)


def _barred(cell: Comparison) -> str:
    """Why a number of ours is no evidence for a comparison."""
    if cell.is_counted:
        return ""
    if cell.evidence.cut_to:
        return f"some runs trained on {cell.evidence.cut_to:,} samples only"
    if cell.evidence.dirty:
        return "runs of a checkout with uncommitted changes"
    if cell.n < verdict.ENOUGH:
        return f"{label(cell)}: {verdict.too_few(cell.n, 'process' if cell.is_bench else 'run').reason}"
    return ""


def paired(cells: list[Comparison]) -> bool:
    """Whether the runs of all share data and a split that goes with the seed (of benches: a process)."""
    if any(cell.is_counted for cell in cells) or len({cell.seeds for cell in cells}) > 1:
        return False
    plans = [cell.evidence.records[0].plan for cell in cells]
    one_run_or_process = len({cell.runs for cell in cells}) == 1 or all(cell.is_bench for cell in cells)
    return one_place(plans) and (one_run_or_process or split_by_seed(plans))


def one_place(plans: Iterable[dict]) -> bool:
    """Whether runs are of one data set and treatment, at one scale on one hardware profile."""
    return len({(p["dataset"], p["protocol"]["treatment"], p["scale"], p["hardware"]) for p in plans}) == 1


def split_by_seed(plans: Iterable[dict]) -> bool:
    """Whether the split of the data goes with the seed: runs of one seed share it."""
    return all(plan.get("data", {}).get("split_seed") == "run" for plan in plans)


def _of_sample(atom: Atom, holds: bool, each: list[float]) -> Tested:
    if not all(map(math.isfinite, each)):
        return Tested(atom, holds, st.NAN, f"{atom} has no finite difference")
    found = st.summarize(each)
    if found.std == 0 and found.mean == 0:  # the same number in every run
        return Tested(atom, holds, 0.0 if "=" in atom.sign else 1.0, "", 0.0, 0.0, found.n, "paired by seed")
    p = st.one_sample_t(found, 0.0).p
    return Tested(atom, holds, p, "", found.low, found.high, found.n, "paired by seed")


def _of_means(atom: Atom, holds: bool, difference: float, used: Mapping[str, Comparison], n: int) -> Tested:
    """Welch's test of a function of independent means, by its slopes (delta method, Satterthwaite)."""
    means = {name: used[name].summary.mean for name in atom.names}
    parts = []
    for name in atom.names:
        cell = used[name]
        if cell.is_counted:
            continue
        step = _STEP * max(1.0, abs(means[name]))
        slope = (expressions.number(atom.difference, means | {name: means[name] + step}) - difference) / step
        parts.append(st.Summary(cell.n, 0.0, abs(slope) * st.summarize(cell.values).std, st.NAN, st.NAN))
    if not math.isfinite(difference) or not all(math.isfinite(part.std) for part in parts):
        return Tested(atom, holds, st.NAN, f"{atom} has no finite difference")
    found = st.combined(difference, parts)
    return Tested(atom, holds, found.p, "", found.low, found.high, n, "Welch")


def _answer(test: Tested, p_for: float, p_against: float) -> bool | None:
    """Three-valued: whether a comparison holds (True), does not (False), or cannot be told (None)."""
    if test.why:
        return None
    if test.atom.sign in ("==", "!="):
        different = p_against < ALPHA if test.p else False
        return test.holds if test.p == 0 else (test.atom.sign == "!=") if different else None
    if test.holds:
        return True if p_for < ALPHA else None
    return False if p_against < ALPHA else None


def _combined(node: Atom | Whole, answer: Callable[[Atom], bool | None]) -> bool | None:
    """Three-valued: a conclusion from its comparisons."""
    if isinstance(node, Atom):
        return answer(node)
    parts = [_combined(part, answer) for part in node.parts]
    if node.kind == "all":
        return False if False in parts else None if None in parts else True
    if node.kind == "any":
        return True if True in parts else None if None in parts else False
    least = parts.count(True)
    counts = range(least, least + parts.count(None) + 1)
    possible = {expressions.truth(f"{count} {node.sign} {node.number}", {}) for count in counts}
    return possible.pop() if len(possible) == 1 else None


def _said(
    tree: Atom | Whole, answer: bool | None, tested: list[Tested], strict: dict, used: Mapping[str, Comparison]
) -> tuple[Verdict, str]:
    def p_of(test: Tested) -> float:
        return test.p if statements.is_conjunction(tree) and answer else strict[test.atom]

    barred = [test for test in tested if test.why]
    known = [test for test in tested if not test.why]
    if answer is None and barred and (not known or statements.is_conjunction(tree)):
        return Verdict(verdict.INCONCLUSIVE, barred[0].why), f"ours: {barred[0].why}"
    if answer is True:
        decides = max((t for t in known if t.holds), key=p_of)
    elif answer is False:
        decides = min((t for t in known if not t.holds), key=p_of)
    else:
        decides = max(known, key=p_of)
    text = _named(decides, used, p_of(decides), len(tested) > 1)
    if barred:
        text += f"; {len(barred)} of {len(tested)} comparisons without evidence ({barred[0].why})"
    kind = {True: verdict.HOLDS, False: verdict.WORSE, None: verdict.INCONCLUSIVE}[answer]
    reason = {True: "in our runs too", False: "does not hold in our runs", None: "our runs cannot tell"}[answer]
    return Verdict(kind, f"{reason}: {text}"), f"ours: {text}"


def _named(test: Tested, used: Mapping[str, Comparison], p: float, several: bool) -> str:
    """``decided by $1, BPTT (epochs) < $1, FF-Norm (epochs): 58.2 < 83.0, p = .40, n = 5 (log-rank, exact)``."""
    words, numbers = str(test.atom), str(test.atom)
    for name in sorted(test.atom.names, key=len, reverse=True):
        words = _replaced(words, name, f"[{label(used[name])}]")
        numbers = _replaced(numbers, name, number(used[name].summary.mean, 4))
    text = f"{'decided by ' if several else ''}{words}, in numbers {numbers}"
    if test.how == "counted":
        return text
    interval = "" if math.isnan(test.low) else f", difference {number(test.low, 4)} to {number(test.high, 4)} (95 %)"
    return f"{text}{interval}, {p_is(p)}, n = {test.n} ({test.how})"


def _replaced(text: str, name: str, by: str) -> str:
    return re.sub(rf"\b{re.escape(name)}\b", lambda _: by, text)
