"""Claim 100: "detach() creates a copy" (Sec. 3.7), which is to explain FF's time (Sec. 4.2)."""

import math

import torch


def test_a_detached_tensor_shares_its_storage():
    x = torch.ones(3, requires_grad=True) * 2
    assert x.detach().data_ptr() == x.data_ptr() and not x.detach().requires_grad


def test_a_root_mean_square_of_one_is_a_length_of_the_root_of_the_units():
    """Claim 113: "a vector length close to 1" for 96 units."""
    x = torch.randn(96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    normed = x / x.square().mean().sqrt()
    assert float(normed.norm()) == torch.tensor(96.0, dtype=torch.float64).sqrt().item() or math.isclose(
        float(normed.norm()), math.sqrt(96)
    )
