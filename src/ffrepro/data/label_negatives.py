"""Positive and negative images for Forward-Forward learning: labels put into the input, and images without labels.

Pure functions on batches. ``x`` is (B, C, H, W), or (B, I) where nothing says otherwise; no function changes it in
place. Generators are on the CPU, whatever the device of ``x``: the same draws everywhere. A positive sample is
``put(x, label)``, a negative one ``put(x, wrong_labels(label))``, with any of the three ways to put a label in.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError

# -- labels ----------------------------------------------------------------------------------------------------------


def wrong_labels(label_B: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """A label for each sample that is not its own, uniform over the others."""
    step = torch.randint(1, classes, label_B.shape, generator=generator).to(label_B.device)
    return (label_B + step) % classes


def overlay(x: Tensor, label_B: Tensor, classes: int, scale: float) -> Tensor:
    """The label one-hot in the first ``classes`` numbers of each sample (of an image: the first row's pixels).

    Args:
        x: samples of any shape behind the batch.
        label_B: labels 0 to ``classes`` - 1.
        classes: how many numbers are replaced.
        scale: the value of the one; usually the largest that an input can have.

    Source: Hinton 2022, Sec. 3.3; DLR paper, Sec. II-A.
    """
    return _replace_first(x, F.one_hot(label_B, classes).to(x.dtype) * scale)


def overlay_neutral(x: Tensor, classes: int, scale: float) -> Tensor:
    """As ``overlay``, with no label in favour: ``scale / classes`` in each place (Hinton 2022: ten times 0.1)."""
    return _replace_first(x, x.new_full((len(x), classes), scale / classes))


def _replace_first(x: Tensor, values: Tensor) -> Tensor:
    return torch.cat([values, x.flatten(1)[:, values.shape[1] :]], dim=1).view(x.shape)


def fourier_modes(classes: int, height: int, width: int) -> Tensor:
    """A plane wave for each class, (classes, H, W) in -1 to 1, each with a wave vector of its own.

    The wave vectors are the shortest whole numbers of periods across the image, (ky, kx), one of each pair of opposite
    ones, shorter than the Nyquist frequency; so the waves are orthogonal and of zero mean. Every pixel's neighbourhood
    shows the label, as a convolution needs it.

    Source: superposition with 2D Fourier modes, Scodellaro et al. 2023 (arXiv 2312.14924); which class gets which
    wavelength, orientation and phase is free there and chosen here.

    Raises:
        FfreproError: the image is too small for so many waves.
    """
    limit_y, limit_x = (height - 1) // 2, (width - 1) // 2
    vectors = [
        (ky, kx) for ky in range(limit_y + 1) for kx in range(-limit_x, limit_x + 1) if ky > 0 or kx > 0
    ]  # fmt: skip
    if len(vectors) < classes:
        raise FfreproError(f"an image of {height} x {width} has {len(vectors)} plane waves, not {classes}")
    vectors.sort(key=lambda k: (k[0] ** 2 + k[1] ** 2, k))
    ky_J, kx_J = (torch.tensor(part, dtype=torch.float64).view(-1, 1, 1) for part in zip(*vectors[:classes]))
    y_H1 = torch.arange(height, dtype=torch.float64).view(-1, 1) / height
    x_W = torch.arange(width, dtype=torch.float64) / width
    return torch.cos(2 * math.pi * (ky_J * y_H1 + kx_J * x_W)).float()


def put_mode(x_BCHW: Tensor, label_B: Tensor, modes_JHW: Tensor, strength: float) -> Tensor:
    """The label's wave laid over every channel.

    Args:
        x_BCHW: images.
        label_B: labels, indices into the modes.
        modes_JHW: see ``fourier_modes``; on the device of ``x_BCHW``.
        strength: the wave's amplitude, in units of the input.
    """
    return x_BCHW + strength * modes_JHW.to(x_BCHW.dtype)[label_B].unsqueeze(1)


def put_embedding(x_BCHW: Tensor, label_B: Tensor, embedding_JP: Tensor) -> Tensor:
    """The label's row of a table (classes, H * W) added to every channel; a gradient reaches the table.

    Source: learnable label embeddings, Dooms et al. 2023 (arXiv 2311.18130), whose table the DLR nets still carry.
    """
    return x_BCHW + embedding_JP[label_B].view(len(x_BCHW), 1, *x_BCHW.shape[2:])


# -- images without labels -------------------------------------------------------------------------------------------


def partners(batch: int, generator: torch.Generator) -> Tensor:
    """For each sample another one of the batch, (B,): random, every sample used once, never itself.

    Raises:
        FfreproError: a batch of one has no other sample.
    """
    if batch < 2:
        raise FfreproError("a batch of one sample has no other to pair it with", fix="use a larger `batch_size`")
    order = torch.randperm(batch, generator=generator)
    return torch.empty_like(order).scatter_(0, order, order.roll(1))


def smooth_masks(batch: int, height: int, width: int, blurs: int, generator: torch.Generator) -> Tensor:
    """Boolean masks (B, 1, H, W) with large connected regions.

    Random bits, blurred ``blurs`` times by (1/4, 1/2, 1/4) in both directions, edges repeated; true above one half.
    Source: Hinton 2022, Sec. 3.2.
    """
    bits = torch.randint(2, (batch, 1, height, width), generator=generator).float()
    kernel = torch.tensor([0.25, 0.5, 0.25])
    kernel_33 = (kernel.view(-1, 1) * kernel).view(1, 1, 3, 3)
    for _ in range(blurs):
        bits = F.conv2d(F.pad(bits, (1, 1, 1, 1), mode="replicate"), kernel_33)
    return bits > 0.5


def hybrid_images(x_BCHW: Tensor, blurs: int, generator: torch.Generator) -> Tensor:
    """Negatives: each image where a smooth mask is true, another image of the batch elsewhere.

    Neighbouring pixels still fit together, distant ones do not. Source: Hinton 2022, Sec. 3.2.
    """
    mask = smooth_masks(len(x_BCHW), *x_BCHW.shape[2:], blurs, generator).to(x_BCHW.device)
    other = x_BCHW[partners(len(x_BCHW), generator).to(x_BCHW.device)]
    return torch.where(mask, x_BCHW, other)


def add_noise(x: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Negatives: Gaussian noise of standard deviation ``std`` added to every number."""
    return x + std * torch.randn(x.shape, generator=generator).to(x)


def shuffle_patches(x_BCHW: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Negatives: each image's square patches in a random order of its own; all is as it was inside a patch.

    Raises:
        FfreproError: ``side`` does not divide height and width.
    """
    batch, _, height, width = x_BCHW.shape
    if height % side or width % side:
        raise FfreproError(f"patches of {side} x {side} do not tile images of {height} x {width}")
    patches = F.unfold(x_BCHW, side, stride=side)  # (B, C * side * side, patches)
    order = torch.rand(batch, 1, patches.shape[2], generator=generator).argsort(dim=2).to(x_BCHW.device)
    return F.fold(patches.gather(2, order.expand_as(patches)), (height, width), side, stride=side)


def self_contrastive(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch's positives and negatives of the self-contrastive algorithm: with itself, and with another image.

    Args:
        x: samples (B, ...); two of them are summed.
        generator: draws the other images.

    Source: SCFF, Chen et al. 2024 (arXiv 2409.11593).
    """
    other = x[partners(len(x), generator).to(x.device)]
    return x + x, x + other
