"""Packed attention against a plain one, local windows, padding that is masked."""

import math

import pytest
import torch
from torch.nn import functional as F

from ffrepro import nets
from ffrepro.core import attention
from ffrepro.nets import transformer
from ffrepro.nets.transformer import Layout, draw

X = torch.tensor([[5, 6, 7, 0, 0], [3, 4, 8, 9, 2]])


def build(**settings):
    net = nets.Transformer(10, 5, 2, width=8, heads=2, feedforward=12, embedding_std=0.5, **settings)
    return net.double().eval()


@pytest.mark.parametrize("settings", [{}, {"causal": "yes"}, {"window": 2}, {"window": 1, "causal": "yes"}])
def test_a_texts_activations_do_not_depend_on_its_batch(settings):
    net = build(**settings)
    together = net(X)
    assert torch.allclose(net(X[:1, :3]), together[:1]) and torch.allclose(net(X[1:]), together[1:])
    assert torch.allclose(net(F.pad(X[:, :5], (0, 0))), together)


def test_a_causal_net_sees_nothing_later():
    net = build(causal="yes")
    other = X.clone()
    other[1, 3:] = torch.tensor([1, 1])
    ours, theirs = (net.blocks[1](net.blocks[0](*net.embed(x)), net.embed(x)[1]) for x in (X, other))
    rows = net.embed(X)[1]
    earlier = (rows.sample_N == 1) & (rows.position_N <= 3)
    assert torch.allclose(ours[earlier], theirs[earlier]) and not torch.allclose(ours[-1], theirs[-1])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [1, 3, 20])
def test_local_attention_is_attention_under_a_band(window, causal):
    g = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 2, 2, 11, 4, generator=g, dtype=torch.float64)
    keep = torch.arange(11) < torch.tensor([[11], [7]])
    distance = torch.arange(11) - torch.arange(11)[:, None]
    band = (distance.abs() <= window) & ((distance <= 0) | (not causal))
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=band & keep[:, None, None])
    found = attention.local(q, k, v, keep, window, causal)
    assert torch.allclose(found[0], expected[0]) and torch.allclose(found[1, :, :7], expected[1, :, :7])


def test_layout_packs_and_pads():
    layout = Layout.of(X != 0)
    x = torch.arange(8.0).view(8, 1)
    assert torch.equal(layout.pack(layout.pad(x)), x)
    assert layout.mean(x).flatten().tolist() == [1.0, 5.0]
    some, rows = layout.some(torch.tensor([1]))
    assert rows.tolist() == [3, 4, 5, 6, 7] and some.count_B.tolist() == [5]


def test_dropout_drops_its_share_and_keeps_the_mean():
    found = draw(torch.zeros(400, 500), 0.1, torch.Generator().manual_seed(0))
    assert float((found == 0).double().mean()) == pytest.approx(0.1, abs=0.003)
    assert float(found.mean()) == pytest.approx(1.0, abs=0.003)
    assert draw(torch.zeros(2, 2), 0.0, torch.Generator()) is None


def test_sublayers_can_be_blocks():
    kinds = [[s.kind for s in block.sublayers] for block in build(blocks="sublayer").blocks]
    assert kinds == [["attention"], ["feedforward"]] * 2


def test_waves_are_as_large_as_the_embeddings():
    waves = transformer._waves(3, 4)
    assert waves[0].tolist() == [0, 1, 0, 1] and waves[1, 0] == pytest.approx(math.sin(1))
    net = build(positions="sinusoidal")
    torch.testing.assert_close(net.waves[0, :4], torch.tensor([0, 0.5, 0, 0.5], dtype=net.waves.dtype))


@pytest.mark.parametrize("place", [0, 1])
def test_where_the_gradient_ends_the_folded_norm_gives_the_same_numbers(place):
    sublayer = build(layers=2).blocks[1].sublayers[place]
    generator = torch.Generator().manual_seed(0)
    z_ND = torch.randn(10, 8, generator=generator, dtype=torch.float64)
    direction_ND = torch.randn(10, 8, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        for parameter in sublayer.norm_in.parameters():
            parameter.copy_(torch.rand(8, generator=generator))
    layout = Layout.of(torch.ones(2, 5, dtype=torch.bool))
    found = []
    for needed in (False, True):
        sublayer.zero_grad()
        h_ND = sublayer(z_ND.detach().requires_grad_(needed), layout)
        (h_ND * direction_ND).sum().backward()
        found.append([h_ND.detach(), *(parameter.grad.clone() for parameter in sublayer.parameters())])
    assert len(found[0]) == 7
    for folded, plain in zip(*found, strict=True):
        torch.testing.assert_close(folded, plain, rtol=1e-12, atol=1e-14)
        assert plain.abs().max() > 1e-3
