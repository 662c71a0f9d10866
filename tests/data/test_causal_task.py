"""Going on with reviews: what is asked where, greedy texts, BLEU of continuations, trivial guesses."""

import math

import numpy as np
import pytest
import torch
from helpers.method_cases import LENGTH, TOKENS, WORD_CASES, WORDS
from helpers.plans import REVIEWS

from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.data import foretold
from ffrepro.data.causal_task import Task
from ffrepro.data.vocabulary import SPECIAL

SETTINGS = REVIEWS | {"asked_share": 0.5, "prompt": 6, "continued": 5}


@pytest.fixture(scope="module")
def task(standin_reviews):
    return Task(standin_reviews, SETTINGS, 0, 16, "cpu", torch.float32)


class Counter:
    """The next word is one more than the last, up to 9, which ends a text."""

    def next_word(self, x_BT):
        return torch.nn.functional.one_hot((x_BT[:, -1] + 1).clamp(max=9), 12).float()


def test_a_position_asks_for_the_word_behind_it(task):
    for batch in task.in_order("val"):
        x, target = batch["x"], batch["target"]
        assert target.shape == (len(x), x.shape[1] + 1) and not target[:, -1].any()
        assert torch.equal(target[:, :-1], torch.where(x >= SPECIAL, x, 0))  # position 0 is the label token's
    batch = next(iter(task.epoch(torch.Generator().manual_seed(0))))
    some, known = batch["target"] > 0, (batch["x"] >= SPECIAL).sum()
    assert 0.35 < some.sum() / known < 0.65


def test_greedy_texts_by_hand():
    x = torch.tensor([[3, 4], [3, 7]])
    assert foretold.greedy(Counter(), x, 4, (0, 1)).tolist() == [[5, 6, 7, 8], [8, 9, 9, 9]]
    assert foretold.greedy(Counter(), x, 4, (0, 1), stop=9).tolist() == [[5, 6, 7, 8], [8, 0, 0, 0]]
    banned = foretold.greedy(Counter(), x, 1, (0, 5))
    assert banned.tolist() == [[1], [8]]  # of the others, all alike, the first
    assert foretold.greedy(Counter(), x[1:], 4, (0, 1), stop=9).tolist() == [[8, 0, 0, 0]]


def test_trivial_guesses_by_hand():
    share = np.array([0.0, 0.0, 0.5, 0.25, 0.25])
    found = foretold.of_unigram(share, np.array([2, 3, 3, 4]))
    assert found["perplexity_unigram"] == pytest.approx(math.exp(-(math.log(0.5) + 3 * math.log(0.25)) / 4))
    assert found["accuracy_token_unigram"] == 0.25
    sums = {"loss_sum": np.array([1.0, 3.0]), "count": np.array([2.0, 2.0]), "right": np.array([1.0, 0.0])}
    assert foretold.of_words(sums) == {"loss": 1.0, "perplexity": pytest.approx(math.e), "accuracy_token": 0.25}


def test_bleu_is_of_continuations(task):
    """Whoever knows the texts gets as much as their known words allow; a repeated prompt gets little."""
    texts = {tuple(row[:6].tolist()): row for row in task.reviews.token_NT}

    class Knows:
        def next_word(self, x_BT):
            rows = torch.stack([texts[tuple(row[:6].tolist())] for row in x_BT])
            return torch.nn.functional.one_hot(rows[:, x_BT.shape[1]].long(), len(task.reviews.vocabulary)).float()

    seen = {"test": {"target": np.concatenate([task.targets(batch)["target"] for batch in task.in_order("test")])}}
    found, arrays = task.finish(Knows(), seen)
    longer = int((task.reviews.length_N[task.reviews.index["test"]] > 6).sum())
    assert found["test/continued"] == longer == len(arrays["test_bleu_index"])
    assert found["test/bleu_sacre"] > 80 > 10 > found["test/bleu_sacre_copy"]
    stats = arrays["test_bleu_stats"].sum(0)
    assert stats[0] == stats[1]  # as long as the text's own


def test_a_prompt_as_long_as_a_text(standin_reviews):
    with pytest.raises(FfreproError) as error:
        Task(standin_reviews, SETTINGS | {"prompt": 24}, 0, 16, "cpu", torch.float32)
    assert error.value.where == "data.prompt"


def build(name, causal="yes", **changed):
    generator = torch.Generator().manual_seed(0)
    net = nets.build(TOKENS | {"causal": causal}, (WORDS, LENGTH), None, generator)
    example = {"x": torch.ones(2, LENGTH, dtype=torch.int64)}
    return methods.module(name).Method(net, WORD_CASES[name] | changed, example, generator, 1e-2)


@pytest.mark.parametrize("name", WORD_CASES)
def test_no_word_is_foretold_from_later_ones(name):
    method = build(name, **({"negatives": "random"} if name == "ff_words" else {}))
    x = torch.randint(2, WORDS, (4, LENGTH), generator=torch.Generator().manual_seed(1))
    batch = {"x": x, "target": torch.nn.functional.pad(x, (0, 1))}
    method.step(batch)
    other = x.clone()
    other[:, 5:] = 2 + (x[:, 5:] - 1) % (WORDS - 2)
    first, second = method.evaluate_batch(batch), method.evaluate_batch(batch | {"x": other})
    assert torch.equal(first["prediction"][:, :6], second["prediction"][:, :6])
    assert not torch.equal(first["prediction"], second["prediction"])
    assert torch.equal(method.next_word(x[:, :5]).argmax(1).int(), first["prediction"][:, 5])


def test_true_texts_alone_have_no_corrupted_ones():
    with pytest.raises(FfreproError) as error:
        build("ff_words", negatives="task")
    assert error.value.where == "method.negatives"
