"""The word of a cell follows from verdicts alone, and never says more than they do."""

from itertools import combinations_with_replacement, product

import pytest

from ffrepro.claims import verdict
from ffrepro.claims.screen import words
from ffrepro.claims.screen.words import Side

KEPT, LOOSELY, BROKEN, OPEN, NOT_RUN, UNJUDGED = Side


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ([], words.NOT_CLAIMED),
        ([KEPT], words.YES),
        ([KEPT, KEPT], words.YES),
        ([LOOSELY], words.LOOSELY),
        ([KEPT, LOOSELY], words.LOOSELY),
        ([BROKEN], words.NO),
        ([KEPT, BROKEN], words.MIXED),
        ([LOOSELY, BROKEN, NOT_RUN], words.MIXED),
        ([KEPT, OPEN], words.PARTLY_YES),
        ([LOOSELY, NOT_RUN], words.PARTLY_YES),
        ([BROKEN, OPEN], words.PARTLY_NO),
        ([BROKEN, NOT_RUN], words.PARTLY_NO),
        ([OPEN], words.OPEN),
        ([OPEN, NOT_RUN], words.OPEN),
        ([NOT_RUN, NOT_RUN], words.NOT_RUN),
        ([UNJUDGED, UNJUDGED], words.UNJUDGED),
        ([UNJUDGED, NOT_RUN], words.NOT_RUN),
        ([UNJUDGED, OPEN, NOT_RUN], words.OPEN),
        ([UNJUDGED, KEPT], words.PARTLY_YES),
        ([UNJUDGED, BROKEN], words.PARTLY_NO),
    ],
)
def test_the_word_for_what_claims_tell(sides, expected):
    assert words.word(sides) is expected and words.word(reversed(sides)) is expected


def test_no_word_says_more_than_its_claims():
    for count in (1, 2, 3, 4):
        for sides in combinations_with_replacement(Side, count):
            found = words.word(sides)
            if found is words.YES:
                assert set(sides) == {KEPT}
            if found is words.NO:
                assert set(sides) == {BROKEN}
            if found in (words.PARTLY_YES, words.LOOSELY):
                assert BROKEN not in sides and {KEPT, LOOSELY} & set(sides)
            if found is words.PARTLY_NO:
                assert BROKEN in sides and not {KEPT, LOOSELY} & set(sides)


def test_every_verdict_has_a_side_and_a_sum():
    assert sorted(kind for kinds in verdict.SUMS.values() for kind in kinds) == sorted(verdict.KINDS)
    assert set(verdict.SUMS) == set(verdict.MARKS) and len(set(verdict.MARKS.values())) == len(verdict.MARKS)
    for kind, against in product(verdict.KINDS, (False, True)):
        found, total = words.side(kind, against=against), verdict.sum_of(kind)
        assert (found is NOT_RUN) == (total == verdict.RUN_NOT)
        assert (found is UNJUDGED) == (total == verdict.UNJUDGED)
        if total == verdict.TOLD_NOT:
            assert found is OPEN
    assert [words.side(kind) for kind in ("holds", "holds loosely", "worse", "inconclusive")] == [
        KEPT, LOOSELY, BROKEN, OPEN,
    ]  # fmt: skip


def test_what_more_runs_cannot_decide_is_not_open():
    decided_by_no_run = {verdict.UNSTATED, verdict.NOT_COMPARABLE, verdict.NOT_TESTABLE}
    assert {kind for kind in verdict.KINDS if words.side(kind) is UNJUDGED} == decided_by_no_run
    assert {kind for kind in verdict.KINDS if verdict.sum_of(kind) == verdict.TOLD_NOT} == {
        verdict.INCONCLUSIVE, verdict.SHORTENED,
    }  # fmt: skip


def test_a_claim_against_a_promise_breaks_it_or_tells_nothing():
    assert words.side(verdict.HOLDS, against=True) is BROKEN
    assert words.side(verdict.LOOSELY, against=True) is BROKEN
    assert words.side(verdict.REFUTED, against=True) is OPEN
    assert words.side(verdict.NOT_RUN, against=True) is NOT_RUN


def test_marks_tell_words_apart_without_colour():
    assert len({word.word for word in words.WORDS}) == len(words.WORDS) == len({word.mark for word in words.WORDS})
