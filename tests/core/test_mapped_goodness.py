"""Mean squares from second moments: the map's own, in value and gradient."""

import pytest
import torch
from torch.nn import functional as F

from ffrepro.core.mapped_goodness import cheaper, mean_squares


@pytest.mark.parametrize(("positions", "channels", "outputs"), [(7, 3, 5), (1, 2, 4), (6, 5, 2)])
def test_value_and_gradient_are_the_maps(positions, channels, outputs):
    shapes = [(4, positions, channels), (outputs, channels), (outputs,)]
    drawn = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    weight_BJ = torch.randn(4, outputs, dtype=torch.float64)
    found = []
    for goodness in (mean_squares, lambda h, weight, bias: F.linear(h, weight, bias).square().mean(1)):
        inputs = [tensor.clone().requires_grad_() for tensor in drawn]
        g_BJ = goodness(*inputs)
        found.append([g_BJ, *torch.autograd.grad((g_BJ * weight_BJ).sum(), inputs)])
    torch.testing.assert_close(*found)


def test_activations_that_need_no_gradient_get_none():
    weight, bias = (torch.randn(shape, requires_grad=True) for shape in ((5, 3), (5,)))
    mean_squares(torch.randn(2, 7, 3), weight, bias).sum().backward()
    assert weight.grad.shape == (5, 3) and bias.grad.shape == (5,)


def test_it_pays_with_more_outputs_than_channels():
    assert cheaper(256, 16, 100) and cheaper(3136, 64, 1000)
    assert not cheaper(256, 16, 10) and not cheaper(4, 96, 100)
