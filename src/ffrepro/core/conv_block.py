"""One convolutional block and its local gradient in closed form, without autograd.

BatchNorm on the convolution's input (or none), convolution, ReLU, optional 2x2 max pool, and then the goodness of each
class's channel group, or of the whole map. The goodness is taken after the pool: the DLR paper lists the parts in this
order (Sec. III) and takes Eq. 2 over the layer's output; the code of The Trifecta, on which it builds, squares the
pooled map.

BatchNorm never runs as a pass of its own: ``gamma / std`` scales the weights, and what is left, a constant per input
channel, is carried by a constant-one input channel, so that it is missing where padding is, exactly as in BatchNorm
followed by zero padding. Maps are (N, H, W, C + 1), channels last, their last channel 1; the convolution writes that
channel itself. With ``W'`` the weight of the normalised input, d gamma = sum over outputs and taps of W * dW' and
d beta the same with the gradient of the constant-one channel, so that no input gradient is ever formed. A bias of the
convolution is a weight of that channel, too: of the one tap that never lies on padding.

The batch is worked on in chunks that stay in the cache: forward, loss, and the gradient's share of a chunk, then the
next one. That is possible because the loss of a sample needs no other one; only the moments of the input do, and
they were summed while the layer below made it. ReLU follows the pool, where there are four times fewer values: the
maximum of rectified values is the rectified maximum.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.core import batch_norm
from ffrepro.core.batch_norm import Moments
from ffrepro.core.conv_layer import Gradients, Layer, output_shape
from ffrepro.core.goodness import exact, grouped, grouped_scale

CHUNK_BYTES = 16 * 2**20  # of a chunk's workspace at most: about a fast cache
PEAK = 1.085  # of activations, as a multiple of the least: what is left beside the maps is workspace
BLOCK = 16  # channels to which oneDNN rounds a weight up in a layout of its own
_pool = torch.ops.aten.max_pool2d_with_indices
_unpool = torch.ops.aten.max_pool2d_with_indices_backward.grad_input


Slope = Callable[[Tensor, slice], Tensor]
"""(goodness (n, groups) of some samples, their rows in the batch) -> d loss / d goodness (n, groups)."""


def load(x_NCHW: Tensor) -> tuple[Tensor, Moments]:
    """A batch of images as a map (N, H, W, C + 1) with its constant-one channel, and the moments of the others."""
    count, channels, height, width = x_NCHW.shape
    out_NHWI = x_NCHW.new_ones(count, height, width, channels + 1)
    out_NHWI[..., :-1] = x_NCHW.permute(0, 2, 3, 1)
    # first over the batch: long rows, which is many times faster than along a few channels
    flat_NP = out_NHWI.flatten(1)
    sum_PI, square_PI = (part.sum(0).view(-1, channels + 1)[:, :-1] for part in (flat_NP, flat_NP * flat_NP))
    return out_NHWI, _moments(sum_PI, square_PI, count * height * width)


def learn(
    layer: Layer, x_NHWI: Tensor, moments: Moments, groups: int, slope: Slope,
    grads: Gradients, chunk: int,
) -> tuple[Tensor, Tensor, Moments]:  # fmt: skip
    """Forward in training mode, and the gradient of a loss on the block's goodness.

    Args:
        x_NHWI: input map; unchanged. moments: of its channels; the running statistics are updated with them.
        groups: number of classes (1: one goodness for the whole map); must divide the outputs.
        slope: gives each sample's slope of the batch's loss; called chunk by chunk, on consecutive rows.
        grads: overwritten; ``weight``'s one best in channels_last memory.
        chunk: samples of a chunk; see ``chunk_of`` and ``chunks``.

    Returns:
        The output map (N, H, W, O + 1), goodness (N, groups), and the moments of the output's channels.
    """
    if layer.norm is not None:
        batch_norm.update_running(layer.norm, moments)
    scale_I, shift_I = _affine(layer, moments)
    weight = _fold(layer, scale_I, shift_I)
    outputs, grad_OIKK = len(layer.weight), None
    out_NHWO = x_NHWI.new_empty(output_shape(layer, x_NHWI.shape))
    sum_NO, square_NO = (x_NHWI.new_empty(len(x_NHWI), outputs) for _ in range(2))
    goodness = x_NHWI.new_empty(len(x_NHWI), groups)
    positions = out_NHWO.shape[1] * out_NHWO.shape[2]
    for start in range(0, len(x_NHWI), chunk):
        some = slice(start, min(start + chunk, len(x_NHWI)))
        h_nHWO = out_NHWO[some]
        z_nHWO, scratch_nHWO, index = _activate(x_NHWI[some], weight, layer, h_nHWO)
        sum_NO[some], square_NO[some] = _sums(h_nHWO, scratch_nHWO)
        goodness[some] = g = grouped(square_NO[some], groups, positions)
        scale_nO = F.pad(grouped_scale(slope(g, some), outputs, positions), (0, 1))  # nothing flows into the ones
        # scale * h is 0 already where the ReLU is off: its derivative needs no mask
        torch.mul(h_nHWO, scale_nO[:, None, None, :], out=scratch_nHWO)
        if index is not None:
            _unpool_into(z_nHWO, scratch_nHWO, index)
        part_OIKK = _weight_gradient(x_NHWI[some], z_nHWO, weight, layer.padding)
        grad_OIKK = part_OIKK if grad_OIKK is None else grad_OIKK.add_(part_OIKK)
        del z_nHWO, scratch_nHWO, index, part_OIKK  # before the next chunk asks for as much
    _unfold(layer, moments, scale_I, shift_I, grad_OIKK[:-1], weight, grads)
    return out_NHWO, goodness, _moments(sum_NO, square_NO, len(x_NHWI) * positions)


def forward(layer: Layer, x_NHWI: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Evaluation with the running statistics: (output map (N, H, W, O + 1), goodness (N, groups))."""
    running = None if layer.norm is None else Moments(layer.norm.running_mean, layer.norm.running_var, 0)
    weight = _fold(layer, *_affine(layer, running))
    out_NHWO = x_NHWI.new_empty(output_shape(layer, x_NHWI.shape))
    _, scratch_NHWO, _ = _activate(x_NHWI, weight, layer, out_NHWO)
    _, square_NO = _sums(out_NHWO, scratch_NHWO)
    return out_NHWO, grouped(square_NO, groups, out_NHWO.shape[1] * out_NHWO.shape[2])


