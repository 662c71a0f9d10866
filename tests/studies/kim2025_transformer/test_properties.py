"""Statements of the transformer paper that arithmetic decides, on tensors small enough to look at."""

import pytest
import torch
from torch import nn

from ffrepro.core import token_goodness as tg


def goodness(z_ND, samples, form="sum"):
    group_N = torch.arange(samples).repeat_interleave(len(z_ND) // samples)
    return tg.of_groups(tg.of_tokens(z_ND, form, "relu"), group_N, samples, z_ND.shape[1], form)


def pair(seed=0, tokens=6, width=5):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(2 * tokens, width, generator=g, dtype=torch.float64)


def test_eq_4_is_a_gradient():
    """Claim 110: the update is the gradient of the goodness difference; without autograd there is none."""
    layer, x = nn.Linear(5, 4).double(), pair()
    with torch.no_grad():
        g = goodness(layer(x), 2, "norm")
    with pytest.raises(RuntimeError):
        (g[0] - g[1]).backward()


def test_with_eq_2_a_layers_gradient_depends_on_the_others():
    """Claim 124: one hinge over the sum of layers is open or shut for all of them; a hinge of each layer is its own."""
    x = pair()

    def gradient(other, aggregated):
        layer = nn.Linear(5, 4).double()
        with torch.no_grad():
            layer.weight.fill_(0.1).add_(torch.arange(20).view(4, 5) * 0.01)
            layer.bias.zero_()
        g = goodness(layer(x), 2)
        loss = tg.hinge(*(g + other if aggregated else g).chunk(2), 1.0).sum()
        loss.backward()
        return layer.weight.grad

    open_, met = torch.zeros(2).double(), torch.tensor([1e6, 0.0]).double()
    assert not torch.equal(gradient(open_, True), gradient(met, True))
    assert gradient(met, True).abs().sum() == 0
    assert torch.equal(gradient(open_, False), gradient(met, False))


def test_a_margin_is_met_by_larger_weights_alone():
    """Claim 126: weights times c give a sum of squares times c^2: the hinge closes, the ratio stays."""
    z = pair()
    z[6:] = 0.99 * z[:6]
    small, large = goodness(z, 2), goodness(100 * z, 2)
    assert tg.hinge(small[:1], small[1:], 1.0) > 0 == tg.hinge(large[:1], large[1:], 1.0)
    assert large / small == pytest.approx(torch.full((2,), 1e4, dtype=torch.float64))


def test_a_sum_over_the_batch_couples_margin_and_batch_size():
    """Claim 135: twice the samples, twice the goodness; a mean stays."""
    z = pair()
    twice = torch.cat([z, z])
    assert goodness(twice, 1).item() == pytest.approx(2 * goodness(z, 1).item())
    assert goodness(twice, 1, "mean").item() == pytest.approx(goodness(z, 1, "mean").item())


def test_attention_weights_are_one_over_the_length_in_the_mean():
    """Claim 130: of any input, positive or negative."""
    for seed in (0, 1):
        logits = torch.randn(4, 256, 256, generator=torch.Generator().manual_seed(seed)) * (1 + 9 * seed)
        assert logits.softmax(-1).mean().item() == pytest.approx(1 / 256, rel=1e-5)


def test_noise_of_a_tenth_adds_one_percent_of_energy():
    """Claim 132, before any training."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 64, generator=g)
    noisy = x + 0.1 * torch.randn(x.shape, generator=g)
    assert (noisy.square().mean() / x.square().mean()).item() == pytest.approx(1.01, abs=0.003)
    w = torch.randn(64, 64, generator=g) / 8
    g_pos, g_neg = (tg.of_tokens(z @ w, "sum", "relu").mean() for z in (x, noisy))
    assert (g_neg / g_pos).item() == pytest.approx(1.01, abs=0.005)


@pytest.mark.parametrize("local", [True, False], ids=["goodness of the first layer", "loss at the output"])
def test_a_gradient_names_the_tokens_of_its_batch(local):
    """Claim 194: rows of the embedding's gradient that are not zero, and a linear map's gradient of one token."""
    torch.manual_seed(0)
    table, first, second = nn.Embedding(50, 8), nn.Linear(8, 8), nn.Linear(8, 2)
    tokens = torch.tensor([3, 17, 42])
    h = first(table(tokens)).relu()
    loss = h.square().sum() if local else second(h).logsumexp(1).sum()
    loss.backward()
    assert table.weight.grad.abs().sum(1).nonzero().flatten().tolist() == [3, 17, 42]
    table.zero_grad()
    first.zero_grad()
    h = first(table(tokens[:1])).relu()
    (h.square().sum() if local else second(h).logsumexp(1).sum()).backward()
    row = first.bias.grad.abs().argmax()  # gradient of a weight row: the input times that of the bias
    assert first.weight.grad[row] / first.bias.grad[row] == pytest.approx(table(tokens[:1])[0].detach(), rel=1e-4)
