"""Local methods are local."""

import pytest
import torch
from helpers.method_cases import LOCAL, build


@pytest.mark.parametrize("case", LOCAL)
def test_no_gradient_crosses_a_block_boundary(case, batch):
    """What the upper blocks are must not matter for the lower one; what the lower one is must matter above."""
    first, second = build(case), build(case)
    with torch.no_grad():
        for block in second.net.blocks[1:]:
            for parameter in block.parameters():
                parameter.mul_(-1.7).add_(0.01)
    for _ in range(3):
        first.step(batch)
        second.step(batch)
    blocks = list(zip(first.net.blocks, second.net.blocks, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(blocks[0][0].parameters(), blocks[0][1].parameters(), strict=True))
    assert not torch.equal(blocks[1][0].weight_hh_l0, blocks[1][1].weight_hh_l0)
