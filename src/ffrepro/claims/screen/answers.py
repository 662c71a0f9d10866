"""What came of each promise of a paper: the claims that decide it, the word for them, and our numbers beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ffrepro.claims import formats, reproduce, verdict
from ffrepro.claims.assess import Assessment
from ffrepro.claims.compare import best_pick, operand
from ffrepro.claims.comparison import Comparison
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.load import Claims
from ffrepro.claims.records import ENOUGH, Store
from ffrepro.claims.screen import errors, words
from ffrepro.claims.screen.errors import Pair
from ffrepro.claims.screen.promises import Promise, promises
from ffrepro.claims.screen.words import Side, Word

_RATIO_DIGITS, _ERROR_DIGITS = 2, 1


class Number(NamedTuple):
    """A number of ours with its 95 % interval (NaN where there is none) and the claim that it is measured for."""

    label: str
    value: float
    low: float
    high: float
    claim: str = ""


class Decider(NamedTuple):
    """A claim that decides a promise; ``needs``: the runs that it waits for, where it has not been run."""

    assessment: Assessment
    against: bool
    side: Side
    needs: list[dict]


@dataclass(frozen=True)
class Answer:
    """A cell of the first screen.

    Attributes:
        pairs: errors of Forward-Forward and of backpropagation beside each other, each on one data set.
        ratios: one over the other; ``limits``: the least that each could be, None where nothing says.
        ratio_of: of what the ratios are, where that is not what the promise speaks of.
        says: what the paper says and the deciders test, where that is another thing than the promise.
        cost: what is missing of what the deciders need, in words; empty where nothing is.
    """

    promise: Promise
    paper: str
    word: Word
    deciders: list[Decider] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    ratios: list[Number] = field(default_factory=list)
    limits: list[Number | None] = field(default_factory=list)
    cost: str = ""
    ratio_of: str = ""
    says: str = ""

    @property
    def numbers(self) -> list[str]:
        """``$1, FF-Std: error 0.6 / 0.7 %`` for each pair, never a mean over them; ``0.60 to 0.73×``."""
        errors_ = [f"{pair.label}: error {_both(pair)}{_few(pair)}" for pair in self.pairs]
        return errors_ + ([self._ratios] if self.ratios else [])

    @property
    def details(self) -> list[str]:
        """``numbers``, and of each pair its data set, its seeds and its scale."""
        errors_ = [
            f"{pair.label}: error {_both(pair)} ({pair.dataset}, n = {pair.ff.n}, scale {pair.scale}{_cut(pair)})"
            for pair in self.pairs
        ]
        return errors_ + ([self._ratios] if self.ratios else [])

    @property
    def brief(self) -> str:
        """The numbers in one short line: one pair, or from which to which difference several go.

        Trainings that were cut short are left out of the difference where others were not.
        """
        shown = []
        if len(self.pairs) == 1:
            shown.append(f"error {_both(self.pairs[0])} ({self.pairs[0].dataset}){_few(self.pairs[0])}")
        elif self.pairs:
            whole = [pair for pair in self.pairs if pair.capped is None] or self.pairs
            by = [pair.ff.value - pair.bp.value for pair in whole]
            low, high = (formats.signed(end, _ERROR_DIGITS) for end in (min(by), max(by)))
            shown.append(f"error {low} to {high} points" if low != high else f"error {low} points")
        return ", ".join(shown + ([self._ratios] if self.ratios else []))

    @property
    def _ratios(self) -> str:
        values = [ratio.value for ratio in self.ratios]
        low, high = (formats.number(end, _RATIO_DIGITS) for end in (min(values), max(values)))
        of = f" ({self.ratio_of})" if self.ratio_of else ""
        return (f"{low} to {high}×" if low != high else f"{low}×") + of

    @property
    def by_itself(self) -> bool:
        """Whether every verdict behind the word is that the paper refutes itself: no run of ours is behind it."""
        kinds = {decider.assessment.verdict.kind for decider in self.deciders if decider.side in words.TELL}
        return kinds == {verdict.REFUTED}

    @property
    def asked_by_us(self) -> bool:
        """Whether what decides it is no sentence of the paper but a question of ours."""
        return bool(self.deciders) and all(decider.assessment.claim.get("own") for decider in self.deciders)

    @property
    def told(self) -> str:
        """``1 of 3``: how many of the claims behind the word tell."""
        told = sum(decider.side in words.TELL for decider in self.deciders)
        return f"{told} of {len(self.deciders)}" if self.deciders else ""


def answers(
    claims: Claims, store: Store, assessments: dict[str, Assessment], hours: reproduce.Hours | None = None
) -> list[Answer]:
    """What came of every promise, one answer each; a paper that does not make one has an empty one.

    Args:
        hours: what a planned run takes.

    Raises:
        FfreproError: a number that the claims file names is not there.
    """
    declared = claims.content.get("first_screen", {}).get("promises", {})
    source = _Numbers(claims, store, assessments, hours)
    return [_answer(claims, promise, declared.get(promise.name, {}), source) for promise in promises()]


def _answer(claims: Claims, promise: Promise, entry: dict[str, Any], source: _Numbers) -> Answer:
    deciders = [
        source.decider(short, against=key == "against") for key in ("for", "against") for short in entry.get(key, [])
    ]
    ratios = source.found(entry.get("ratio", []))
    limits = source.found(entry["limit"]) if "limit" in entry else [None] * len(ratios)
    both = [(ratio, limit) for ratio, limit in zip(ratios, limits, strict=True) if ratio]
    return Answer(
        promise, claims.paper, words.word(decider.side for decider in deciders), deciders, source.pairs(entry),
        [ratio for ratio, _ in both], [limit for _, limit in both], source.cost(deciders),
        entry.get("ratio_of", ""), entry.get("says", ""),
    )  # fmt: skip


class _Numbers:
    """Where the numbers of a paper's answers come from: its claims, its runs, JSON files of the project."""

    def __init__(self, claims: Claims, store: Store, assessments: dict[str, Assessment], hours: reproduce.Hours | None):
        self._claims, self._assessments, self._store, self._hours = claims, assessments, store, hours
        self._sources, self._pick = Sources(store, claims), best_pick(store)

    def decider(self, short: str, *, against: bool) -> Decider:
        assessment = self._assessment(short)
        side = words.side(assessment.verdict.kind, against=against)
        needs = reproduce.needed(self._claims, self._store, assessment.claim) if side is Side.NOT_RUN else []
        return Decider(assessment, against, side, needs)

    def cost(self, deciders: Iterable[Decider]) -> str:
        """What is missing of what claims need that were not run."""
        waiting = [decider for decider in deciders if decider.side is Side.NOT_RUN]
        plans = {plan["run"]: plan for decider in waiting for plan in decider.needs}
        return reproduce.cost(plans.values(), self._store, self._hours) or ("no run planned" if waiting else "")

    def pairs(self, entry: dict[str, Any]) -> list[Pair]:
        """Errors of Forward-Forward and backpropagation over the same seeds, where both are there."""
        found = (errors.paired(self._claims, self._assessments, pair) for pair in entry.get("pairs", []))
        return [pair for pair in found if pair is not None]

    def found(self, entries: Iterable[str | dict]) -> list[Number | None]:
        """Numbers, None where there are no runs."""
        return [self._number(entry) for entry in entries]

    def _number(self, entry: str | dict) -> Number | None:
        if isinstance(entry, str):
            comparison = next(iter(self._assessment(entry).comparisons.values()))
            return _of(comparison, comparison.claim["row"])
        if "json" in entry:
            return self._of_file(entry)
        comparison = operand(self._claims, entry, self._claims.treatments[0], self._pick)
        return _of(comparison, entry["label"])

    def _assessment(self, short: str) -> Assessment:
        return self._assessments[f"{self._claims.paper}/{short}"]

    def _of_file(self, entry: dict) -> Number | None:
        if not (self._store.root / entry["json"]).is_file():
            return None  # a project that was cut down; a test holds this one to its files
        fields = self._sources.entry(entry["json"], entry["at"])
        scale = entry.get("factor", 1) / (fields[entry["over"]] if "over" in entry else 1)
        low, high = (fields[entry[end]] if end in entry else math.nan for end in ("low", "high"))
        return Number(entry["label"], fields[entry["field"]] * scale, low * scale, high * scale)


def _of(comparison: Comparison, label: str) -> Number | None:
    found = comparison.summary
    return Number(label, found.mean, found.low, found.high, comparison.claim.get("id", "")) if found else None


def _both(pair: Pair) -> str:
    return f"{' / '.join(formats.number(side.value, _ERROR_DIGITS) for side in (pair.ff, pair.bp))} %"


def _few(pair: Pair) -> str:
    """What keeps the pair from a verdict: fewer seeds than one needs, trainings that were cut short."""
    few = f", n = {pair.ff.n}" if pair.ff.n < ENOUGH else ""
    said = few + _cut(pair)
    return f" ({said.removeprefix(', ')})" if said else ""


def _cut(pair: Pair) -> str:
    cut = f", cut at {pair.capped} epochs" if pair.capped is not None else ""
    return cut + (", stand-in data" if pair.standin else "")
