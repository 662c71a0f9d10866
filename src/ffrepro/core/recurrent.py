"""One ReLU recurrent layer in closed form: forward, and the gradient of a loss on its states, without autograd.

``h_t = relu(W_ih x_t + W_hh h_{t-1} + b)``, ``h_{-1} = 0``, time-major tensors (``x_TBI``: steps, batch, inputs).
The backward pass is backpropagation through the layer's own time steps and nothing else: it never forms the
gradient with respect to the layer's input unless it is asked for. All work is in place on buffers that the
caller keeps; a step of a 600-sample batch (230 kB) stays in the cache while everything that needs it is done.

``tests/core/test_recurrent.py`` holds these functions equal to autograd's gradients in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

# grad where state > 0 else 0, in one pass and in place (autograd's own kernel for ReLU)
_relu_backward = torch.ops.aten.threshold_backward.grad_input


def forward(
    x_TBI: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, out_TBH: Tensor, mask_TB1: Tensor | None = None
) -> Tensor:
    """States of the layer, written to ``out_TBH``.

    Args:
        x_TBI: inputs.
        weight_ih: (H, I). weight_hh: (H, H). bias: (H,), the sum of the two biases of ``nn.RNN``.
        out_TBH: buffer for the states.
        mask_TB1: 1 where a step counts, 0 where it is padding (padding at the end of a sequence only); states of
            padded steps become 0. None: every step counts.

    Returns:
        ``out_TBH``.
    """
    # a contiguous transpose (36 kB) makes each of the T products a fifth faster
    ih_IH, hh_HH = weight_ih.t().contiguous(), weight_hh.t().contiguous()
    for t in range(x_TBI.shape[0]):
        h_BH = torch.addmm(bias, x_TBI[t], ih_IH, out=out_TBH[t])
        if t:
            h_BH.addmm_(out_TBH[t - 1], hh_HH)
        h_BH.relu_()
        if mask_TB1 is not None:
            h_BH.mul_(mask_TB1[t])
    return out_TBH


def backward(
    x_TBI: Tensor,
    h_TBH: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    grads: tuple[Tensor, Tensor, Tensor],
    *,
    scale_TB: Tensor | None = None,
    dh_TBH: Tensor | None = None,
    dx_TBI: Tensor | None = None,
    scratch_2BH: Tensor | None = None,
) -> None:
    """Gradients of a loss on the states, through the layer's own time.

    The loss enters either as ``scale_TB`` (its gradient is ``scale * h``, as for every goodness that is a sum of
    squares: the buffer of that product is never formed as a whole) or as ``dh_TBH`` (the gradient itself;
    overwritten with the gradient before the ReLU).

    Args:
        x_TBI, h_TBH: inputs and states of ``forward``.
        weight_ih, weight_hh: (H, I), (H, H).
        grads: (dW_ih, dW_hh, db) of the weights' shapes, overwritten.
        dx_TBI: buffer for the gradient with respect to the inputs; None where no layer below wants it.
        scratch_2BH: workspace, two states wide; allocated where it is not given (only used with ``scale_TB``).
    """
    steps, batch = h_TBH.shape[:2]
    d_ih, d_hh, d_bias = (g.zero_() for g in grads)
    ones_B = h_TBH.new_ones(batch)
    if dh_TBH is None and scratch_2BH is None:
        scratch_2BH = torch.empty_like(h_TBH[:2]) if steps > 1 else h_TBH.new_empty(2, *h_TBH.shape[1:])
    later = None
    for t in reversed(range(steps)):
        h_BH = h_TBH[t]
        if dh_TBH is None:
            d_BH = torch.mul(h_BH, scale_TB[t].unsqueeze(1), out=scratch_2BH[t % 2])
        else:
            d_BH = dh_TBH[t]
        if later is not None:
            d_hh.addmm_(later.t(), h_BH)
            d_BH.addmm_(later, weight_hh)
        if later is not None or dh_TBH is not None:  # scale * h is 0 already where the ReLU is off
            _relu_backward(d_BH, h_BH, 0, grad_input=d_BH)
        d_ih.addmm_(d_BH.t(), x_TBI[t])
        d_bias.addmv_(d_BH.t(), ones_B)
        if dx_TBI is not None:
            torch.mm(d_BH, weight_ih, out=dx_TBI[t])
        later = d_BH
