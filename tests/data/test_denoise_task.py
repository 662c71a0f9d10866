"""Restoring reviews: what is corrupted and asked, BLEU and perplexity by hand, trivial restorers."""

import math

import numpy as np
import pytest
import torch
from helpers.method_cases import WORD_CASES
from helpers.plans import REVIEWS, make_text_plan

from ffrepro.data.denoise_task import Task
from ffrepro.data.vocabulary import SPECIAL
from ffrepro.training import parts

SETTINGS = REVIEWS | {"corruption": "random", "corruption_share": 0.3}
# Two texts, of six and of four words; two words of the first and one of the second are others. A prediction stands
# behind the label token's position, where the task asks, and is right once in the first text.
CLEAN = np.array([[2, 3, 4, 5, 6, 7], [8, 9, 2, 3, 0, 0]], np.int32)
INPUT = np.array([[2, 9, 4, 5, 2, 7], [8, 9, 5, 3, 0, 0]], np.int32)
TARGET = np.array([[0, 0, 3, 0, 0, 6, 0], [0, 0, 0, 2, 0, 0, 0]], np.int32)
SAID = np.array([[0, 0, 3, 0, 0, 4, 0], [0, 0, 0, 7, 0, 0, 0]], np.int32)
ARRAYS = {
    "clean": CLEAN, "input": INPUT, "target": TARGET, "prediction": SAID, "index": np.array([0, 1]),
    "loss_sum": np.array([1.0, 2.0]), "count": np.array([2.0, 1.0]), "right": np.array([1.0, 0.0]),
}  # fmt: skip


@pytest.fixture(scope="module")
def task(standin_reviews):
    return Task(standin_reviews, SETTINGS, 0, 16, "cpu", torch.float32)


def geometric(*precisions):
    """BLEU of as many words as the reference has."""
    return 100 * math.exp(sum(map(math.log, precisions)) / 4)


def test_a_corrupted_word_is_another_known_one_and_asked_for(task):
    count = known = 0
    for batch in task.in_order("val"):
        x, clean, target = batch["x"], batch["clean"], batch["target"]
        changed = x != clean
        assert torch.equal(target, torch.nn.functional.pad(torch.where(changed, clean, 0), (1, 0)))
        assert (x[changed] >= SPECIAL).all() and (clean[changed] >= SPECIAL).all() and changed.any(1).all()
        count, known = count + int(changed.sum()), known + int((clean >= SPECIAL).sum())
    assert 0.24 < count / known < 0.38
    again = [batch["x"] for batch in task.in_order("val")]
    assert all(torch.equal(x, batch["x"]) for x, batch in zip(again, task.in_order("val"), strict=True))
    first, second = (next(iter(task.epoch(torch.Generator().manual_seed(seed))))["x"] for seed in (0, 1))
    assert first.shape != second.shape or not torch.equal(first, second)


def test_swapped_words_are_the_texts_own(standin_reviews):
    batch = next(Task(standin_reviews, SETTINGS | {"corruption": "swap"}, 0, 16, "cpu", torch.float32).in_order("val"))
    assert torch.equal(batch["x"].sort(1).values, batch["clean"].sort(1).values)
    assert (batch["x"] != batch["clean"]).any()
    asked = batch["target"][:, 1:] > 0
    assert torch.equal(batch["x"][~asked], batch["clean"][~asked])


def test_texts_and_positions_by_hand():
    """What is said replaces the corrupted words alone; padding is cut off."""
    restored, clean = Task._texts(ARRAYS, SAID)
    assert [row.tolist() for row in restored] == [[2, 3, 4, 5, 4, 7], [8, 9, 7, 3]]
    assert [row.tolist() for row in clean] == [[2, 3, 4, 5, 6, 7], [8, 9, 2, 3]]
    said, true = Task._positions(ARRAYS, SAID)
    assert [row.tolist() for row in said] == [[3, 4], [7]] and [row.tolist() for row in true] == [[3, 6], [2]]


