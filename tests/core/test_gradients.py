"""Norms of gradients by part."""

import math

import pytest
import torch
from torch import nn

from ffrepro.core import gradients


def test_norms_are_those_of_each_parts_parameters_together():
    a, b, c = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    a.grad, b.grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    assert gradients.norms([[a, b], [c], []]) == [5.0, 0.0, 0.0]


def test_spread_and_middle_leave_out_what_has_no_logarithm():
    assert gradients.middle([1.0, 4.0, 0.0, math.inf, math.nan]) == pytest.approx(2.0)
    assert gradients.spread([1.0, math.e**2]) == pytest.approx(1.0)
    assert gradients.spread([3.0]) is gradients.middle([]) is gradients.apart([]) is None


def test_parts_lie_apart_by_the_geometric_mean_of_updates():
    """Eight and two times: four; an update with one norm left says nothing."""
    assert gradients.apart([[1.0, 8.0, 2.0], [6.0, 3.0, 4.0], [5.0, 0.0, math.inf]]) == pytest.approx(4.0)
