"""One fully connected ReLU layer and its local gradient in closed form, without autograd.

``h = relu(x W' + b)``; a loss on goodness reaches the weights as ``d W = (a * h)' x`` with ``a`` the loss's slope
in a unit's group times 2 / units: ``h`` is 0 already where the ReLU is off, so that no mask is needed, and the gradient
with respect to ``x`` is never formed. Positive/negative learning (one group, the sign in the slope) and class
competition (a group a class) differ in the slope alone.

BatchNorm on the input is folded into the weights (``fold``), and its gradient read off theirs (``unfold``):
``W' = W scale`` and ``b' = b + W shift`` (``batch_norm.affine``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ffrepro.core import batch_norm
from ffrepro.core.batch_norm import Moments, Norm

SAMPLES, UNITS = 128, 1000
"""What ``gradient`` works on at a time: enough for a fast product, little beside a layer's activations."""


class Map(NamedTuple):
    """Weight (O, I) and bias (O,) for ``forward``, and what ``unfold`` needs of a BatchNorm folded into them."""

    weight: Tensor
    bias: Tensor
    norm: Norm | None = None
    moments: Moments | None = None


def fold(linear: nn.Linear, bn: nn.BatchNorm1d | None, x_NI: Tensor) -> Map:
    """The map behind BatchNorm in training mode on this batch, as one map; updates the running statistics.

    Without BatchNorm the layer's own tensors, not copies; zeros where it has no bias.
    """
    return learning_map(linear, bn, lambda: moments_of(x_NI))


def moments_of(x_NI: Tensor) -> Moments:
    """Of each number over a batch."""
    var_I, mean_I = torch.var_mean(x_NI, 0, correction=0)
    return Moments(mean_I, var_I, len(x_NI))


def learning_map(linear: nn.Linear, bn: nn.BatchNorm1d | None, find: Callable[[], Moments]) -> Map:
    """``fold`` on a batch whose moments ``find`` gives; it is not called without BatchNorm."""
    norm = batch_norm.norm_of(bn)
    if norm is None:
        return _map(linear)
    moments = find()
    batch_norm.update_running(norm, moments)
    bn.num_batches_tracked += 1
    return _map(linear, norm, moments)


def resting_map(linear: nn.Linear, bn: nn.BatchNorm1d | None) -> Map:
    """The same in evaluation mode, with BatchNorm's running statistics."""
    norm = batch_norm.norm_of(bn)
    return _map(linear) if norm is None else _map(linear, norm, Moments(norm.running_mean, norm.running_var, 0))


def _map(linear: nn.Linear, norm: Norm | None = None, moments: Moments | None = None) -> Map:
    weight_OI, bias_O = linear.weight.detach(), linear.bias
    bias_O = weight_OI.new_zeros(len(weight_OI)) if bias_O is None else bias_O.detach()
    if norm is None or moments is None:
        return Map(weight_OI, bias_O)
    scale_I, shift_I = batch_norm.affine(norm, moments)
    return Map(weight_OI * scale_I, bias_O + weight_OI @ shift_I, norm, moments)


def unfold(layer: Map, linear: nn.Linear, grads: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Split ``gradient``'s result for a folded map into that of its parts; the weight's in place.

    Returns:
        (d gamma, d beta), both (I,).
    """
    (d_weight, d_bias), weight_OI = grads, linear.weight.detach()
    # with respect to W gamma, but for beta
    d_weight.addr_(d_bias, layer.moments.mean, alpha=-1).div_(batch_norm.std(layer.norm, layer.moments))
    d_gamma = (weight_OI * d_weight).sum(0)
    d_weight.mul_(layer.norm.gamma).addr_(d_bias, layer.norm.beta)
    return d_gamma, d_bias @ weight_OI


def forward(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor, groups: int, out_NO: Tensor) -> Tensor:
    """Write the activations to ``out_NO``.

    Returns:
        Goodness (N, groups): mean of squares of each group of units (the DLR paper, Eq. 2, without positions). The
        sum of squares is this times the units of a group.
    """
    torch.addmm(bias_O, x_NI, weight_OI.t(), out=out_NO).relu_()
    units = out_NO.shape[1] // groups
    return torch.linalg.vector_norm(out_NO.unflatten(1, (groups, units)), dim=-1).square_() / units


def workspace_shape(samples: int, outputs: int, groups: int) -> tuple[int, int]:
    """Shape of ``gradient``'s workspace for a layer: pieces of a batch of about the same size, and whole groups."""
    pieces = -(-samples // SAMPLES)
    units = outputs // groups
    return -(-samples // pieces), min(outputs, units * max(1, UNITS // units))


def gradient(x_NI: Tensor, h_NO: Tensor, slope_NG: Tensor, grads: tuple[Tensor, Tensor], work_PS: Tensor) -> None:
    """Gradient of a loss on the layer's goodness.

    Args:
        x_NI: input. h_NO: activations, as ``forward`` left them (not normalised yet).
        slope_NG: d loss / d goodness of ``forward``.
        grads: (d weight, d bias), overwritten.
        work_PS: workspace; P samples and S units, of whole groups, are worked on at a time.
    """
    (samples, groups), (piece, width) = slope_NG.shape, work_PS.shape
    h_NGU = h_NO.unflatten(1, (groups, -1))
    units = h_NGU.shape[2]
    slope_NG1 = (slope_NG * (2.0 / units)).unsqueeze(2)
    one_P = slope_NG.new_ones(piece)
    for first_group in range(0, groups, width // units):
        some = slice(first_group, min(first_group + width // units, groups))
        d_weight, d_bias = (grad[some.start * units : some.stop * units] for grad in grads)
        for first in range(0, samples, piece):
            rows = slice(first, min(first + piece, samples))
            d_PS = work_PS[: rows.stop - first, : len(d_bias)]
            torch.mul(h_NGU[rows, some], slope_NG1[rows, some], out=d_PS.unflatten(1, (-1, units)))
            beta = min(first, 1)  # 0 overwrites, whatever is there
            torch.addmm(d_weight, d_PS.t(), x_NI[rows], beta=beta, out=d_weight)
            torch.addmv(d_bias, d_PS.t(), one_P[: len(d_PS)], beta=beta, out=d_bias)


def pass_on(h_NO: Tensor, goodness_NG: Tensor, epsilon: float) -> Tensor:
    """Normalise the activations in place to a root mean square of 1, from the goodness that ``forward`` returned.

    The same as ``normalisation.rms(h, epsilon, "inside_root")``, without reading ``h`` once more: what the next layer
    sees holds no trace of this layer's goodness (Hinton 2022, Sec. 2).
    """
    return h_NO.mul_((goodness_NG.mean(1, keepdim=True) + epsilon).rsqrt())