def test_metrics_by_hand(task):
    """Of 10 words 8 are right, of 8 pairs 4, of 6 triples 2 and of 4 quadruples 1."""
    found = task.metrics(ARRAYS)
    assert found["loss"] == 1.0 and found["perplexity"] == pytest.approx(math.e)
    assert found["accuracy_token"] == pytest.approx(1 / 3)
    assert found["bleu_sacre"] == pytest.approx(geometric(8 / 10, 4 / 8, 2 / 6, 1 / 4))
    assert found["bleu_nltk"] == pytest.approx(geometric(8 / 10, 4 / 8, 2 / 6, 1 / 4))
    assert task.kept(ARRAYS)["bleu_stats"].tolist() == [[6, 6, 5, 3, 2, 1, 6, 5, 4, 3], [4, 4, 3, 1, 0, 0, 4, 3, 2, 1]]


def test_positions_alone_by_hand(task):
    """Five positions of a text, of which the first four are right: 4/5, 3/4, 2/3 and 1/2."""
    clean = np.array([[2, 3, 4, 5, 6, 7]], np.int32)
    target = np.array([[0, 2, 3, 4, 5, 0, 7]], np.int32)
    said = np.array([[0, 2, 3, 4, 5, 0, 9]], np.int32)
    sums = {"loss_sum": np.zeros(1), "count": np.full(1, 5.0), "right": np.full(1, 4.0)}
    wrong = np.where(target[:, 1:] > 0, 8, clean)
    found = task.metrics({"clean": clean, "input": wrong, "target": target, "prediction": said} | sums)
    assert found["bleu_positions"] == pytest.approx(geometric(4 / 5, 3 / 4, 2 / 3, 1 / 2))
    assert found["bleu_sacre"] == pytest.approx(geometric(5 / 6, 4 / 5, 3 / 4, 2 / 3))
    assert found["perplexity"] == 1.0


def test_trivial_restorers_by_hand(task, monkeypatch):
    """A copy leaves 7 of 10 words right and none that is asked for; the unigram says 2, the most frequent, there."""
    monkeypatch.setattr(task, "pool_P", torch.tensor([2, 2, 3, 6]))
    found, arrays = task.finish(None, {"test": ARRAYS})
    assert not arrays
    # Right: 7 words of 10, 2 pairs of 8 (4 5; 8 9), no triple of 6 and no quadruple of 4, smoothed to 1/2 and 1/4.
    assert found["test/bleu_sacre_copy"] == pytest.approx(geometric(7 / 10, 2 / 8, 1 / 2 / 6, 1 / 4 / 4))
    assert found["test/bleu_nltk_copy"] == pytest.approx(0.0, abs=1e-6)  # NLTK does not smooth
    assert found["test/bleu_positions_copy"] == 0.0
    # 2 2 4 5 2 7 and 8 9 2 3: words 8 of 10 (one 2 of the first counts), pairs 1 + 3, triples 0 + 2, quadruples 0 + 1.
    assert found["test/bleu_sacre_unigram"] == pytest.approx(geometric(8 / 10, 4 / 8, 2 / 6, 1 / 4))
    assert found["test/perplexity_unigram"] == pytest.approx((0.25 * 0.25 * 0.5) ** (-1 / 3))
    assert found["test/accuracy_token_unigram"] == pytest.approx(1 / 3)


def test_whoever_knows_the_words_restores_the_texts(task):
    batch = next(task.in_order("test"))
    arrays = {name: value.numpy() for name, value in task.targets(batch).items()}
    assert arrays["target"].shape == (len(batch["x"]), SETTINGS["length"] + 1)
    count = (arrays["target"] > 0).sum(1).astype(float)
    sums = {"loss_sum": np.zeros(len(count)), "count": count, "right": count}
    found = task.metrics(arrays | sums | {"prediction": arrays["target"]})
    assert found["bleu_sacre"] == pytest.approx(100) and found["bleu_positions"] == pytest.approx(100)
    assert found["perplexity"] == 1.0 and found["accuracy_token"] == 1.0


def test_a_method_gets_the_words_of_the_training_texts(standin_reviews):
    corruption = {"corruption": "random", "corruption_share": 0.15}
    plan = make_text_plan("ff_words", WORD_CASES["ff_words"], view="denoise", data=corruption, task="denoise")
    task = parts.make_task(plan, standin_reviews, "cpu", torch.float32)
    (pool,) = parts.make_method(plan, task).net.pools
    own = task.reviews
    expected = [word for row in own.index["train"] for word in own.token_NT[row].tolist() if word >= SPECIAL]
    assert pool.tolist() == expected
