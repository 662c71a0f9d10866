"""Closed-form recurrent layer against nn.RNN and autograd in float64."""

import pytest
import torch
from torch import nn

from ffrepro.core import recurrent

T, B, INPUTS, H = 7, 5, 3, 6


@pytest.fixture
def layer():
    torch.manual_seed(0)
    block = nn.RNN(INPUTS, H, nonlinearity="relu").double()
    x_TBI = torch.randn(T, B, INPUTS, dtype=torch.float64)
    mask_TB1 = (torch.arange(T)[:, None] < torch.tensor([7, 5, 1, 7, 0])).double().unsqueeze(-1)
    return block, x_TBI, mask_TB1


def parts(block):
    return block.weight_ih_l0, block.weight_hh_l0, block.bias_ih_l0 + block.bias_hh_l0


@pytest.mark.parametrize("masked", [False, True])
def test_forward_equals_nn_rnn(layer, masked):
    block, x_TBI, mask_TB1 = layer
    mask_TB1 = mask_TB1 if masked else None
    with torch.no_grad():
        h_TBH = recurrent.forward(x_TBI, *parts(block), torch.empty(T, B, H, dtype=torch.float64), mask_TB1)
        expected, _ = block(x_TBI)
    torch.testing.assert_close(h_TBH, expected * mask_TB1 if masked else expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("masked", [False, True])
def test_gradient_of_a_goodness_loss_equals_autograd(layer, masked):
    block, x_TBI, mask_TB1 = layer
    mask_TB1 = mask_TB1 if masked else torch.ones_like(mask_TB1)
    h, _ = block(x_TBI)
    weight_TB = torch.rand(T, B, dtype=torch.float64) * mask_TB1.squeeze(-1)
    loss = (nn.functional.softplus(2 - h.square().sum(-1)) * weight_TB).sum()
    loss.backward()
    with torch.no_grad():
        buffer = torch.empty(T, B, H, dtype=torch.float64)
        h_TBH = recurrent.forward(x_TBI, *parts(block), buffer, mask_TB1 if masked else None)
        scale_TB = -2 * torch.sigmoid(2 - h_TBH.square().sum(-1)) * weight_TB
        grads = tuple(torch.full_like(p, 7.0) for p in (block.weight_ih_l0, block.weight_hh_l0, block.bias_ih_l0))
        recurrent.backward(x_TBI, h_TBH, *parts(block)[:2], grads, scale_TB=scale_TB)
    for found, expected in zip(grads, (block.weight_ih_l0, block.weight_hh_l0, block.bias_ih_l0), strict=True):
        assert expected.grad.abs().max() > 1e-3
        torch.testing.assert_close(found, expected.grad, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(block.bias_hh_l0.grad, block.bias_ih_l0.grad)


def test_gradient_of_any_loss_and_of_the_input_equals_autograd(layer):
    block, x_TBI, _ = layer
    x_TBI.requires_grad_()
    h, _ = block(x_TBI)
    dh_TBH = torch.randn(T, B, H, dtype=torch.float64)
    (h * dh_TBH).sum().backward()
    with torch.no_grad():
        h_TBH = recurrent.forward(x_TBI, *parts(block), torch.empty_like(dh_TBH))
        grads = tuple(torch.empty_like(p) for p in (block.weight_ih_l0, block.weight_hh_l0, block.bias_ih_l0))
        dx_TBI = torch.empty_like(x_TBI)
        recurrent.backward(x_TBI, h_TBH, *parts(block)[:2], grads, dh_TBH=dh_TBH.clone(), dx_TBI=dx_TBI)
    expected = (block.weight_ih_l0.grad, block.weight_hh_l0.grad, block.bias_ih_l0.grad, x_TBI.grad)
    for found, wanted in zip((*grads, dx_TBI), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-13)


def test_a_single_step(layer):
    block, x_TBI, _ = layer
    h, _ = block(x_TBI[:1])
    h.square().sum().backward()
    with torch.no_grad():
        h_TBH = recurrent.forward(x_TBI[:1], *parts(block), torch.empty(1, B, H, dtype=torch.float64))
        grads = tuple(torch.empty_like(p) for p in (block.weight_ih_l0, block.weight_hh_l0, block.bias_ih_l0))
        recurrent.backward(x_TBI[:1], h_TBH, *parts(block)[:2], grads, scale_TB=torch.full((1, B), 2.0).double())
    torch.testing.assert_close(grads[0], block.weight_ih_l0.grad, rtol=1e-12, atol=1e-13)
    assert grads[1].abs().max() == 0  # no earlier state, no recurrent gradient
