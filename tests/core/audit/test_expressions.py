"""Expressions over printed figures: values, quantified comparisons, and what is refused."""

from fractions import Fraction
from math import isclose

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.core.audit import counts, expressions
from ffrepro.core.audit.expressions import numbers, scalar, truth
from ffrepro.core.audit.figures import Figures, NotPrinted, Table
from ffrepro.core.audit.intervals import parse


def table(columns, **rows):
    cells = {row: [None if text is None else parse(text) for text in texts] for row, texts in rows.items()}
    return Table(columns, cells)


@pytest.fixture
def figures():
    net = counts.count([4], [{"kind": "linear", "out": 3, "name": "first"}, {"kind": "linear", "out": 2}])
    return Figures(
        {
            "epochs": table(["bp", "ff"], mcyt=["51", "69"], mouse=["53", "30"]),
            "scores": table(["bp", "ff"], mcyt=["0.98 ± 0.01", None], mouse=["0.97", "0.91"]),
        },
        {"limit": parse("60", exact=True)},
        {"net": net},
    )


def test_all_any_and_count_over_rows(figures):
    holds, cases = truth("all(epochs[:, 'bp'] < epochs[:, 'ff'])", figures)
    assert holds is False
    assert {case.label: case.holds for case in cases} == {"mcyt": True, "mouse": False}
    assert truth("any(epochs[:, 'bp'] < epochs[:, 'ff'])", figures)[0] is True
    assert truth("count(epochs[:, 'bp'] < epochs[:, 'ff']) == 1", figures)[0] is True
    assert truth("all([epochs[:, 'bp'] < limit, epochs['mouse', :] < limit])", figures)[0] is True


def test_open_comparisons_stay_open_unless_others_decide(figures):
    assert truth("epochs['mcyt', 'bp'] < 51", figures)[0] is None
    assert truth("all([epochs['mcyt', 'bp'] < 51, 2 < 1])", figures)[0] is False
    assert truth("all([epochs['mcyt', 'bp'] < 51, 1 < 2])", figures)[0] is None
    assert truth("any([epochs['mcyt', 'bp'] < 51, 1 < 2])", figures)[0] is True
    (low, high) = scalar("count([epochs['mcyt', 'bp'] < 51, 1 < 2])", figures).__dict__.values()
    assert (low, high) == (1, 2)


def test_cases_hold_the_printed_numbers_beside_the_intervals(figures):
    _, (case,) = truth("epochs['mcyt', 'ff'] / epochs['mcyt', 'bp'] > 1", figures)
    assert case.left.low == Fraction("68.5") / Fraction("51.5")
    assert case.printed[0].low == Fraction(69, 51)


def test_arithmetic_goes_row_by_row_and_scalars_with_each(figures):
    found = numbers("2 * epochs[:, 'bp'] - epochs[:, 'ff']", figures)
    assert {label: x.centre for label, x in found.items()} == {"mcyt": 33, "mouse": 76}
    assert scalar("max(epochs[:, ['bp', 'ff']])", figures).centre == 69
    assert scalar("min(epochs['mouse', :])", figures).centre == 30
    assert scalar("sum([1, 2, -epochs['mouse', 'ff']])", figures).centre == -27
    assert scalar("mean([1, 2, 6])", figures).centre == 3
    assert isclose(scalar("std([1, 2, 3])", figures).centre, 1)
    assert isclose(scalar("sqrt(abs(-96))", figures).centre, 96**0.5)


def test_spreads_and_nets(figures):
    assert isclose(scalar("spread(scores['mcyt', 'bp'])", figures).centre, 0.01)
    assert scalar("parameters('net')", figures).low == 5 * 3 + 4 * 2
    assert scalar("parameters('net', 'first')", figures).low == 15
    assert scalar("size('net', 'first')", figures).low == 3


def test_what_is_not_printed_says_so(figures):
    for expression in ("all(scores[:, 'ff'] < 1)", "spread(scores['mouse', 'bp']) < 1"):
        with pytest.raises(NotPrinted):
            truth(expression, figures)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("epoch[:, 'bp'] < 1", "epochs"),
        ("limits < 1", "limit"),
        ("epochs['mct', 'bp'] < 1", "mcyt"),
        ("epochs['mcyt', 'bpp'] < 1", "bp"),
        ("maxi([1]) < 1", "max"),
        ("parameters('nett') < 1", "net"),
        ("size('net', 'furst') < 1", "first"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(figures, expression, hint):
    with pytest.raises(FfreproError) as caught:
        truth(expression, figures)
    assert repr(hint) in caught.value.fix


@pytest.mark.parametrize(
    "expression",
    [
        "1 +",
        "__import__('os').system('true') < 1",
        "epochs < 1",
        "epochs['mcyt'] < 1",
        "epochs[:, 0] < 1",
        "limit",
        "1 < 2 < 3",
        "limit ** 2 < 1",
        "limit / 0 < 1",
        "limit / (1 - 1) < 1",
        "all(limit)",
        "max([1 < 2])",
        "[1, 2 < 3] < 1",
        "epochs[:, 'bp'] < epochs['mcyt', :]",
        "sqrt(-1) < 1",
        "parameters(limit) < 1",
        "size('net') < 1",
        "True < 1",
        "'text' < 1",
        "abs(1, 2) < 1",
        "-" * 900 + "1 < 2",
        "1 + " * 900 + "1 < 2",
        "(" * 300 + "1" + ")" * 300 + " < 2",
        "1 < 2\0",
    ],
)
def test_what_cannot_be_evaluated_is_an_error_and_no_traceback(figures, expression):
    with pytest.raises(FfreproError):
        truth(expression, figures)


def test_a_column_of_truths_needs_a_quantifier(figures):
    with pytest.raises(FfreproError):
        truth("epochs[:, 'bp'] < epochs[:, 'ff']", figures)
    with pytest.raises(FfreproError):
        numbers("1 < 2", figures)
    with pytest.raises(FfreproError):
        scalar("epochs[:, 'bp']", figures)


def test_names_are_those_of_tables_values_and_nets():
    text = "all(epochs[:, 'bp'] < limit + parameters('net'))"
    assert expressions.names(text) == {"epochs", "limit", "net"}
