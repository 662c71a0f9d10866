"""The one word that stands in a cell of the first screen, from the verdicts on the claims that decide it.

The rule:

1. A deciding claim is kept where its verdict says that it holds; loosely kept where it holds loosely; broken where it
   is worse, refuted by the paper's own figures, or a setting that the paper does not meet. A claim that speaks against
   the promise breaks it where it holds, and tells nothing where it does not: what is not slower need not be faster.
2. Not run is a claim without runs (or with stand-in data alone). One that no run decides (its protocol is not stated,
   or it is not comparable or not testable) cannot be judged. Every other verdict leaves its claim open.
3. No deciding claim: not claimed. None that tells: not run, or cannot be judged, where all are so; open where one is;
   else not run.
4. Kept and broken ones: mixed. Kept ones alone: yes, loosely where one of them is kept loosely. Broken ones alone: no.
5. Where claims beside them are open, not run or cannot be judged, it is partly yes or partly no.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from ffrepro.claims import verdict


class Side(Enum):
    """What a deciding claim tells of its promise."""

    KEPT = "kept"
    LOOSELY = "loosely kept"
    BROKEN = "broken"
    OPEN = "open"
    NOT_RUN = "not run"
    UNJUDGED = "cannot be judged"


TELL = (Side.KEPT, Side.LOOSELY, Side.BROKEN)


class Word(NamedTuple):
    """A mark, which needs no colour, and the word beside it."""

    mark: str
    word: str

    def __str__(self) -> str:
        return f"{self.mark} {self.word}"


YES = Word("✓", "yes")
LOOSELY = Word("≈", "loosely")
PARTLY_YES = Word("✓?", "partly yes")
MIXED = Word("±", "mixed")
PARTLY_NO = Word("✗?", "partly no")
NO = Word("✗", "no")
OPEN = Word("?", "open")
NOT_RUN = Word("○", "not run")
UNJUDGED = Word("⊘", "cannot be judged")
NOT_CLAIMED = Word("–", "not claimed")
WORDS = (YES, LOOSELY, PARTLY_YES, MIXED, PARTLY_NO, NO, OPEN, NOT_RUN, UNJUDGED, NOT_CLAIMED)

_KEPT = (verdict.REPRODUCED, verdict.COMPATIBLE, verdict.HOLDS, verdict.MET)
_BROKEN = (verdict.WORSE, verdict.REFUTED, verdict.NOT_MET)
_NOT_RUN = (verdict.NOT_RUN, verdict.STANDIN)


def side(kind: str, *, against: bool = False) -> Side:
    """What a verdict tells of the promise (rules 1 and 2).

    Args:
        kind: of the verdict. against: the claim speaks against the promise.
    """
    if kind in _NOT_RUN:
        return Side.NOT_RUN
    if kind in verdict.SUMS[verdict.UNJUDGED]:
        return Side.UNJUDGED
    if against:
        return Side.BROKEN if kind in (*_KEPT, verdict.LOOSELY) else Side.OPEN
    if kind == verdict.LOOSELY:
        return Side.LOOSELY
    return Side.KEPT if kind in _KEPT else Side.BROKEN if kind in _BROKEN else Side.OPEN


def word(sides: Iterable[Side]) -> Word:
    """The word for a cell (rules 3 to 5)."""
    found = list(sides)
    if not found:
        return NOT_CLAIMED
    kept, broken = {Side.KEPT, Side.LOOSELY} & set(found), Side.BROKEN in found
    if not kept and not broken:
        return OPEN if Side.OPEN in found else NOT_RUN if Side.NOT_RUN in found else UNJUDGED
    if kept and broken:
        return MIXED
    untold = bool({Side.OPEN, Side.NOT_RUN, Side.UNJUDGED} & set(found))
    if broken:
        return PARTLY_NO if untold else NO
    if untold:
        return PARTLY_YES
    return LOOSELY if Side.LOOSELY in kept else YES
