"""The recurrent stack is PyTorch's, and its initial weights come from the generator alone."""

import pytest
import torch
from torch import nn

from ffrepro import nets
from ffrepro.base.errors import FfreproError


def build(init="torch_default", seed=0, layers=3):
    settings = {"name": "rnn", "hidden": 8, "layers": layers, "init": init}
    return nets.build(settings, 2, 2, torch.Generator().manual_seed(seed))


def test_equals_a_stacked_nn_rnn():
    net = build()
    stacked = nn.RNN(2, 8, 3, nonlinearity="relu")
    with torch.no_grad():
        for layer, block in enumerate(net.blocks):
            for name, value in block.named_parameters():
                getattr(stacked, name.replace("l0", f"l{layer}")).copy_(value)
        x_TBI = torch.randn(6, 4, 2)
        torch.testing.assert_close(net(x_TBI), stacked(x_TBI)[0])


def test_initial_weights():
    torch.manual_seed(1)
    first = build()
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), build().parameters(), strict=True))
    assert max(p.abs().max() for p in first.parameters()) <= 8**-0.5
    xavier = nets.build({"name": "rnn", "hidden": 400, "layers": 1, "init": "xavier_normal"}, 2, 2, torch.Generator())
    assert float(xavier.blocks[0].weight_hh_l0.detach().std()) == pytest.approx((2 / 800) ** 0.5, rel=0.02)
    assert xavier.blocks[0].bias_hh_l0.abs().max() == 0


def test_papers_size():
    net = nets.build({"name": "rnn", "hidden": 96, "layers": 3, "init": "torch_default"}, 2, 2, torch.Generator())
    assert sum(p.numel() for p in net.parameters()) == 96 * (2 + 96 + 2) + 2 * 96 * (96 + 96 + 2)


def test_unknown_net_names_the_nearest():
    with pytest.raises(FfreproError, match="Did you mean 'rnn'"):
        nets.build({"name": "rrn"}, 2, 2, torch.Generator())
