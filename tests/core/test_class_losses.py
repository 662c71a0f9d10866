"""Grouped goodness and the losses of class competition and of pairs: by hand, and slopes against autograd."""

import math

import pytest
import torch

from ffrepro.core import class_losses, goodness, losses, normalisation

G = torch.tensor([[1.0, 3.0, 2.0], [0.5, -1.0, 4.0]], dtype=torch.float64)
FOUR = torch.tensor([[3.0, 1.0, 0.5, 0.0], [0.2, 4.0, 0.1, 0.6]], dtype=torch.float64)
LABEL = torch.tensor([0, 3])
SETTINGS = {"theta": 2.0, "alpha": 1.5, "margin": 0.7, "mixing_weight": 0.25}


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


def softplus(z):
    return math.log(1 + math.exp(z))


@pytest.mark.parametrize(("kind", "negatives"), [("sum", [1.5, 4.3]), ("mean", [0.5, 4.3 / 3])])
def test_losses_of_classes_by_hand(kind, negatives):
    """The mean, with a threshold of 2, is the pairwise loss of CwC's code but for a factor: it averages both terms."""
    pairs = list(zip([3.0, 0.6], negatives, strict=True))
    absolute = [softplus(2 - p) + softplus(n - 2) for p, n in pairs]
    expected = {
        "cwc": [math.log(sum(math.exp(g) for g in row)) - p for row, (p, _) in zip(FOUR.tolist(), pairs, strict=True)],
        "logistic": absolute,
        "symba": [softplus(1.5 * (n - p)) for p, n in pairs],
        "distance": [0.25 * a + 0.75 * softplus(0.7 - p + n) for a, (p, n) in zip(absolute, pairs, strict=True)],
    }
    for loss, values in expected.items():
        found = class_losses.loss(FOUR, LABEL, {**SETTINGS, "loss": loss, "negative_goodness": kind})
        assert found.tolist() == pytest.approx(values, rel=1e-12)


def test_a_slope_of_the_mean_of_negatives_by_hand():
    """d/dg of softplus(2 - g+) + softplus(mean of the others - 2): the others share one slope, a third each."""
    found = class_losses.slope(FOUR, LABEL, {**SETTINGS, "loss": "logistic", "negative_goodness": "mean"})
    own, other = -1 / (1 + math.exp(3.0 - 2)), 1 / (1 + math.exp(2 - 0.5)) / 3
    assert found[0].tolist() == pytest.approx([own, other, other, other], rel=1e-12)


@pytest.mark.parametrize("kind", ["sum", "mean"])
@pytest.mark.parametrize("loss", ["cwc", "logistic", "symba", "distance"])
def test_slopes_of_classes_are_gradients(loss, kind):
    settings = {**SETTINGS, "loss": loss, "negative_goodness": kind}
    g = FOUR.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda g: class_losses.loss(g, LABEL, settings), g)
    (expected,) = torch.autograd.grad(class_losses.loss(g, LABEL, settings).sum(), g)
    with torch.no_grad():  # as in the closed form
        torch.testing.assert_close(class_losses.slope(FOUR, LABEL, settings), expected, rtol=1e-12, atol=0)
