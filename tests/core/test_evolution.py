"""The evolution-strategy estimator: exact in the mean where that is known, and its sign and size by hand."""

import pytest
import torch

from ffrepro.core import evolution


def estimate(loss, center, pairs, sigma=0.1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return evolution.gradient(loss, center.double(), sigma=sigma, pairs=pairs, generator=generator)


def test_one_pair_by_hand():
    """A slope of 3 in one dimension: the estimate is 3 e^2 of the one draw e, and the mean loss is the centre's."""
    found = estimate(lambda x: 3 * x[0] + 5, torch.tensor([2.0]), 1)
    draw = torch.randn(1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert found.gradient.item() == pytest.approx(3 * draw.item() ** 2)
    assert found.loss.item() == pytest.approx(11.0)


def test_the_gradient_of_a_quadratic_in_the_mean():
    scale = torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64)
    center = torch.tensor([1.0, -1.0, 2.0])
    found = estimate(lambda x: (scale * x * x).sum() / 2, center, 3000)
    assert found.gradient == pytest.approx(scale * center.double(), abs=0.15)
    assert found.loss.item() == pytest.approx(0.5 + 0.01 * 2.5 / 2, abs=0.03)  # smoothing adds sigma^2 trace / 2


def test_even_parts_of_a_loss_cancel_and_draws_follow_the_generator():
    even = estimate(lambda x: (x * x).sum(), torch.zeros(4), 3)
    assert torch.equal(even.gradient, torch.zeros(4, dtype=torch.float64))
    loss = torch.sin
    a, b, c = (estimate(lambda x: loss(x).sum(), torch.ones(4), 3, seed=s).gradient for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)
