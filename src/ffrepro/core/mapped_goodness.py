"""Mean squares of a linear map of many outputs, without the map: exact, from the activations' second moments.

With activations y_p at P positions, the mean over p of (w_j y_p + b_j)^2 is w_j S w_j + 2 b_j w_j m + b_j^2,
with S the mean of y_p y_p^T and m that of y_p. The map's output, P times J values a sample, is never made: with more
outputs than channels that is less work, and at many classes most of the memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def cheaper(positions: int, channels: int, outputs: int) -> bool:
    """Whether ``mean_squares`` takes fewer multiplications than the map itself."""
    return channels * (positions + outputs) < positions * outputs


def mean_squares(h_BPC: Tensor, weight_JC: Tensor, bias_J: Tensor) -> Tensor:
    """Mean over positions of the squares of a linear map's outputs: (B, J), with its gradient.

    Args:
        h_BPC: activations at each position. weight_JC, bias_J: of the map; all of one data type.
    """
    return _MeanSquares.apply(h_BPC, weight_JC, bias_J)


class _MeanSquares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, h_BPC: Tensor, weight_JC: Tensor, bias_J: Tensor) -> Tensor:
        mean_BC = h_BPC.mean(1)
        moment_BCC = torch.bmm(h_BPC.transpose(1, 2), h_BPC).div_(h_BPC.shape[1])
        mapped_BCJ = moment_BCC @ weight_JC.t()
        along_BJ = mean_BC @ weight_JC.t()
        ctx.save_for_backward(h_BPC, weight_JC, bias_J, mean_BC, mapped_BCJ, along_BJ)
        return (mapped_BCJ * weight_JC.t()).sum(1) + bias_J * (2 * along_BJ + bias_J)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BJ: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        h_BPC, weight_JC, bias_J, mean_BC, mapped_BCJ, along_BJ = ctx.saved_tensors
        grad_BJ = 2 * grad_BJ
        biased_BJ = grad_BJ * bias_J
        dh_BPC = None
        if ctx.needs_input_grad[0]:  # 2 / P times the sum over j of grad_j (w_j y + b_j) w_j
            of_h_BCC = (weight_JC.t() * grad_BJ.unsqueeze(1)) @ weight_JC
            share = 1 / h_BPC.shape[1]
            dh_BPC = torch.baddbmm((biased_BJ @ weight_JC).unsqueeze(1), h_BPC, of_h_BCC, beta=share, alpha=share)
        dweight_JC = (mapped_BCJ * grad_BJ.unsqueeze(1)).sum(0).t() + biased_BJ.t() @ mean_BC
        return dh_BPC, dweight_JC, (grad_BJ * along_BJ + biased_BJ).sum(0)
