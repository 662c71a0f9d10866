"""Counts of described nets, against PyTorch's modules."""

import pytest
import torch
from torch import nn

from ffrepro.core.audit import counts


def run(module, shape):
    """Output shape of one sample, and parameters."""
    out = module(torch.zeros(2, *shape))
    out = out[0] if isinstance(out, tuple) else out
    return tuple(out.shape[1:]), sum(p.numel() for p in module.parameters())


CASES = [
    ({"kind": "conv", "out": 8, "kernel": 3}, nn.Conv2d(4, 8, 3), (4, 9, 7)),
    ({"kind": "conv", "out": 8, "kernel": 4, "padding": 1, "stride": 2, "groups": 2, "bias": False},
     nn.Conv2d(4, 8, 4, padding=1, stride=2, groups=2, bias=False), (4, 9, 7)),
    ({"kind": "pool", "kernel": 2}, nn.MaxPool2d(2), (4, 9, 7)),
    ({"kind": "pool", "kernel": 3, "stride": 2, "padding": 1}, nn.MaxPool2d(3, 2, 1), (4, 9, 7)),
    ({"kind": "linear", "out": 5}, nn.Linear(7, 5), (7,)),
    ({"kind": "linear", "out": 5, "bias": False}, nn.Linear(7, 5, bias=False), (3, 7)),
    ({"kind": "batch_norm"}, nn.BatchNorm2d(4), (4, 9, 7)),
    ({"kind": "batch_norm", "affine": False}, nn.BatchNorm1d(4, affine=False), (4,)),
    ({"kind": "rnn", "out": 6}, nn.RNN(2, 6, batch_first=True), (9, 2)),
    ({"kind": "rnn", "out": 6, "cell": "lstm"}, nn.LSTM(2, 6, batch_first=True), (9, 2)),
    ({"kind": "rnn", "out": 6, "cell": "gru"}, nn.GRU(2, 6, batch_first=True), (9, 2)),
    ({"kind": "flatten"}, nn.Flatten(), (4, 9, 7)),
    ({"kind": "activation"}, nn.ReLU(), (4, 9, 7)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "module", "shape"), CASES, ids=lambda case: str(case)[:40])
def test_a_layer_counts_as_its_module(layer, module, shape):
    (found,) = counts.count(shape, [layer])
    assert (found.shape, found.parameters) == run(module, shape)


def test_embeddings_count_their_entries():
    (found,) = counts.count([1], [{"kind": "embedding", "entries": 10, "out": 1024}])
    assert found.parameters == nn.Embedding(10, 1024).weight.numel() == 10240
    assert found.shape == (1, 1024)


def test_layers_may_be_joined_by_name():
    layers = [{"kind": "linear", "out": 5, "name": "a"}, {"kind": "linear", "out": 3, "name": "b"},
              {"kind": "concat", "of": ["a", "b"]}, {"kind": "linear", "out": 2}]  # fmt: skip
    found = counts.count([4], layers)
    assert found[2].shape == (8,)
    assert counts.parameters(found) == 5 * 5 + 3 * 6 + 2 * 9
    assert counts.size(found[0]) == 5


@pytest.mark.parametrize(
    ("shape", "layers", "index"),
    [
        ([3, 8, 8], [{"kind": "convolution", "out": 3, "kernel": 3}], 0),
        ([3, 8, 8], [{"kind": "conv", "out": 3}], 0),
        ([3, 8, 8], [{"kind": "flatten"}, {"kind": "linear", "out": 3, "kernel": 1}], 1),
        ([3, 2, 2], [{"kind": "pool", "kernel": 2}, {"kind": "conv", "out": 3, "kernel": 3}], 1),
        ([3, 8, 8], [{"kind": "conv", "out": 4, "kernel": 3, "groups": 2}], 0),
        ([8], [{"kind": "conv", "out": 4, "kernel": 3}], 0),
        ([8], [{"kind": "rnn", "out": 4}], 0),
        ([8, 2], [{"kind": "rnn", "out": 4, "cell": "mgu"}], 0),
        ([8], [{"kind": "concat", "of": ["later"]}, {"kind": "linear", "out": 1, "name": "later"}], 0),
    ],
)
def test_layers_that_cannot_be_are_refused_with_their_place(shape, layers, index):
    with pytest.raises(counts.LayerError) as caught:
        counts.count(shape, layers)
    assert caught.value.index == index
