"""A user's own token ids through the library."""

import pytest
import torch
from helpers.method_cases import make_tokens

import ffrepro
from ffrepro import nets
from ffrepro.base.errors import FfreproError


def net(**settings):
    return nets.Transformer(30, 12, 2, width=16, heads=2, feedforward=16, embedding_std=0.1, **settings)


def data(size=64):
    batch = make_tokens(size, masked=True, classes=2)
    return batch["x"], batch["label"]


@pytest.mark.parametrize("method", ["ff", "backprop", "cwc", "cwc_maps"])
def test_methods_are_those_of_tokens_and_learn(method):
    learner = ffrepro.fit(net(), data(), method=method, epochs=25, lr=1e-2, progress=False)
    assert learner.method_name == f"{method}_tokens"
    assert learner.score(*data()) > 0.85


def test_padding_changes_nothing():
    x, y = data()
    learner = ffrepro.fit(net(), (x, y), method="ff", epochs=2, progress=False)
    wider = torch.nn.functional.pad(x, (0, 3))
    batch = {"x": x, "label": y, "index": torch.arange(len(y))}
    ours = learner.method.evaluate_batch(batch)
    theirs = learner.method.evaluate_batch(batch | {"x": wider})
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


@pytest.mark.parametrize(("change", "where"), [
    (lambda x: x + 30, "inputs"), (lambda x: x + 0.5, "inputs"), (lambda x: torch.cat([x, x], 1), "inputs"),
])  # fmt: skip
def test_inputs_that_are_no_token_ids(change, where):
    x, y = data()
    with pytest.raises(FfreproError) as error:
        ffrepro.fit(net(), (change(x), y), method="ff", epochs=1)
    assert error.value.where == where


@pytest.mark.parametrize("method", ["uff", "ff_rnn", "ff_words"])
def test_methods_for_other_nets_are_refused(method):
    with pytest.raises(FfreproError) as error:
        ffrepro.fit(net(), data(), method=method, epochs=1)
    assert error.value.where == "method"
