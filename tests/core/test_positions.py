"""Means over positions: PyTorch's values and gradient, the latter laid out as the activations are."""

import pytest
import torch

from ffrepro.core import positions


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 3, 4, 5), (2, 3, 1, 1)])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("squares", [False, True])
def test_value_and_gradient(shape, last, squares):
    layout = torch.channels_last if last and len(shape) == 4 else torch.contiguous_format
    drawn = torch.randn(shape, dtype=torch.float64).contiguous(memory_format=layout)
    h, other = drawn.clone().requires_grad_(), drawn.clone().requires_grad_()
    mean = positions.mean_square if squares else positions.mean_laid_out
    found = mean(h)
    expected = (other.square() if squares else other).mean((2, 3) if len(shape) == 4 else 1)
    weight = torch.randn_like(expected)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(h.grad, other.grad)
    assert h.grad.is_contiguous(memory_format=layout)
    assert torch.autograd.gradcheck(mean, drawn.clone().requires_grad_())


def test_features_without_positions_stay_as_they_are():
    h = torch.randn(2, 3)
    assert positions.mean(h) is h and positions.mean_laid_out(h) is h


def test_three_digits_are_not_summed():
    h = torch.full((1, 4096, 1), 1.01, dtype=torch.bfloat16)
    for mean in (positions.mean, positions.mean_laid_out):
        assert mean(h).dtype == torch.bfloat16
        assert float(mean(h)) == pytest.approx(float(h[0, 0]))
    assert float(positions.mean_square(h)) == pytest.approx(float(h[0, 0]) ** 2)