def chunks(
    layers: list[Layer], x_shape: tuple[int, ...], itemsize: int, share: float = PEAK, most: int = CHUNK_BYTES
) -> list[int]:
    """Samples of a chunk for each block of a stack, so that all of them together keep to one peak of memory.

    Args:
        x_shape: the input map's (N, H, W, I + 1).
        share: the peak, as a multiple of ``least``; weights in any form are not counted in it, but for the copies that
            oneDNN makes. most: bytes of a chunk's workspace, where the peak allows them.
    """
    peak, found = share * least(layers, x_shape) * itemsize, []
    for layer in layers:
        out_shape = output_shape(layer, x_shape)
        outputs, inputs, kernel, _ = layer.weight.shape
        copy = math.prod(-(-(channels + 1) // BLOCK) * BLOCK for channels in (outputs, inputs)) * kernel**2
        sums = 2 * out_shape[0] * outputs  # of each sample's channels, and of their squares
        kept = math.prod(x_shape) + math.prod(out_shape) + copy + sums
        found.append(chunk_of(layer, x_shape, itemsize, min(most, int(peak - kept * itemsize))))
        x_shape = out_shape
    return found


def chunk_of(layer: Layer, x_shape: tuple[int, ...], itemsize: int, most: int = CHUNK_BYTES) -> int:
    """Samples in a chunk: as many as fit into ``most`` bytes of workspace, at least one, chunks of about equal size."""
    batch, fit = x_shape[0], max(most // sample_bytes(layer, x_shape, itemsize), 1)
    return -(-batch // -(-batch // fit))


def least(layers: list[Layer], x_shape: tuple[int, ...]) -> int:
    """Elements of activations that any exact layer-by-layer step holds: a layer's input and its output for the whole
    batch (the next BatchNorm needs all of it), without the constant-one channels of these maps."""
    sizes = []
    for layer in layers:
        out_shape = output_shape(layer, x_shape)
        sizes.append(sum(math.prod(s[:3]) * (s[3] - 1) for s in (x_shape, out_shape)))
        x_shape = out_shape
    return max(sizes)


def sample_bytes(layer: Layer, x_shape: tuple[int, ...], itemsize: int) -> int:
    """Workspace of each sample of a chunk."""
    outputs, _, kernel, _ = layer.weight.shape
    height, width = (size + 2 * layer.padding - kernel + 1 for size in x_shape[1:3])
    pooled = (height // 2) * (width // 2) * (outputs + 1) if layer.pool else 0
    return itemsize * height * width * (outputs + 1) + (itemsize + 8) * pooled  # 8: a maximum's place


def _moments(sum_PC: Tensor, square_PC: Tensor, count: int) -> Moments:
    """Moments from sums and sums of squares of parts of a map; their difference is taken in float64."""
    mean_C, square_C = (part.sum(0, dtype=exact(part)) / count for part in (sum_PC, square_PC))
    var_C = (square_C - mean_C.square()).clamp_min_(0)
    return Moments(mean_C.to(sum_PC.dtype), var_C.to(sum_PC.dtype), count)


def _affine(layer: Layer, moments: Moments | None) -> tuple[Tensor, Tensor]:
    """BatchNorm as ``x * scale + shift``; without one, x as it is."""
    inputs = layer.weight.shape[1]
    if layer.norm is None:
        return layer.weight.new_ones(inputs), layer.weight.new_zeros(inputs)
    return batch_norm.affine(layer.norm, moments)


def _fold(layer: Layer, scale_I: Tensor, shift_I: Tensor) -> Tensor:
    """The map's weight in its memory layout (O + 1, K, K, I + 1), with BatchNorm and bias folded in."""
    outputs, inputs, kernel, _ = layer.weight.shape
    weight_OKKI = layer.weight.permute(0, 2, 3, 1)
    folded = weight_OKKI.new_zeros(outputs + 1, kernel, kernel, inputs + 1)
    torch.mul(weight_OKKI, scale_I, out=folded[:-1, ..., :-1])
    folded[:-1, ..., -1] = (weight_OKKI.reshape(-1, inputs) @ shift_I).view(outputs, kernel, kernel)
    on_map = folded[:, layer.padding, layer.padding, -1]  # a tap that is never on the border
    if layer.bias is not None:
        on_map[:-1] += layer.bias
    on_map[-1] = 1  # the next map's ones
    return folded


def _activate(
    x_NHWI: Tensor, weight_OKKI: Tensor, layer: Layer, out_NHWO: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Write the output map.

    Returns:
        The convolution's output; memory of the output map's shape (the same memory without a pool); and with a pool
        where each maximum came from.
    """
    z_NOHW = F.conv2d(x_NHWI.permute(0, 3, 1, 2), weight_OKKI.permute(0, 3, 1, 2), padding=layer.padding)
    pooled_NOHW, index = _pool(z_NOHW, [2, 2], [2, 2]) if layer.pool else (z_NOHW, None)
    pooled_NHWO = pooled_NOHW.permute(0, 2, 3, 1)
    torch.clamp_min(pooled_NHWO, 0, out=out_NHWO)
    return z_NOHW.permute(0, 2, 3, 1), pooled_NHWO, index


def _unpool_into(z_NHWO: Tensor, d_NHWO: Tensor, index: Tensor) -> None:
    """The pool's backward pass, written over its input."""
    z_NOHW = z_NHWO.permute(0, 3, 1, 2)
    _unpool(d_NHWO.permute(0, 3, 1, 2), z_NOHW, [2, 2], [2, 2], [0, 0], [1, 1], False, index, grad_input=z_NOHW)


def _weight_gradient(x_NHWI: Tensor, d_NHWO: Tensor, weight_OKKI: Tensor, padding: int) -> Tensor:
    """d loss / d weight (O + 1, I + 1, K, K) of a chunk."""
    x_NIHW, d_NOHW, weight_OIKK = (part.permute(0, 3, 1, 2) for part in (x_NHWI, d_NHWO, weight_OKKI))
    return torch.ops.aten.convolution_backward(
        d_NOHW, x_NIHW, weight_OIKK, None, [1, 1], [padding, padding], [1, 1], False, [0, 0], 1, [False, True, False]
    )[1]


def _sums(h_NHWO: Tensor, scratch_NHWO: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over positions of each channel (N, O), and of its squares; without the constant-one channel."""
    torch.mul(h_NHWO, h_NHWO, out=scratch_NHWO)  # faster by far than a norm over a dimension that is not the last
    return h_NHWO.sum((1, 2))[:, :-1], scratch_NHWO.sum((1, 2))[:, :-1]


def _unfold(
    layer: Layer, moments: Moments, scale_I: Tensor, shift_I: Tensor,
    grad_OIKK: Tensor, scratch_OKKI: Tensor, grads: Gradients,
) -> None:  # fmt: skip
    """Split the gradient of the folded weight into those of weight, bias and BatchNorm."""
    inputs, norm = layer.weight.shape[1], layer.norm
    raw_OKKI = grad_OIKK.permute(0, 2, 3, 1)
    per_input, per_one = raw_OKKI[..., :-1], raw_OKKI[..., -1]
    weight_OKKI = layer.weight.permute(0, 2, 3, 1)
    if layer.bias is not None:
        grads.bias.copy_(per_one[:, layer.padding, layer.padding])
    d_weight_OKKI = grads.weight.permute(0, 2, 3, 1)
    torch.mul(per_input, scale_I, out=d_weight_OKKI)
    if norm is None:
        return
    d_weight_OKKI.addcmul_(per_one.unsqueeze(-1), shift_I)
    torch.mv(weight_OKKI.reshape(-1, inputs).t(), per_one.flatten(), out=grads.beta)
    product = torch.mul(weight_OKKI, per_input, out=scratch_OKKI[:-1, ..., :-1])
    std_I = batch_norm.std(norm, moments)
    torch.div(product.sum((0, 1, 2)) - moments.mean * grads.beta, std_I, out=grads.gamma)
