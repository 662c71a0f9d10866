"""Local methods are local: what lies above a block's group must not matter for it, what lies below must."""

import pytest
import torch
from helpers.method_cases import LOCAL, build

# Cases whose layers learn in groups: (blocks that the last one must not matter for, steps after which that holds:
# where groups overlap or alternate, news from above reaches a layer one step later).
GROUPED = {
    "cwc random feedback": (2, 3), "cwc chunked": (2, 3), "cwc overlapping": (1, 1),
    "cwc alternating": (2, 1), "cwc interleaved": (2, 1), "cwc cfse": (2, 1),
    "sff shared": (2, 1),  # the map that blocks share has learnt from all of them after a step
}  # fmt: skip
# Samples, not gradients, come from above: the head of the first, which reads every layer, chooses the negatives; in
# the second the goodness of all layers says which pairs are active.
CHOOSES = ("ff hard negatives", "ff_tokens aggregated")
# Every layer of this one sees the embedded text.
SEES_NONE = "ff_tokens nothing passed on"


def scramble(blocks):
    with torch.no_grad():
        for block in blocks:
            for parameter in block.parameters():
                parameter.mul_(-1.7).add_(0.01)


@pytest.mark.parametrize("case", [case for case in LOCAL if case not in CHOOSES])
def test_no_gradient_comes_from_above_a_group(case, batch):
    below, steps = GROUPED.get(case, (1, 3))
    first, second = build(case), build(case)
    scramble(second.net.blocks[2 if case in GROUPED else 1 :])
    for _ in range(steps):
        first.step(batch)
        second.step(batch)
    for ours, theirs in zip(first.net.blocks[:below], second.net.blocks[:below], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("case", [case for case in LOCAL if case != SEES_NONE])
def test_what_a_block_learns_depends_on_the_block_below(case, batch):
    def change(method):
        before = [p.detach().clone() for p in method.net.blocks[1].parameters()]
        for _ in range(3):  # Adam's first step is the gradient's sign alone
            method.step(batch)
        return [p - b for p, b in zip(method.net.blocks[1].parameters(), before, strict=True)]

    first, second = build(case), build(case)
    scramble(second.net.blocks[:1])
    assert not any(torch.equal(a, b) for a, b in zip(change(first), change(second), strict=True))
