"""Labels in the input and images without labels, against what the definitions say."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.data import label_negatives as neg


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(batch=6, channels=3, side=8):
    return torch.rand(batch, channels, side, side, generator=generator(9))


def test_wrong_labels_are_never_right_and_uniform():
    label = torch.arange(10).repeat(9000)
    wrong = neg.wrong_labels(label, 10, generator())
    assert wrong.min() == 0 and wrong.max() == 9
    counts = torch.bincount(label * 10 + wrong, minlength=100).view(10, 10)
    assert counts.diagonal().tolist() == [0] * 10
    others = counts[~torch.eye(10, dtype=torch.bool)].double()
    # 9000 draws a class over nine labels: 90 cells of mean 1000; chi-square with 80 degrees of freedom
    assert ((others - 1000) ** 2 / 1000).sum() < 125  # its 99.9 % quantile is 124.8
    assert torch.equal(neg.wrong_labels(label, 10, generator()), wrong)
    assert neg.wrong_labels(torch.tensor([0, 1, 1]), 2, generator()).tolist() == [1, 0, 0]


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (3, 30)])
def test_overlay_replaces_the_first_numbers_only(shape):
    x = torch.rand(shape, generator=generator()) + 1
    before = x.clone()
    out = neg.overlay(x, torch.tensor([0, 2, 9]), 10, scale=2.5).flatten(1)
    assert torch.equal(x, before)
    expected = torch.zeros(3, 10)
    expected[0, 0] = expected[1, 2] = expected[2, 9] = 2.5
    assert torch.equal(out[:, :10], expected)
    assert torch.equal(out[:, 10:], x.flatten(1)[:, 10:])
    neutral = neg.overlay_neutral(x, 10, scale=2.5)
    assert neutral.shape == x.shape
    torch.testing.assert_close(neutral.flatten(1)[:, :10], torch.full((3, 10), 0.25))
    assert torch.equal(neutral.flatten(1)[:, 10:], x.flatten(1)[:, 10:])


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 32), (7, 12)])
def test_fourier_modes_are_orthogonal_waves(height, width):
    modes = neg.fourier_modes(10, height, width).double()
    assert modes.shape == (10, height, width)
    flat = modes.flatten(1)
    gram = flat @ flat.T / (height * width)
    torch.testing.assert_close(gram, torch.eye(10, dtype=torch.float64) / 2, atol=1e-6, rtol=0)
    torch.testing.assert_close(flat.mean(1), torch.zeros(10, dtype=torch.float64), atol=1e-6, rtol=0)
    spectrum = torch.fft.fft2(modes).abs() / (height * width)
    assert ((spectrum > 0.49).sum((1, 2)) == 2).all()  # one frequency and its opposite hold all the energy


def test_an_image_too_small_for_its_waves():
    with pytest.raises(FfreproError, match="3 x 3 has 4 plane waves, not 10"):
        neg.fourier_modes(10, 3, 3)


def test_waves_over_images():
    x, modes = images(2), neg.fourier_modes(10, 8, 8)
    label = torch.tensor([4, 7])
    added = neg.put_mode(x, label, modes, 0.3)
    torch.testing.assert_close(added[1, 2], x[1, 2] + 0.3 * modes[7])
    torch.testing.assert_close(added[0, 1], x[0, 1] + 0.3 * modes[4])


def test_embedding_is_added_and_learns():
    x = images(3)
    table = torch.rand(10, 64, generator=generator()).requires_grad_()
    out = neg.put_embedding(x, torch.tensor([1, 5, 1]), table)
    torch.testing.assert_close(out[2, 0], x[2, 0] + table[1].view(8, 8))
    out.sum().backward()
    expected = torch.zeros(10, 64)
    expected[1], expected[5] = 6, 3  # three channels, and two samples of label 1
    torch.testing.assert_close(table.grad, expected)


def test_partners_use_everyone_once_and_never_oneself():
    for batch in (2, 3, 50):
        for seed in range(20):
            other = neg.partners(batch, generator(seed))
            assert sorted(other.tolist()) == list(range(batch))
            assert (other != torch.arange(batch)).all()
    assert len({tuple(neg.partners(4, generator(seed)).tolist()) for seed in range(60)}) == 6  # all 4-cycles
    with pytest.raises(FfreproError, match="batch of one"):
        neg.partners(1, generator())


def test_masks_are_smooth_and_balanced():
    rough, smooth = (neg.smooth_masks(200, 28, 28, blurs, generator()) for blurs in (0, 8))
    assert smooth.shape == (200, 1, 28, 28) and smooth.dtype == torch.bool
    assert 0.4 < smooth.float().mean() < 0.6

    def changes(mask):
        return (mask[..., 1:] != mask[..., :-1]).float().mean()

    assert 0.48 < changes(rough) < 0.52
    assert changes(smooth) < 0.2
    bits = torch.randint(2, (200, 1, 28, 28), generator=generator()).float()
    assert torch.equal(rough, bits > 0.5)


def test_one_blur_by_hand():
    # torch's own reflection-free oracle: an average of averages, done with slices
    bits = torch.randint(2, (5, 1, 6, 7), generator=generator(3)).double()
    p = F.pad(bits, (1, 1, 1, 1), mode="replicate")
    rows = (p[..., :-2, :] + 2 * p[..., 1:-1, :] + p[..., 2:, :]) / 4
    expected = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4 > 0.5
    assert torch.equal(neg.smooth_masks(5, 6, 7, 1, generator(3)), expected)


def test_hybrids_take_every_pixel_from_one_of_two_images():
    x = images(6, 3, 28)
    out = neg.hybrid_images(x, 6, generator(1))
    mask = neg.smooth_masks(6, 28, 28, 6, g := generator(1))
    other = x[neg.partners(6, g)]
    assert torch.equal(out, mask * x + ~mask * other)
    assert not torch.equal(out, x) and (out == x).float().mean() > 0.3


def test_noise_has_its_standard_deviation():
    x = images(50, 3, 28)
    noise = neg.add_noise(x, 0.7, generator()) - x
    assert noise.std().item() == pytest.approx(0.7, rel=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.01)


def test_shuffled_patches_are_the_same_patches_elsewhere():
    x = images(5)
    out = neg.shuffle_patches(x, 4, generator())
    patches = [
        [t[i, :, y : y + 4, z : z + 4].flatten().tolist() for y in (0, 4) for z in (0, 4)]
        for t in (x, out)
        for i in range(5)
    ]
    for i in range(5):
        assert sorted(patches[i]) == sorted(patches[5 + i])
    assert any(patches[i] != patches[5 + i] for i in range(5))
    with pytest.raises(FfreproError, match="do not tile"):
        neg.shuffle_patches(x, 3, generator())


def test_self_contrastive_pairs():
    x = images(4)
    other = x[neg.partners(4, generator())]
    positive, negative = neg.self_contrastive(x, generator())
    assert torch.equal(positive, 2 * x) and torch.equal(negative, x + other)
