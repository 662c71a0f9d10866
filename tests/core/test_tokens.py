"""Goodness of tokens, corrupted texts and BLEU, against values computed by hand."""

import math

import numpy as np
import pytest
import torch

from ffrepro.core import bleu, token_goodness, token_negatives

Z = torch.tensor([[1.0, -2.0], [3.0, 4.0], [0.0, 2.0]])  # three tokens of two samples
SAMPLE = torch.tensor([0, 0, 1])


@pytest.mark.parametrize(("form", "activation", "expected"), [
    ("sum", "none", [30.0, 4.0]),
    ("sum", "relu", [26.0, 4.0]),
    ("mean", "relu", [6.5, 2.0]),
    ("norm", "relu", [math.sqrt(26), 2.0]),
    ("linear", "relu", [2.0, 1.0]),
])  # fmt: skip
def test_goodness_of_samples(form, activation, expected):
    share = token_goodness.of_tokens(Z, form, activation)
    found = token_goodness.of_groups(share, SAMPLE, 2, 2, form)
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_goodness_of_each_token():
    share = token_goodness.of_tokens(Z, "mean", "relu")
    assert token_goodness.of_groups(share, None, 0, 2, "mean").tolist() == [0.5, 12.5, 2.0]


def test_the_hinge_is_eq_3():
    found = token_goodness.hinge(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([1.0, 1.0, 2.5]), 1.0)
    assert found.tolist() == [0.0, 1.0, 1.5]


X = torch.tensor([[5, 6, 7, 8, 0, 0], [9, 0, 0, 0, 0, 0]])


def test_chosen_positions_are_real_and_one_at_least():
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        where = token_negatives.chosen_positions(X, 0.01, g)
        assert not (where & (X == 0)).any() and (where.sum(1) >= 1).all()
    share = token_negatives.chosen_positions(torch.ones(200, 100), 0.15, g).double().mean()
    assert share == pytest.approx(0.15, abs=0.01)


def test_no_token_is_replaced_by_itself():
    g = torch.Generator().manual_seed(0)
    pool = torch.tensor([5] * 99 + [6])
    found = token_negatives.random_tokens(X, X == 5, pool, g)
    assert found[0].tolist() == [6, 6, 7, 8, 0, 0] and torch.equal(found[1], X[1])


def test_swaps_keep_the_words_and_move_them():
    where = torch.tensor([[True, True, False, True, False, False], [True] + [False] * 5])
    found = token_negatives.swap_positions(X, where, torch.Generator().manual_seed(0))
    assert sorted(found[0].tolist()) == sorted(X[0].tolist()) and found[0, 2] == 7
    assert (found[0, [0, 1, 3]] != X[0, [0, 1, 3]]).all() and torch.equal(found[1], X[1])


def test_bleu_of_a_case_by_hand():
    """Of 6 words five match; orders 1 to 4: 5/6, 4/5, 3/4, 2/3; equal lengths."""
    reference, hypothesis = [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 9]
    expected = 100 * (5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    found = bleu.scores([hypothesis], [reference])
    assert found == pytest.approx({"sacre": expected, "nltk": expected})
    short = bleu.scores([hypothesis[:5]], [reference])  # all match; brevity penalty exp(1 - 6/5)
    assert short["sacre"] == pytest.approx(100 * math.exp(-0.2)) == pytest.approx(short["nltk"])
    rows = bleu.statistics([hypothesis, reference], [reference, reference])
    assert rows[0].tolist() == [6, 6, 5, 4, 3, 2, 6, 5, 4, 3]
    total = rows.sum(0)
    again = 100 * np.exp(np.log(total[2:6] / total[6:]).mean())
    assert bleu.scores([hypothesis, reference], [reference] * 2)["sacre"] == pytest.approx(again)
