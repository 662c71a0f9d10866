"""Closed-form convolutional block against BatchNorm2d, conv2d and autograd in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ffrepro.core import conv_block, losses
from ffrepro.core.arena import Arena, Space

GROUPS = 4


class Oracle(nn.Module):
    """The block as plain modules, in the paper's order."""

    def __init__(self, inputs, outputs, kernel, padding, pool):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        nn.init.uniform_(self.norm.weight, -1.5, 1.5)
        nn.init.uniform_(self.norm.bias, -1, 1)
        self.padding, self.pooled = padding, pool
        self.double()

    def forward(self, x):
        h = self.pool(F.relu(self.conv(self.norm(x))))
        n, c = h.shape[:2]
        return h, h.view(n, GROUPS, c // GROUPS, *h.shape[2:]).square().mean((2, 3, 4))

    def layer(self):
        norm = self.norm
        parts = (self.conv.weight, norm.weight, norm.bias, norm.running_mean.clone(), norm.running_var.clone())
        return conv_block.Layer(*(p.detach() for p in parts), self.padding, self.pooled, norm.eps, norm.momentum)


def as_map(x):
    out = x.new_empty(len(x), *x.shape[2:], x.shape[1] + 1)
    return out, conv_block.load(x, out)


def learn(layer, x, slope, chunk):
    x_map, moments = as_map(x)
    before = x_map.clone()
    out = x_map.new_empty(conv_block.output_shape(layer, x_map.shape))
    grads = tuple(torch.full_like(p, 7.0) for p in layer[:3])
    space = Space(x_map.new_full((conv_block.workspace_size(layer, x_map.shape, chunk, 8),), torch.nan))
    found = conv_block.learn(layer, x_map, out, space, moments, GROUPS, slope, grads, 2**30)
    assert torch.equal(x_map, before)
    return out, grads, *found


CASES = [
    # inputs, outputs, kernel, padding, pool, height, width, batch, chunk
    (3, 8, 3, 1, False, 8, 8, 6, 6),
    (3, 8, 3, 1, True, 8, 6, 6, 2),
    (5, 4, 3, 1, True, 7, 9, 5, 2),
    (5, 12, 4, 1, False, 8, 8, 7, 4),
    (4, 8, 4, 1, True, 8, 7, 3, 1),
    (2, 8, 5, 1, False, 8, 8, 5, 5),
    (3, 4, 5, 1, True, 9, 11, 4, 3),
    (3, 4, 5, 2, False, 6, 6, 4, 3),
    (1, 4, 3, 0, True, 6, 6, 1, 1),
]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_forward_and_gradient_equal_autograd(case, channels_last):
    torch.manual_seed(0)
    inputs, outputs, kernel, padding, pool, height, width, batch, chunk = case
    oracle = Oracle(inputs, outputs, kernel, padding, pool)
    layer = oracle.layer()
    if channels_last:
        layer = layer._replace(weight=layer.weight.contiguous(memory_format=torch.channels_last))
    x = torch.randn(batch, inputs, height, width, dtype=torch.float64) * 3 + 1
    label = torch.randint(GROUPS, (batch,))
    h, g = oracle(x)
    losses.cwc(g, label).mean().backward()

    out, grads, goodness, moments = learn(layer, x, lambda g, some: losses.cwc_slope(g, label[some]) / batch, chunk)
    close = {"rtol": 0, "atol": 1e-12}
    torch.testing.assert_close(out[..., :-1], h.detach().permute(0, 2, 3, 1), **close)
    assert (out[..., -1] == 1).all()
    torch.testing.assert_close(goodness, g.detach(), **close)
    for found, parameter in zip(grads, (oracle.conv.weight, oracle.norm.weight, oracle.norm.bias), strict=True):
        assert parameter.grad.abs().max() > 1e-6
        torch.testing.assert_close(found, parameter.grad, **close)
    torch.testing.assert_close(layer.running_mean, oracle.norm.running_mean, **close)
    torch.testing.assert_close(layer.running_var, oracle.norm.running_var, **close)
    var, mean = torch.var_mean(h.detach(), (0, 2, 3), correction=0)
    torch.testing.assert_close(moments.mean, mean, **close)
    torch.testing.assert_close(moments.var, var, **close)
    assert moments.count == h.numel() // outputs


def test_equal_values_in_a_pool_window_pass_the_gradient_as_autograd_does():
    """A flat background makes all four values of a window equal."""
    torch.manual_seed(0)
    oracle = Oracle(1, 4, 3, 1, True)
    nn.init.constant_(oracle.norm.bias, 1.0)
    nn.init.uniform_(oracle.conv.weight)
    x = torch.zeros(2, 1, 12, 12, dtype=torch.float64)
    x[0, 0, 5, 5] = 1
    _, g = oracle(x)
    label = torch.tensor([0, 1])
    losses.cwc(g, label).sum().backward()
    _, grads, *_ = learn(oracle.layer(), x, lambda g, some: losses.cwc_slope(g, label[some]), 2)
    torch.testing.assert_close(grads[0], oracle.conv.weight.grad, rtol=0, atol=1e-12)


def test_evaluation_uses_the_running_statistics():
    torch.manual_seed(0)
    oracle = Oracle(3, 8, 4, 1, True)
    oracle.norm.running_mean.uniform_(-1, 1)
    oracle.norm.running_var.uniform_(0.5, 2)
    oracle.eval()
    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    h, g = oracle(x)
    out, goodness = conv_block.forward(oracle.layer(), as_map(x)[0], GROUPS)
    torch.testing.assert_close(out[..., :-1], h.detach().permute(0, 2, 3, 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(goodness, g.detach(), rtol=0, atol=1e-12)


def test_two_blocks_in_one_arena():
    """The second block finds its input and its moments where the first left them."""
    torch.manual_seed(0)
    first, second = Oracle(3, 8, 3, 1, True), Oracle(8, 4, 3, 1, False)
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    h, _ = first(x)
    _, g = second(h.detach())
    label = torch.randint(GROUPS, (6,))
    losses.cwc(g, label).mean().backward()

    shapes = [(6, 8, 8, 4), (6, 4, 4, 9), (6, 4, 4, 5)]
    arena = Arena(6 * 4 * 4 * 14 + 8000, x)
    moments = conv_block.load(x, arena.map(0, shapes[0]))
    for number, oracle in enumerate((first, second)):
        layer = oracle.layer()
        x_map, out = arena.map(number, shapes[number]), arena.map(number + 1, shapes[number + 1])
        grads = tuple(torch.empty_like(p) for p in layer[:3])
        goodness, moments = conv_block.learn(
            layer, x_map, out, arena.between(x_map, out), moments, GROUPS,
            lambda g, some: losses.cwc_slope(g, label[some]) / 6, grads, 2**30,
        )  # fmt: skip
    torch.testing.assert_close(goodness, g.detach(), rtol=0, atol=1e-12)
    for found, parameter in zip(grads, (second.conv.weight, second.norm.weight, second.norm.bias), strict=True):
        torch.testing.assert_close(found, parameter.grad, rtol=0, atol=1e-12)
