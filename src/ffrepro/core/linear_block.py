"""One fully connected ReLU layer and its local gradient in closed form, without autograd.

``h = relu(x W' + b)``; a loss on goodness reaches the weights as ``d W = (a * h)' x`` with ``a`` the loss's slope
in a unit's group times 2 / units: ``h`` is 0 already where the ReLU is off, so that no mask is needed, and the gradient
with respect to ``x`` is never formed. Positive/negative learning (one group, the sign in the slope) and class
competition (a group a class) differ in the slope alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

SLAB = 200
"""Units whose gradient ``gradient`` forms at a time: enough for a fast product, few beside a layer's activities."""


def forward(x_NI: Tensor, weight_OI: Tensor, bias_O: Tensor, groups: int, out_NO: Tensor) -> Tensor:
    """Write the activities to ``out_NO``.

    Returns:
        Goodness (N, groups): mean of squares of each group of units (the DLR paper, Eq. 2, without positions). The
        sum of squares is this times the units of a group.
    """
    torch.addmm(bias_O, x_NI, weight_OI.t(), out=out_NO).relu_()
    units = out_NO.shape[1] // groups
    return torch.linalg.vector_norm(out_NO.unflatten(1, (groups, units)), dim=-1).square_() / units


def gradient(x_NI: Tensor, h_NO: Tensor, slope_NG: Tensor, grads: tuple[Tensor, Tensor], scratch_NS: Tensor) -> None:
    """Gradient of a loss on the layer's goodness.

    Args:
        x_NI: input. h_NO: activities, as ``forward`` left them (not normalised yet).
        slope_NG: d loss / d goodness of ``forward``.
        grads: (d weight, d bias), overwritten.
        scratch_NS: workspace; S units of a group are worked on at a time.
    """
    d_weight, d_bias = grads
    outputs, width = h_NO.shape[1], scratch_NS.shape[1]
    units = outputs // slope_NG.shape[1]
    for group, slope_N1 in enumerate(slope_NG.mul(2.0 / units).split(1, dim=1)):
        for start in range(group * units, (group + 1) * units, width):
            some = slice(start, min(start + width, (group + 1) * units))
            d_NS = torch.mul(h_NO[:, some], slope_N1, out=scratch_NS[:, : some.stop - start])
            torch.mm(d_NS.t(), x_NI, out=d_weight[some])
            torch.sum(d_NS, 0, out=d_bias[some])


def pass_on(h_NO: Tensor, goodness_NG: Tensor, epsilon: float) -> Tensor:
    """Normalise the activities in place to a root mean square of 1, from the goodness that ``forward`` returned.

    The same as ``normalisation.rms(h, epsilon, "inside_root")``, without reading ``h`` once more: what the next layer
    sees holds no trace of this layer's goodness (Hinton 2022, Sec. 2).
    """
    return h_NO.mul_((goodness_NG.mean(1, keepdim=True) + epsilon).rsqrt())
