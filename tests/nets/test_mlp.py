"""Fully connected stacks."""

import pytest
import torch
from torch.nn import functional as F

from ffrepro import nets
from ffrepro.base.errors import FfreproError


def build(inputs=(1, 28, 28), seed=0, **changed):
    settings = {"name": "mlp", "layers": [500, 100], "input_norm": "none", "bias": True, "groups": None}
    return nets.build(settings | {"init": "torch_default"} | changed, inputs, 10, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("inputs", "layers", "parameters"),
    [
        ((1, 28, 28), [500, 100], 784 * 500 + 500 + 500 * 100 + 100),
        ((3, 32, 32), [3072, 2000, 1000], 3072 * 3072 + 3072 + 3072 * 2000 + 2000 + 2000 * 1000 + 1000),
        (784, [1000, 1000, 1000], 784 * 1000 + 2 * 1000 * 1000 + 3 * 1000),
    ],
)
def test_sizes(inputs, layers, parameters):
    net = build(inputs, layers=layers)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert net.shapes == [(size,) for size in layers]


def test_forward_flattens_images_and_is_linear_maps_with_relu():
    net, x = build(), torch.rand(5, 1, 28, 28)
    first, second = (block.linear for block in net.blocks)
    hidden = (x.view(5, 784) @ first.weight.T + first.bias).clamp(min=0)
    expected = (hidden @ second.weight.T + second.bias).clamp(min=0)
    torch.testing.assert_close(net(x), expected)


def test_input_norm_stands_before_the_map():
    net, x = build(input_norm="batch", bias=False, groups=10, layers=[20]), torch.rand(6, 1, 28, 28)
    block = net.blocks[0]
    assert block.groups == 10 and block.linear.bias is None
    flat = x.flatten(1)
    normed = (flat - flat.mean(0)) / (flat.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(net(x), F.relu(normed @ block.linear.weight.T), atol=1e-5, rtol=1e-4)


def test_initial_weights_come_from_the_generator_alone():
    torch.manual_seed(1)
    first = build()
    torch.manual_seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), build().parameters(), strict=True))
    weight = first.blocks[0].linear.weight
    assert not torch.equal(weight, build(seed=1).blocks[0].linear.weight)
    assert weight.abs().max() <= 784**-0.5 and weight.std().item() == pytest.approx((3 * 784) ** -0.5, rel=0.01)
    assert 0 < first.blocks[0].linear.bias.abs().max() <= 784**-0.5


def test_lecun_normal_starts_units_with_the_scale_of_their_input():
    net, x = build(init="lecun_normal", layers=[2000]), torch.randn(50, 784)
    linear = net.blocks[0].linear
    assert linear.bias.abs().max() == 0 and linear.weight.std().item() == pytest.approx(784**-0.5, rel=0.01)
    assert linear(x).std().item() == pytest.approx(1.0, rel=0.05)


def test_unknown_initial_weights_are_refused_with_the_nearest_name():
    with pytest.raises(FfreproError, match="lecun_normal"):
        build(init="lecun_norml")
