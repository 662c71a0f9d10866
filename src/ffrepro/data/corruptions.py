"""Images made worse: noise, blur and low contrast. Pure functions on bytes (N, C, H, W), 0 to 255."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def noise(image_NCHW: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Images with normal noise on every pixel.

    Args:
        std: of the noise, where pixels go from 0 to 1.
        generator: on the CPU; draws a number a pixel.
    """
    drawn = torch.randn(image_NCHW.shape, generator=generator)
    return _bytes(image_NCHW + 255 * std * drawn.to(image_NCHW.device))


def blur(image_NCHW: Tensor, sigma: float) -> Tensor:
    """Images under a Gaussian filter; pixels at the edge are repeated.

    Args:
        sigma: the filter's deviation in pixels; it ends at three of these.
    """
    reach = math.ceil(3 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1, device=image_NCHW.device) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    planes = image_NCHW.flatten(0, 1).float()[:, None]
    planes = F.conv2d(F.pad(planes, (reach,) * 4, mode="replicate"), kernel.view(1, 1, 1, -1))
    return _bytes(F.conv2d(planes, kernel.view(1, 1, -1, 1)).view(image_NCHW.shape))


def contrast(image_NCHW: Tensor, factor: float) -> Tensor:
    """Images whose pixels lie closer to their image's mean, of each channel.

    Args:
        factor: what their distances to it are multiplied with.
    """
    pixels = image_NCHW.float()
    mean = pixels.mean((2, 3), keepdim=True)
    return _bytes(mean + factor * (pixels - mean))


def _bytes(pixels: Tensor) -> Tensor:
    return pixels.round().clamp(0, 255).to(torch.uint8)
