"""Images made worse: by as much as is asked for."""

import pytest
import torch

from ffrepro.data import corruptions

GREY = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)


def test_noise_has_the_deviation_of_pixels_from_0_to_1_and_depends_on_its_generator_alone():
    worse = [corruptions.noise(GREY, 0.1, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert worse[0].dtype == torch.uint8 and torch.equal(worse[0], worse[1]) and not torch.equal(worse[0], worse[2])
    assert float(worse[0].float().std()) == pytest.approx(25.5, rel=0.05)
    assert float(worse[0].float().mean()) == pytest.approx(128, abs=1)
    black = corruptions.noise(torch.zeros_like(GREY), 0.1, torch.Generator().manual_seed(0))
    assert black.min() == 0 and black.max() < 255  # clamped, not wrapped around


def test_blur_spreads_a_point_as_a_gaussian_and_leaves_planes():
    assert torch.equal(corruptions.blur(GREY, 1.0), GREY)
    point = torch.zeros(1, 1, 15, 15, dtype=torch.uint8)
    point[0, 0, 7, 7] = 255
    spread = corruptions.blur(point, 1.0)[0, 0].float()
    assert float(spread[7, 7]) == pytest.approx(
        255 / (2 * torch.pi), abs=1
    )  # density of a plane Gaussian in its middle
    assert float(spread[7, 8] / spread[7, 7]) == pytest.approx(0.6065, abs=0.02)  # exp(-1/2)
    assert torch.equal(spread, spread.T) and float(spread.sum()) == pytest.approx(255, rel=0.05)


def test_contrast_keeps_each_channels_mean_and_shrinks_the_distances():
    image = torch.tensor([[[[100, 200]], [[0, 40]]]], dtype=torch.uint8)
    assert corruptions.contrast(image, 0.3).tolist() == [[[[135, 165]], [[14, 26]]]]
