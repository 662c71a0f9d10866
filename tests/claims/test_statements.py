"""Conclusions taken apart."""

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.claims.statements import Atom, Whole, atoms, is_conjunction, parse


@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        ("c1 < min([c2, c3])", "all", ["c2 > c1", "c3 > c1"]),
        ("c1 > min([c2, c3])", "any", ["c2 < c1", "c3 < c1"]),
        ("max([c1, c2]) <= 1.1", "all", ["c1 <= 1.1", "c2 <= 1.1"]),
        ("max([c1, c2]) > c3", "any", ["c1 > c3", "c2 > c3"]),
        ("abs(c1 - c2) < 3", "all", ["c1 - c2 < 3", "-(c1 - c2) < 3"]),
        ("count([c1 < c2, c3 < c4]) > 1", "count", ["c1 < c2", "c3 < c4"]),
    ],
)
def test_parts(text, kind, parts):
    tree = parse(text)
    assert (tree.kind, [str(atom) for atom in atoms(tree)]) == (kind, parts)


def test_a_minimum_above_a_maximum_is_every_pair():
    tree = parse("min([c1, c2]) > max([c3, c4])")
    assert len(atoms(tree)) == 4 and is_conjunction(tree)
    assert not is_conjunction(Whole("any", (Atom("c1", "<", "c2"),)))


def test_the_difference_is_positive_where_a_comparison_holds():
    assert parse("c1 < c2").difference == "(c2) - (c1)"
    assert parse("c1 >= c2 + 1").difference == "(c1) - (c2 + 1)"


def test_a_number_is_no_conclusion():
    with pytest.raises(FfreproError):
        parse("c1 + c2")
