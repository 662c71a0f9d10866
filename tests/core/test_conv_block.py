"""Closed-form convolutional block against BatchNorm2d, conv2d and autograd in float64."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ffrepro.core import conv_block, conv_layer, losses

GROUPS = 4


class Oracle(nn.Module):
    """The block as plain modules, in the paper's order."""

    def __init__(self, inputs, outputs, kernel, padding, pool, *, norm=True, bias=False):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs) if norm else None
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bias)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()
        if norm:
            nn.init.uniform_(self.norm.weight, -1.5, 1.5)
            nn.init.uniform_(self.norm.bias, -1, 1)
        self.pooled = pool
        self.double()

    def forward(self, x):
        h = self.pool(F.relu(self.conv(x if self.norm is None else self.norm(x))))
        n, c = h.shape[:2]
        return h, h.view(n, GROUPS, c // GROUPS, *h.shape[2:]).square().mean((2, 3, 4))

    def layer(self):
        """With running statistics of its own."""
        layer = conv_layer.layer_of(self.conv, self.norm, self.pooled)
        if layer.norm is None:
            return layer
        mean, var = layer.norm.running_mean.clone(), layer.norm.running_var.clone()
        return layer._replace(norm=layer.norm._replace(running_mean=mean, running_var=var))

    def expected(self):
        """The gradients that autograd left."""
        return conv_layer.gradients_of(self.conv, self.norm)


def places(layer):
    """For gradients, with rubbish in them."""
    norm = (None, None) if layer.norm is None else (torch.full_like(layer.norm.gamma, 7.0) for _ in range(2))
    bias = None if layer.bias is None else torch.full_like(layer.bias, 7.0)
    return conv_layer.Gradients(torch.full_like(layer.weight, 7.0), *norm, bias)


def learn(layer, x, slope, chunk):
    x_map, moments = conv_block.load(x)
    before = x_map.clone()
    grads = places(layer)
    found = conv_block.learn(layer, x_map, moments, GROUPS, slope, grads, chunk)
    assert torch.equal(x_map, before)
    return grads, *found


CASES = [
    # inputs, outputs, kernel, padding, pool, height, width, batch, samples in a chunk
    (3, 8, 3, 1, False, 8, 8, 6, 6),
    (3, 8, 3, 1, True, 8, 6, 6, 2),
    (5, 4, 3, 1, True, 7, 9, 5, 2),
    (5, 12, 4, 1, False, 8, 8, 7, 4),
    (4, 8, 4, 1, True, 8, 7, 3, 1),
    (2, 8, 5, 1, False, 8, 8, 5, 5),
    (3, 4, 5, 1, True, 9, 11, 4, 3),
    (3, 4, 5, 2, False, 6, 6, 4, 3),
    (17, 8, 3, 1, True, 7, 6, 7, 2),
    (17, 4, 4, 1, False, 6, 8, 5, 2),
    (16, 4, 5, 1, True, 9, 7, 5, 1),
    (20, 8, 5, 2, False, 6, 6, 6, 4),
    (1, 4, 3, 0, True, 6, 6, 1, 1),
]


OPTIONS = [
    # channels_last, norm, bias
    (False, True, False),
    (True, True, False),
    (True, False, True),
    (False, False, False),
    (True, True, True),
]


def equal(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.fixture(scope="module", params=itertools.product(CASES, OPTIONS), ids=str)
def solved(request):
    """A block learnt in closed form, and the same by modules and autograd (``oracle``, ``h``, ``g``)."""
    case, (channels_last, norm, bias) = request.param
    torch.manual_seed(0)
    inputs, outputs, kernel, padding, pool, height, width, batch, chunk = case
    oracle = Oracle(inputs, outputs, kernel, padding, pool, norm=norm, bias=bias)
    layer = oracle.layer()
    if channels_last:
        layer = layer._replace(weight=layer.weight.contiguous(memory_format=torch.channels_last))
    x = torch.randn(batch, inputs, height, width, dtype=torch.float64) * 3 + 1
    label = torch.randint(GROUPS, (batch,))
    h, g = oracle(x)
    losses.cwc(g, label).mean().backward()
    pieces = []

    def slope(g, some):
        pieces.append(some.stop - some.start)
        return losses.cwc_slope(g, label[some]) / batch

    grads, out, goodness, moments = learn(layer, x, slope, chunk)
    assert sum(pieces) == batch and max(pieces) == chunk
    return SimpleNamespace(
        oracle=oracle, h=h.detach(), g=g.detach(), layer=layer, grads=grads, out=out, goodness=goodness, moments=moments
    )


def test_forward_equals_modules(solved):
    equal(solved.out[..., :-1], solved.h.permute(0, 2, 3, 1))
    assert (solved.out[..., -1] == 1).all()
    equal(solved.goodness, solved.g)


def test_gradients_equal_autograd(solved):
    for found, expected in zip(solved.grads, solved.oracle.expected(), strict=True):
        assert (found is None) == (expected is None)
        if found is not None:
            assert expected.abs().max() > 1e-6
            equal(found, expected)


def test_statistics_equal_batchnorm(solved):
    if solved.oracle.norm is not None:
        equal(solved.layer.norm.running_mean, solved.oracle.norm.running_mean)
        equal(solved.layer.norm.running_var, solved.oracle.norm.running_var)
    var, mean = torch.var_mean(solved.h, (0, 2, 3), correction=0)
    equal(solved.moments.mean, mean)
    equal(solved.moments.var, var)
    assert solved.moments.count == solved.h.numel() // solved.h.shape[1]


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
    grads, *_ = learn(oracle.layer(), x, lambda g, some: losses.cwc_slope(g, label[some]), 2)
    torch.testing.assert_close(grads[0], oracle.conv.weight.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("norm", "bias"), [(True, False), (False, True)])
def test_evaluation_uses_the_running_statistics(norm, bias):
    torch.manual_seed(0)
    oracle = Oracle(3, 8, 4, 1, True, norm=norm, bias=bias)
    if norm:
        oracle.norm.running_mean.uniform_(-1, 1)
        oracle.norm.running_var.uniform_(0.5, 2)
    oracle.eval()
    x = torch.randn(3, 3, 9, 9, dtype=torch.float64)
    h, g = oracle(x)
    out, goodness = conv_block.forward(oracle.layer(), conv_block.load(x)[0], GROUPS)
    torch.testing.assert_close(out[..., :-1], h.detach().permute(0, 2, 3, 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(goodness, g.detach(), rtol=0, atol=1e-12)


def test_the_second_block_works_on_what_the_first_left():
    torch.manual_seed(0)
    first, second = Oracle(3, 16, 3, 1, True), Oracle(16, 4, 3, 1, False)
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    h, _ = first(x)
    _, g = second(h.detach())
    label = torch.randint(GROUPS, (6,))
    losses.cwc(g, label).mean().backward()

    x_map, moments = conv_block.load(x)
    layers = [first.layer(), second.layer()]
    for layer, chunk in zip(layers, conv_block.chunks(layers, x_map.shape, 8), strict=True):
        grads = places(layer)
        x_map, goodness, moments = conv_block.learn(
            layer, x_map, moments, GROUPS, lambda g, some: losses.cwc_slope(g, label[some]) / 6, grads, chunk
        )
    torch.testing.assert_close(goodness, g.detach(), rtol=0, atol=1e-12)
    for found, expected in zip(grads[:3], second.expected()[:3], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_least_memory_by_hand():
    layers = [Oracle(3, 8, 3, 1, True).layer(), Oracle(8, 4, 4, 1, False).layer()]
    assert conv_block.least(layers, (2, 8, 8, 4)) == 2 * (3 * 64 + 8 * 16)


def test_a_stacks_chunks_leave_room_for_what_else_is_held():
    """First layer: maps, sums and oneDNN's copy of the weight, rounded up to 16 and 16 channels, are held; a sample
    takes 6912 bytes: 64 positions of 9 channels, and 16 of 9 with a place of 8 bytes each."""
    layers = [Oracle(3, 8, 3, 1, True).layer(), Oracle(8, 4, 4, 1, False).layer()]
    held = 8 * (2 * (4 * 64 + 9 * 16) + 16 * 16 * 9 + 2 * 2 * 8)
    assert conv_block.sample_bytes(layers[0], (2, 8, 8, 4), 8) == 6912
    assert 8 * 640 * 7 - held < 2 * 6912 < 8 * 640 * 8 - held
    assert conv_block.chunks(layers, (2, 8, 8, 4), 8, 7.0)[0] == 1
    assert conv_block.chunks(layers, (2, 8, 8, 4), 8, 8.0)[0] == 2
    assert conv_block.chunks(layers, (2, 8, 8, 4), 8, 8.0, most=6912)[0] == 1


@pytest.mark.parametrize(
    ("most", "expected"),
    [(2**30, 10), (10 * 5184, 10), (9 * 5184, 5), (4 * 5184 + 1, 4), (2 * 5184, 2), (10, 1), (-10, 1)],
)
def test_samples_of_a_chunk(most, expected):
    """A sample takes 48 positions of 9 channels, and 12 of 9 with a place each: 5184 bytes. If nine fit: five."""
    layer = Oracle(17, 8, 3, 1, True).layer()
    assert conv_block.chunk_of(layer, (10, 8, 6, 18), 8, most) == expected
