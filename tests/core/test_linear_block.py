"""Closed-form linear block against nn.Linear and autograd in float64."""

import pytest
import torch
from torch import nn

from ffrepro.core import linear_block, losses, normalisation

N, INPUTS, OUTPUTS = 7, 5, 12


@pytest.fixture
def case():
    torch.manual_seed(0)
    return nn.Linear(INPUTS, OUTPUTS).double(), torch.randn(N, INPUTS, dtype=torch.float64)


def check(layer, x, groups, slope, loss, work):
    h = layer(x).relu()
    g = h.view(N, groups, -1).square().mean(-1)
    loss(g).backward()
    with torch.no_grad():
        out = torch.empty(N, OUTPUTS, dtype=torch.float64)
        goodness = linear_block.forward(x, layer.weight, layer.bias, groups, out)
        grads = tuple(torch.full_like(p, torch.nan) for p in (layer.weight, layer.bias))
        linear_block.gradient(x, out, slope(goodness), grads, torch.empty(work, dtype=torch.float64))
    torch.testing.assert_close(out, h.detach(), rtol=0, atol=1e-13)
    torch.testing.assert_close(goodness, g.detach(), rtol=0, atol=1e-13)
    for found, parameter in zip(grads, (layer.weight, layer.bias), strict=True):
        assert parameter.grad.abs().max() > 1e-4
        torch.testing.assert_close(found, parameter.grad, rtol=0, atol=1e-13)


@pytest.mark.parametrize("work", [(N, 12), (N, 9), (3, 12), (2, 6), (1, 3)])
def test_class_competition(case, work):
    layer, x = case
    label = torch.randint(4, (N,))
    check(layer, x, 4, lambda g: losses.cwc_slope(g, label) / N, lambda g: losses.cwc(g, label).mean(), work)


@pytest.mark.parametrize("work", [(N, 12), (4, 12), (1, 12)])
def test_positive_and_negative_samples(case, work):
    layer, x = case
    sign = torch.tensor([1.0, -1, 1, -1, -1, 1, 1], dtype=torch.float64).unsqueeze(1)
    check(
        layer, x, 1,
        lambda g: losses.logistic_slope(g * OUTPUTS, sign, 2.0) * OUTPUTS / N,  # the sum of squares
        lambda g: losses.logistic(g * OUTPUTS, sign, 2.0).mean(), work,
    )  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
def test_batchnorm_on_the_input(bias):
    torch.manual_seed(0)
    ours, theirs = (nn.BatchNorm1d(INPUTS).double() for _ in range(2))
    for bn in (ours, theirs):
        nn.init.uniform_(bn.weight, -2, 2)
        nn.init.normal_(bn.bias)
        ours.load_state_dict(bn.state_dict())
    linear = nn.Linear(INPUTS, OUTPUTS, bias=bias).double()
    x = 3 * torch.randn(N, INPUTS, dtype=torch.float64) + 5
    x[:, 0] = 0.7  # a pixel that is the same in all images
    label = torch.randint(4, (N,))
    h = linear(theirs(x)).relu()
    losses.cwc(h.view(N, 4, -1).square().mean(-1), label).mean().backward()
    with torch.no_grad():
        layer, out = linear_block.fold(linear, ours, x), torch.empty(N, OUTPUTS, dtype=torch.float64)
        goodness = linear_block.forward(x, layer.weight, layer.bias, 4, out)
        grads = torch.empty_like(linear.weight), torch.empty(OUTPUTS, dtype=torch.float64)
        slope, work = losses.cwc_slope(goodness, label) / N, torch.empty(3, 6, dtype=torch.float64)
        linear_block.gradient(x, out, slope, grads, work)
        of_norm = linear_block.unfold(layer, linear, grads)
    torch.testing.assert_close(out, h.detach(), rtol=0, atol=1e-12)
    for found, parameter in zip((*of_norm, *grads), (*theirs.parameters(), *linear.parameters()), strict=False):
        assert parameter.grad.abs().max() > 1e-4
        torch.testing.assert_close(found, parameter.grad, rtol=1e-10, atol=1e-12)
    for name, value in theirs.named_buffers():
        assert name != "running_mean" or value.abs().max() > 0.1
        torch.testing.assert_close(dict(ours.named_buffers())[name], value, rtol=1e-12, atol=0)


def test_pass_on_is_the_rms_normalisation(case):
    layer, x = case
    with torch.no_grad():
        out = torch.empty(N, OUTPUTS, dtype=torch.float64)
        goodness = linear_block.forward(x, layer.weight, layer.bias, 4, out)
        expected = normalisation.rms(out, 1e-5, "inside_root")
        torch.testing.assert_close(linear_block.pass_on(out, goodness, 1e-5), expected, rtol=1e-13, atol=0)


def test_workspace_is_a_part_of_a_batch_in_pieces_of_about_one_size_and_whole_groups():
    assert linear_block.workspace_shape(512, 2000, 10) == (128, 1000)
    assert linear_block.workspace_shape(512, 3000, 10) == (128, 900)
    assert linear_block.workspace_shape(512, 2000, 1) == (128, 2000)
    assert linear_block.workspace_shape(200, 1000, 1) == (100, 1000)
    assert linear_block.workspace_shape(7, 30, 3) == (7, 30)
