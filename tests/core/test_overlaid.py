"""Images under several labels: what the layer computes of them is what it computes of the samples written out."""

import pytest
import torch

from ffrepro.core import linear_block, overlaid
from ffrepro.core.buffers import Buffers
from ffrepro.data import label_negatives

B, INPUTS, OUTPUTS, CLASSES, SCALE = 5, 12, 7, 4, 1.5


@pytest.fixture
def case():
    torch.manual_seed(0)
    shapes = ((B, INPUTS), (OUTPUTS, INPUTS), (OUTPUTS,))
    x, weight, bias = (torch.randn(*shape, dtype=torch.float64) for shape in shapes)
    return x, weight, bias, torch.tensor([0, 1, 2, 3, 0]), torch.tensor([1, 0, 3, 2, 2])


def scale_of(length_B1):
    return 1 / (length_B1 + 0.1)


def written_out(x, form, length_scale):
    samples = torch.cat([label_negatives.overlay(x, label_B, CLASSES, SCALE) for label_B in form] if form else
                        [label_negatives.overlay_neutral(x, CLASSES, SCALE)])  # fmt: skip
    return samples if length_scale is None else samples * length_scale(samples.norm(dim=1, keepdim=True))


@pytest.mark.parametrize("length_scale", [None, scale_of])
@pytest.mark.parametrize("pair", [True, False])
def test_layer_and_gradient(case, length_scale, pair):
    x, weight, bias, right_B, wrong_B = case
    images = overlaid.Images(x, CLASSES, SCALE, length_scale, Buffers())
    samples = images.under(right_B, wrong_B) if pair else images.neutral()
    plain = written_out(x, (right_B, wrong_B) if pair else (), length_scale)
    found, expected = (torch.empty(len(plain), OUTPUTS, dtype=torch.float64) for _ in range(2))
    work = torch.empty(B, OUTPUTS, dtype=torch.float64)
    goodness = overlaid.forward(samples, weight, bias, found, work)
    torch.testing.assert_close(goodness, linear_block.forward(plain, weight, bias, 1, expected), rtol=1e-12, atol=0)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    assert len(samples) == len(plain) == (2 * B if pair else B)
    if pair:
        torch.testing.assert_close(overlaid.activations(samples, weight, bias), expected)
        moments = linear_block.moments_of(plain)
        for one, other in zip(samples.moments(), moments, strict=True):
            torch.testing.assert_close(one, other)
        slope = torch.randn(len(plain), 1, dtype=torch.float64)
        grads, wanted = ((torch.full_like(weight, torch.nan), torch.full_like(bias, torch.nan)) for _ in range(2))
        overlaid.gradient(samples, found, slope, grads, work)
        linear_block.gradient(plain, expected, slope, wanted, torch.empty(3, OUTPUTS, dtype=torch.float64))
        for one, other in zip(grads, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("at_once", [1, 3, 4])
@pytest.mark.parametrize("length_scale", [None, scale_of])
def test_each_label_in_turn(case, at_once, length_scale):
    x, weight, bias, *_ = case
    images = overlaid.Images(x, CLASSES, SCALE, length_scale, Buffers())
    found = torch.cat([h.clone() for h in images.each_label(weight, bias, at_once)])
    plain = written_out(x, [torch.full((B,), j) for j in range(CLASSES)], length_scale)
    torch.testing.assert_close(found, (plain @ weight.T + bias).relu(), rtol=1e-12, atol=1e-14)


def test_images_are_left_as_they_were_and_multiplied_once(case):
    x, weight, *_ = case
    before = x.clone()
    images = overlaid.Images(x, CLASSES, SCALE, scale_of, Buffers())
    assert images.product(weight) is images.product(2 * weight)
    images.forget()
    first = images.rows_BI @ (2 * weight).T
    torch.testing.assert_close(images.product(2 * weight), first)
    assert torch.equal(x, before) and (images.rows_BI[:, :CLASSES] == 0).all()
