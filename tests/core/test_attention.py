"""Attention weights and their sharpness, by hand and against PyTorch's kernel."""

import math

import pytest
import torch
from torch.nn import functional as F

from ffrepro.core import attention

KEEP = torch.tensor([[True, True, True, False], [True, True, False, False]])


def test_weights_are_the_kernels():
    q, k, v = torch.randn(3, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).unbind(0)
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=KEEP[:, None, None, :])
    found = attention.weights(q, k, KEEP)
    assert torch.allclose(found @ v, expected, atol=1e-6)
    assert torch.allclose(found.sum(-1), torch.ones(2, 3, 4)) and not found[0, :, :, 3].any()


def test_sharpness_by_hand():
    """Rows of padding do not count: two rows of the second text, one sure and one undecided."""
    weights = torch.zeros(2, 1, 4, 4)
    weights[0, 0, :, :3] = 1 / 3
    weights[1, 0, 0, 0] = 1.0
    weights[1, 0, 1, :2] = 0.5
    weights[1, 0, 2:, 1] = 1.0
    found = attention.sharpness(weights, KEEP)
    assert found.maximum.tolist() == pytest.approx([1 / 3, 0.75])
    assert found.entropy.tolist() == pytest.approx([math.log(3), math.log(2) / 2], rel=1e-5)
