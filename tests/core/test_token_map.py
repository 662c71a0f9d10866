"""Maps of tokens that learn by themselves: the formulas against autograd and values computed by hand."""

import math

import pytest
import torch
from helpers.method_cases import build, make_tokens
from torch.nn import functional as F

from ffrepro.core import token_map
from ffrepro.nets.transformer import Layout

CLASSES, PARTS = 3, 2
KEEP = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)


def test_goodness_and_slope_by_hand():
    """Two texts of one token and two; two classes of two units."""
    h = torch.tensor([[1.0, 2.0, 0.0, 0.0], [2.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0]])
    g = token_map.goodness(h, torch.tensor([0, 1, 1]), torch.tensor([1, 2]), 2)
    assert g.tolist() == [[2.5, 0.0], [1.0, 1.5]]
    loss, slope = token_map.slope(g, torch.tensor([1, 1]), 2.0, 4)
    wrong = [1 / (1 + math.exp(-5.0)), 1 / (1 + math.exp(1.0))]  # probability of class 0
    assert loss.tolist() == pytest.approx([-math.log(1 - p) for p in wrong], rel=1e-5)
    assert slope.flatten().tolist() == pytest.approx([v for p in wrong for v in (p / 2, -p / 2)], rel=1e-5)
    factor = token_map.factor(slope, torch.tensor([0, 1, 1]), torch.tensor([1, 2]), 4)
    assert factor[0].tolist() == pytest.approx(slope[0].tolist()) and torch.equal(factor[1], factor[2])
    assert factor[1].tolist() == pytest.approx((slope[1] / 2).tolist())


def test_a_folded_maps_gradients_are_autograds():
    g = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64).requires_grad_()

    layout = Layout.of(KEEP)
    z = random(len(layout.place_N), 5).detach()
    weight, bias, gamma, beta = random(12, 5), random(12), random(5), random(5)
    label = torch.tensor([2, 0, 1])
    y = F.layer_norm(z, (5,), gamma, beta) @ weight.T + bias
    good = layout.mean(y.relu().view(-1, PARTS, CLASSES, 2).square().mean((1, 3)))
    loss = F.cross_entropy(1.5 * good, label)
    expected = torch.autograd.grad(loss, (weight, bias, gamma, beta))
    with torch.no_grad():
        own = token_map.fold(weight, bias, gamma, beta, PARTS)
        total = 0.0
        for some in (slice(0, 1), slice(1, 3)):  # a few texts at a time
            part, rows = layout.some(torch.arange(3)[some])
            n = F.layer_norm(z[rows], (5,))
            h = F.linear(n, own.weight, own.bias).relu()
            found = token_map.goodness(h, part.sample_N, part.count_B, CLASSES, PARTS)
            losses, slope = token_map.slope(found, label[some], 1.5, 3)
            token_map.learn(own, n, h, token_map.factor(slope, part.sample_N, part.count_B, 12))
            total += losses.sum() / 3
        d_weight, d_gamma, d_beta = token_map.unfold(own, weight, gamma, beta)
    assert total.item() == pytest.approx(loss.item(), rel=1e-12)
    for ours, theirs in zip((d_weight, own.d_bias, d_gamma, d_beta), expected, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-10, atol=1e-13) and theirs.abs().max() > 0


@pytest.mark.parametrize("masked", [False, True], ids=["full", "padded"])
def test_a_step_by_formula_is_one_by_autograd(masked, monkeypatch):
    """In float64, of every parameter, under the same dropout, with the batch worked on in several pieces."""
    from ffrepro.methods import cwc_maps_tokens

    monkeypatch.setattr(cwc_maps_tokens, "ROWS", 70)
    batch = make_tokens(24, masked=masked)
    cases = ("cwc_maps_tokens", "cwc_maps_tokens autograd")
    ours, theirs = (build(case, dtype=torch.float64) for case in cases)
    outs = [method.step(batch) for method in (ours, theirs)]
    assert all(torch.allclose(outs[0][key], outs[1][key], rtol=1e-9) for key in outs[0])
    learnt = {id(p) for group in ours.optimizers[0].param_groups for p in group["params"]}
    checked = 0
    for (name, a), (_, b) in zip(ours.net.named_parameters(), theirs.net.named_parameters(), strict=True):
        if id(a) in learnt:
            assert torch.allclose(a.grad, b.grad, rtol=1e-8, atol=1e-14) and b.grad.abs().max() > 0, name
            checked += 1
    assert checked == 3 + 2 * 8 + 2 * 3  # tables, maps, layer norms but the one behind all blocks
