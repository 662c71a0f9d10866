"""One convolutional block and its local gradient in closed form, without autograd.

BatchNorm on the convolution's input, convolution without bias, ReLU, optional 2x2 max pool, and then the goodness of
each class's channel group. The goodness is taken after the pool: the DLR paper lists the parts in this order (Sec.
III) and takes Eq. 2 over the layer's output; the code of The Trifecta, on which it builds, squares the pooled map.

BatchNorm never runs as a pass of its own: ``gamma / std`` scales the weights, and what is left, a constant per input
channel, is carried by a constant-one input channel, so that it is missing where padding is, exactly as in BatchNorm
followed by zero padding. Maps are (N, H, W, C + 1), channels last, their last channel 1; the convolution writes that
channel itself. With ``W'`` the weight of the normalised input, d gamma = sum over outputs and taps of W * dW' and
d beta the same with the gradient of the constant-one channel, so that no input gradient is ever formed.

The batch is worked on in chunks that stay in the cache: forward, loss, and the gradient's share of a chunk, then the
next one. That is possible because the loss of a sample needs no other one; only the moments of the input do, and
they were summed while the layer below made it. ReLU follows the pool, where there are four times fewer values: the
maximum of rectified values is the rectified maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.core import conv_gradient
from ffrepro.core.arena import Space
from ffrepro.core.goodness import grouped, grouped_scale

_pool = torch.ops.aten.max_pool2d_with_indices
_unpool = torch.ops.aten.max_pool2d_with_indices_backward.grad_input


class Layer(NamedTuple):
    """What a block is made of. ``weight`` (O, I, K, K), best in channels_last memory; ``gamma``, ``beta``,
    ``running_mean`` and ``running_var`` (I,) as in ``nn.BatchNorm2d``. The kernel is larger than twice the padding."""

    weight: Tensor
    gamma: Tensor
    beta: Tensor
    running_mean: Tensor
    running_var: Tensor
    padding: int
    pool: bool
    epsilon: float
    momentum: float


class Moments(NamedTuple):
    """Mean and biased variance of each channel of a map (C,), and the number of values behind each."""

    mean: Tensor
    var: Tensor
    count: int


Slope = Callable[[Tensor, slice], Tensor]
"""(goodness (n, groups) of some samples, their rows in the batch) -> d loss / d goodness (n, groups)."""


def output_shape(layer: Layer, x_shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Shape of the block's output map (N, H, W, O + 1) for an input map (N, H, W, I + 1)."""
    outputs, _, kernel, _ = layer.weight.shape
    sizes = (size + 2 * layer.padding - kernel + 1 for size in x_shape[1:3])
    height, width = (size // 2 if layer.pool else size for size in sizes)
    return x_shape[0], height, width, outputs + 1


def load(x_NCHW: Tensor, out_NHWI: Tensor) -> Moments:
    """Write a batch of images as a map with its constant-one channel; returns the channels' moments."""
    var, mean = torch.var_mean(x_NCHW, dim=(0, 2, 3), correction=0)
    out_NHWI[..., :-1].copy_(x_NCHW.permute(0, 2, 3, 1))
    out_NHWI[..., -1] = 1
    return Moments(mean, var, x_NCHW.numel() // x_NCHW.shape[1])


def learn(
    layer: Layer, x_NHWI: Tensor, out_NHWO: Tensor, space: Space, moments: Moments,
    groups: int, slope: Slope, grads: tuple[Tensor, Tensor, Tensor], chunk_bytes: int,
) -> tuple[Tensor, Moments]:  # fmt: skip
    """Forward in training mode, and the gradient of a loss on the block's goodness.

    Args:
        x_NHWI: input map; unchanged. out_NHWO: overwritten with the output map.
        space: workspace: two weights and what the chunks need, at least one sample's.
        moments: of the input's channels; the running statistics are updated with them.
        groups: number of classes (1: one goodness for the whole map); must divide the outputs.
        slope: gives each sample's slope of the batch's loss; called chunk by chunk, on consecutive rows, an even
            number of them where the batch allows it (adjacent positive and negative samples stay together).
        grads: (d weight, d gamma, d beta), overwritten; ``weight``'s one best in channels_last memory.
        chunk_bytes: most workspace that a chunk may take: about the size of a fast cache.

    Returns:
        Goodness (N, groups), and the moments of the output's channels.
    """
    _update_running(layer, moments)
    scale_I, shift_I = _affine(layer, moments.mean, moments.var)
    weight = _fold(layer, scale_I, shift_I, space)
    outputs, inputs, kernel, _ = layer.weight.shape
    grad_KOKI = space.take((kernel, outputs, kernel, inputs + 1)).zero_()
    rows = _chunk(layer, x_NHWI, space, chunk_bytes)
    work = conv_gradient.workspace(space.take, rows, x_NHWI.shape, kernel, layer.padding)
    total_O = torch.zeros(outputs, dtype=torch.float64, device=x_NHWI.device)
    square_O = torch.zeros_like(total_O)
    goodness = x_NHWI.new_empty(len(x_NHWI), groups)
    positions = out_NHWO.shape[1] * out_NHWO.shape[2]
    for start in range(0, len(x_NHWI), rows):
        some = slice(start, min(start + rows, len(x_NHWI)))
        x_nHWI, h_nHWO = x_NHWI[some], out_NHWO[some]
        z_nOHW, index = _activate(x_nHWI, weight, layer, h_nHWO)
        sum_nO, square_nO = _sums(h_nHWO)
        goodness[some] = g = grouped(square_nO, groups, positions)
        scale_nO = F.pad(grouped_scale(slope(g, some), outputs, positions), (0, 1))  # nothing flows into the ones
        d_nOHW = _into_preactivation(h_nHWO, scale_nO, z_nOHW, index)
        conv_gradient.accumulate(x_nHWI, d_nOHW.permute(0, 2, 3, 1), layer.padding, grad_KOKI, work)
        total_O += sum_nO.sum(0)
        square_O += square_nO.sum(0)
        del z_nOHW, d_nOHW, index
    _unfold(layer, moments, scale_I, shift_I, grad_KOKI, weight, grads)
    count = len(x_NHWI) * positions
    mean_O = total_O / count
    var_O = (square_O / count - mean_O.square()).clamp_min_(0)
    return goodness, Moments(mean_O.to(x_NHWI.dtype), var_O.to(x_NHWI.dtype), count)


def forward(layer: Layer, x_NHWI: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Evaluation with the running statistics: (output map (N, H, W, O + 1), goodness (N, groups))."""
    scale_I, shift_I = _affine(layer, layer.running_mean, layer.running_var)
    outputs, inputs, kernel, _ = layer.weight.shape
    weight = _fold(layer, scale_I, shift_I, Space(x_NHWI.new_empty((outputs + 1) * (inputs + 1) * kernel**2)))
    out_NHWO = x_NHWI.new_empty(output_shape(layer, x_NHWI.shape))
    _activate(x_NHWI, weight, layer, out_NHWO)
    return out_NHWO, grouped(_sums(out_NHWO)[1], groups, out_NHWO.shape[1] * out_NHWO.shape[2])


def workspace_size(layer: Layer, x_shape: tuple[int, ...], samples: int, itemsize: int) -> int:
    """Elements of workspace that ``learn`` needs for chunks of a number of samples."""
    outputs, inputs, kernel, _ = layer.weight.shape
    weights = (2 * outputs + 1) * (inputs + 1) * kernel**2
    each = conv_gradient.bytes_per_sample(x_shape, kernel, layer.padding, itemsize) // itemsize
    return weights + samples * each + 5 * Space.ALIGN


def _chunk(layer: Layer, x_NHWI: Tensor, space: Space, chunk_bytes: int) -> int:
    """Samples that fit into the free space and the wanted size, an even number of them where there is a choice."""
    item = x_NHWI.element_size()
    each = conv_gradient.bytes_per_sample(x_NHWI.shape, layer.weight.shape[-1], layer.padding, item)
    fit = (min(chunk_bytes, (space.free - 2 * Space.ALIGN) * item)) // each
    pieces = -(-len(x_NHWI) // max(fit, 1))
    rows = -(-len(x_NHWI) // pieces)  # pieces of about the same size
    return rows + rows % 2 if rows + rows % 2 <= fit else max(rows - rows % 2, 1)


def _affine(layer: Layer, mean_I: Tensor, var_I: Tensor) -> tuple[Tensor, Tensor]:
    """BatchNorm as ``x * scale + shift``."""
    scale_I = layer.gamma * (var_I + layer.epsilon).rsqrt()
    return scale_I, layer.beta - mean_I * scale_I


def _fold(layer: Layer, scale_I: Tensor, shift_I: Tensor, space: Space) -> Tensor:
    """The weight of the map as it lies in memory (O + 1, I + 1, K, K), channels last: BatchNorm within it."""
    outputs, inputs, kernel, _ = layer.weight.shape
    weight_OKKI = layer.weight.permute(0, 2, 3, 1)
    folded = space.take((outputs + 1, kernel, kernel, inputs + 1))
    torch.mul(weight_OKKI, scale_I, out=folded[:-1, ..., :-1])
    folded[:-1, ..., -1] = (weight_OKKI.reshape(-1, inputs) @ shift_I).view(outputs, kernel, kernel)
    folded[-1] = 0
    folded[-1, layer.padding, layer.padding, -1] = 1  # a tap that is never on the border: the next map's ones
    return folded.permute(0, 3, 1, 2)


def _activate(x_NHWI: Tensor, weight: Tensor, layer: Layer, out_NHWO: Tensor) -> tuple[Tensor, Tensor | None]:
    """Write the output map; returns the convolution's output and, with a pool, where each maximum came from."""
    z_NOHW = F.conv2d(x_NHWI.permute(0, 3, 1, 2), weight, padding=layer.padding)
    if not layer.pool:
        torch.clamp_min(z_NOHW.permute(0, 2, 3, 1), 0, out=out_NHWO)
        return z_NOHW, None
    pooled_NOHW, index = _pool(z_NOHW, [2, 2], [2, 2])
    torch.clamp_min(pooled_NOHW.permute(0, 2, 3, 1), 0, out=out_NHWO)
    return z_NOHW, index


def _sums(h_NHWO: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over positions of each channel (N, O), and of its squares; without the constant-one channel."""
    h_NPO = h_NHWO.flatten(1, 2)
    return h_NPO.sum(1)[:, :-1], h_NPO.square().sum(1)[:, :-1]  # faster by far than a norm over that dimension


def _into_preactivation(h_NHWO: Tensor, scale_NO: Tensor, z_NOHW: Tensor, index: Tensor | None) -> Tensor:
    """The loss's gradient before pool and ReLU, written over the convolution's output.

    ``scale * h`` is 0 already where the ReLU is off: its derivative needs no mask.
    """
    scale_N11O = scale_NO[:, None, None, :]
    if index is None:
        torch.mul(h_NHWO, scale_N11O, out=z_NOHW.permute(0, 2, 3, 1))
        return z_NOHW
    d_NOHW = (h_NHWO * scale_N11O).permute(0, 3, 1, 2)
    return _unpool(d_NOHW, z_NOHW, [2, 2], [2, 2], [0, 0], [1, 1], False, index, grad_input=z_NOHW)


def _unfold(
    layer: Layer, moments: Moments, scale_I: Tensor, shift_I: Tensor,
    grad_KOKI: Tensor, scratch: Tensor, grads: tuple[Tensor, Tensor, Tensor],
) -> None:  # fmt: skip
    """From the gradient of the folded weight to those of weight, gamma and beta."""
    d_weight, d_gamma, d_beta = grads
    inputs = layer.weight.shape[1]
    raw_OKKI = grad_KOKI.permute(1, 0, 2, 3)
    per_input, per_one = raw_OKKI[..., :-1], raw_OKKI[..., -1]
    weight_OKKI = layer.weight.permute(0, 2, 3, 1)
    torch.mv(weight_OKKI.reshape(-1, inputs).t(), per_one.flatten(), out=d_beta)
    product = torch.mul(weight_OKKI, per_input, out=scratch.permute(0, 2, 3, 1)[:-1, ..., :-1])
    std_I = (moments.var + layer.epsilon).sqrt()
    torch.div(product.sum((0, 1, 2)) - moments.mean * d_beta, std_I, out=d_gamma)
    d_weight_OKKI = d_weight.permute(0, 2, 3, 1)
    torch.mul(per_input, scale_I, out=d_weight_OKKI)
    d_weight_OKKI.addcmul_(per_one.unsqueeze(-1), shift_I)


def _update_running(layer: Layer, moments: Moments) -> None:
    """As ``nn.BatchNorm2d`` does: the running variance is the unbiased one."""
    unbiased = moments.var * (moments.count / (moments.count - 1))
    layer.running_mean.lerp_(moments.mean, layer.momentum)
    layer.running_var.lerp_(unbiased, layer.momentum)
