"""Declared settings: what they allow, and how given values are completed."""

import math

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import REQUIRED, choice, complete, flag, integer, list_of, number, only, or_none

SHARE = number("share", above=0, below=1)
DECLARED = {
    "layers": list_of(integer("units", minimum=1), "units of each layer", [10], shortest=1),
    "theta": number("threshold", 2.0, above=0),
    "norm": choice("kind", "rms", "length", default="rms"),
    "epochs": integer("epochs", minimum=1),
}


@pytest.mark.parametrize(
    ("declaration", "allowed", "refused"),
    [
        (integer("n", minimum=1), [1, 10**12], [0, 1.0, True, "1", None, math.nan]),
        (integer("n", minimum=1, maximum=3), [1, 3], [4]),
        (integer("seed", minimum=0, word="run"), ["run", 0], ["walk", -1]),
        (number("x", above=0, below=1), [0.5], [0, 1, 0.0, 1.0, math.nan, math.inf, "0.5", False]),
        (number("x", minimum=0, maximum=1), [0, 1, 0.5], [-1e-9, 1.1]),
        (flag("x"), [True, False], [0, 1, "true", None]),
        (choice("x", "a", "b"), ["a", "b"], ["c", "", None, 1, ["a"]]),
        (only(choice("x", "a", "b"), "a"), ["a"], ["b"]),
        (or_none(integer("n", minimum=2)), [None, 2], [1, "null"]),
        (list_of(SHARE, "s", shortest=3, longest=3), [[0.7, 0.1, 0.2], (0.7, 0.1, 0.2)], [[0.5, 0.5], [1, 1, 1], 0.5]),
        (list_of(choice("", "a", "b"), "x", distinct=True), [[], ["a", "b"]], [["a", "a"], "ab"]),
    ],
)
def test_what_a_declaration_allows(declaration, allowed, refused):
    assert all(declaration.allows(value) for value in allowed)
    assert not any(declaration.allows(value) for value in refused)


def test_missing_values_take_the_default():
    values = complete(DECLARED, {"epochs": 3, "theta": 1}, what="method ff")
    assert values == {"layers": [10], "theta": 1, "norm": "rms", "epochs": 3}
    assert list(values) == list(DECLARED)


@pytest.mark.parametrize(
    ("given", "where", "words"),
    [
        ({"epochs": 1, "tetha": 1.0}, "tetha", ["'theta'"]),
        ({"epochs": 0}, "epochs", ["at least 1"]),
        ({"epochs": 1, "norm": "l2"}, "norm", ["rms, length"]),
        ({"theta": 1.0}, "epochs", ["whole number"]),
    ],
)
def test_wrong_values_name_the_setting_and_what_it_allows(given, where, words):
    with pytest.raises(FfreproError) as caught:
        complete(DECLARED, given, what="method ff")
    assert caught.value.where == where
    assert all(word in caught.value.fix for word in words)


def test_without_defaults_everything_must_be_given():
    with pytest.raises(FfreproError) as caught:
        complete(DECLARED, {"epochs": 1}, what="plan", defaults=False)
    assert caught.value.where == "layers"
    assert DECLARED["epochs"].default is REQUIRED
