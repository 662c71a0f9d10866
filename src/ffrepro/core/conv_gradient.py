"""Gradient of a convolution's weight as matrix products over unfolded input rows."""

from __future__ import annotations

import torch
from torch import Tensor

NARROW = 16
"""Input channels below which unfolding does not pay."""


UNFOLDED_BYTES = 2**20
"""Of what is unfolded at a time: about what stays in a core's own cache until the product has read it."""
LARGE_BYTES, TIMES = 2**19, 8
"""A gradient above this leaves that cache anyway: then this many times its size, so that it is gone over less often."""


def sample_elements(x_shape: tuple[int, ...], kernel: int, padding: int) -> int:
    """Elements of workspace for each sample that is unfolded: its padded map and one row of taps."""
    _, height, width, channels = x_shape
    if channels < NARROW:
        return 0
    out = (height + 2 * padding - kernel + 1) * (width + 2 * padding - kernel + 1)
    return ((height + 2 * padding) * (width + 2 * padding) + out * kernel) * channels


def piece(x_shape: tuple[int, ...], outputs: int, kernel: int, padding: int, itemsize: int) -> int:
    """How many samples are best unfolded at a time."""
    _, height, width, channels = x_shape
    row = (height + 2 * padding - kernel + 1) * (width + 2 * padding - kernel + 1) * kernel * channels * itemsize
    gradient = outputs * kernel * channels * itemsize  # of one row of the kernel
    return max((UNFOLDED_BYTES if gradient <= LARGE_BYTES else TIMES * gradient) // row, 1)


def workspace(x_NHWI: Tensor, samples: int, kernel: int, padding: int) -> tuple[Tensor, Tensor] | None:
    """(padded map, unfolded rows) for ``accumulate``, of as many samples at a time; None where it needs none."""
    _, height, width, channels = x_NHWI.shape
    if channels < NARROW:
        return None
    padded = x_NHWI.new_zeros(samples, height + 2 * padding, width + 2 * padding, channels)
    out_h, out_w = (size + 2 * padding - kernel + 1 for size in (height, width))
    return padded, x_NHWI.new_empty(samples, out_h, out_w, kernel * channels)


def accumulate(
    x_NHWI: Tensor, d_NHWO: Tensor, padding: int, grad_KOKI: Tensor, work: tuple[Tensor, Tensor] | None
) -> None:
    """Add d loss / d weight of a chunk of samples to ``grad_KOKI``.

    For a given row of the kernel, all its taps on all input channels are contiguous in a padded channels-last map, so
    that unfolding is a copy of long runs, and the rest is one matrix product: on CPU faster than the direct
    algorithm, by half for large kernels. Where the runs are short (an image's few channels) the direct one is used.

    Args:
        x_NHWI: input of the convolution (without padding), channels last.
        d_NHWO: gradient of its output, channels last; channels beyond the gradient's outputs are left out.
        grad_KOKI: (kernel rows, outputs, kernel columns, inputs).
        work: ``workspace``; the padded map's border is 0 and stays so.
    """
    channels = x_NHWI.shape[-1]
    kernel, outputs = grad_KOKI.shape[:2]
    if channels < NARROW:
        like = x_NHWI.new_empty(()).expand(d_NHWO.shape[-1], channels, kernel, kernel)  # only its shape is looked at
        d_weight = torch.ops.aten.convolution_backward(
            d_NHWO.permute(0, 3, 1, 2), x_NHWI.permute(0, 3, 1, 2), like, None,
            [1, 1], [padding, padding], [1, 1], False, [0, 0], 1, [False, True, False],
        )[1]  # fmt: skip
        grad_KOKI += d_weight[:outputs].permute(2, 0, 3, 1)
        return
    for x_nHWI, d_nHWO in zip(x_NHWI.split(len(work[0])), d_NHWO.split(len(work[0])), strict=True):
        _accumulate(x_nHWI, d_nHWO, padding, grad_KOKI, [part[: len(x_nHWI)] for part in work])


def _accumulate(x_NHWI: Tensor, d_NHWO: Tensor, padding: int, grad_KOKI: Tensor, work: list[Tensor]) -> None:
    """The same for as many samples as the workspace is for."""
    count, height, width, channels = x_NHWI.shape
    kernel, outputs = grad_KOKI.shape[:2]
    padded, rows = work
    padded[:, padding : padding + height, padding : padding + width].copy_(x_NHWI)
    out_h, out_w = d_NHWO.shape[1:3]
    image, line, pixel, _ = padded.stride()
    d_OP = d_NHWO.flatten(0, 2)[:, :outputs].t()
    for u in range(kernel):
        start = padded.storage_offset() + u * line
        rows.copy_(padded.as_strided((count, out_h, out_w, kernel * channels), (image, line, pixel, 1), start))
        grad_KOKI[u].view(outputs, -1).addmm_(d_OP, rows.view(-1, kernel * channels))
