"""Grouped goodness and the losses of class competition and of pairs: by hand, and slopes against autograd."""

import math

import pytest
import torch

from ffrepro.core import goodness, losses, normalisation

G = torch.tensor([[1.0, 3.0, 2.0], [0.5, -1.0, 4.0]], dtype=torch.float64)


def test_grouped_goodness_by_hand():
    h = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 2.0]]], dtype=torch.float64)  # (1, 2 positions, 4)
    g = goodness.grouped(h.square().sum(1), groups=2, positions=2)
    assert g.tolist() == [[(1 + 4 + 0 + 1) / 4, (9 + 16 + 1 + 4) / 4]]


def test_grouped_scale_is_the_gradient():
    h = torch.randn(3, 5, 6, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(3, 2, dtype=torch.float64)
    (goodness.grouped(h.square().sum(1), 2, 5) * slope).sum().backward()
    expected = goodness.grouped_scale(slope, 6, 5).unsqueeze(1) * h.detach()
    torch.testing.assert_close(h.grad, expected, rtol=0, atol=1e-14)


def test_cwc_by_hand_and_its_slope():
    label = torch.tensor([1, 0])
    sums = [math.exp(1) + math.exp(3) + math.exp(2), math.exp(0.5) + math.exp(-1) + math.exp(4)]
    expected = [-math.log(math.exp(3) / sums[0]), -math.log(math.exp(0.5) / sums[1])]
    assert losses.cwc(G, label).tolist() == pytest.approx(expected, rel=1e-14)
    g = G.clone().requires_grad_()
    losses.cwc(g, label).sum().backward()
    torch.testing.assert_close(losses.cwc_slope(G, label), g.grad, rtol=0, atol=1e-15)


def pairs():
    torch.manual_seed(0)
    return [(4 * torch.randn(9, dtype=torch.float64)).requires_grad_() for _ in range(2)]


def test_symba_by_hand():
    one, two = torch.tensor(2.0, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    assert losses.symba(one, two, 4.0).item() == pytest.approx(math.log(1 + math.exp(-6)), rel=1e-13)


def test_distance_by_hand():
    two, half = torch.tensor(2.0, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    absolute = math.log(1 + math.exp(1 - 2)) + math.log(1 + math.exp(0.5 - 1))
    relative = math.log(1 + math.exp(3 - 1.5))
    expected = 0.25 * absolute + 0.75 * relative
    assert losses.distance(two, half, 1.0, 3.0, 0.25).item() == pytest.approx(expected, rel=1e-14)


def test_the_loss_of_pairs_is_the_one_that_is_named():
    positive, negative = pairs()
    numbers = {"alpha": 4.0, "margin": 3.0, "mixing_weight": 0.25}
    assert torch.equal(
        losses.pair(positive, negative, 1.0, {"loss": "symba", **numbers}), losses.symba(positive, negative, 4.0)
    )
    assert torch.equal(
        losses.pair(positive, negative, 1.0, {"loss": "distance", **numbers}),
        losses.distance(positive, negative, 1.0, 3.0, 0.25),
    )
    logistic = losses.pair(positive, negative, 1.0, {"loss": "logistic", **numbers})
    ones = torch.ones(9, dtype=torch.float64)
    expected = losses.logistic(positive, ones, 1.0) + losses.logistic(negative, -ones, 1.0)
    torch.testing.assert_close(logistic, expected, rtol=1e-14, atol=0)


def test_length_by_hand():
    h = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    assert normalisation.length(h, 1.0).tolist() == [[0.5, 4 / 6], [0.0, 0.0]]
    assert normalisation.length(h, 1.0, in_place=True) is h
