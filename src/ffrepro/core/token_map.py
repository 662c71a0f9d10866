"""A linear map of tokens that learns by itself by class competition: its gradient in closed form, without autograd.

``y = x W' + b``; the units of ``y`` are divided among the classes, a class's goodness is the mean square of its
rectified units over a text's tokens, and the cross-entropy of the softmax over the classes' goodness is the loss (CwC,
Papachristodoulou et al. 2024, carried over to tokens). So ``d y = a relu(y)`` with a factor ``a`` for each text and
class, ``d W = d y' x`` is the one product beside the forward one, and no gradient with respect to ``x`` is formed. The
losses of texts are independent: a batch may be worked on a few texts at a time.

A layer norm in front of the map, ``x = gamma n + beta``, is folded into it: ``W gamma`` and ``b + W beta`` are applied
to ``n``, and the gradients of all four are read off that of the folded weight.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Map(NamedTuple):
    """Weight (O, I) and bias (O,) that are applied, their gradients (summed up text after text), and ``parts``.

    A map with several parts (queries, keys and values) divides the units of each among the classes.
    """

    weight: Tensor
    bias: Tensor
    d_weight: Tensor
    d_bias: Tensor
    parts: int = 1


def folded(weight_OI: Tensor, bias_O: Tensor, gamma_I: Tensor, beta_I: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias of a map with a layer norm's weights in it: what it is to apply to ``n``."""
    return weight_OI * gamma_I, bias_O + weight_OI @ beta_I


def fold(weight_OI: Tensor, bias_O: Tensor, gamma_I: Tensor | None, beta_I: Tensor | None, parts: int = 1) -> Map:
    """The map with a layer norm's weights in it, and zeros for its gradients; without ``gamma`` the map itself."""
    if gamma_I is not None and beta_I is not None:
        weight_OI, bias_O = folded(weight_OI, bias_O, gamma_I, beta_I)
    return Map(weight_OI, bias_O, torch.zeros_like(weight_OI), torch.zeros_like(bias_O), parts)


def unfold(folded: Map, weight_OI: Tensor, gamma_I: Tensor, beta_I: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the weight, of gamma and of beta; that of the bias is the folded one's."""
    d_gamma_I = (weight_OI * folded.d_weight).sum(0)
    d_beta_I = folded.d_bias @ weight_OI
    return torch.addr(folded.d_weight * gamma_I, folded.d_bias, beta_I), d_gamma_I, d_beta_I


def goodness(h_NO: Tensor, sample_N: Tensor, count_B: Tensor, classes: int, parts: int = 1) -> Tensor:
    """Goodness (B, classes) of rectified outputs.

    Args:
        h_NO: relu(y). sample_N: the text of each token. count_B: tokens of each text.
    """
    square_NC = torch.linalg.vector_norm(_by_class(h_NO, classes, parts), dim=(1, 3)).square_()
    total_BC = h_NO.new_zeros(len(count_B), classes).index_add_(0, sample_N, square_NC)
    return total_BC / (count_B.unsqueeze(1) * (h_NO.shape[1] // classes))


def slope(g_BC: Tensor, label_B: Tensor, steepness: float, batch: int) -> tuple[Tensor, Tensor]:
    """Losses (B,) of texts, and the derivative of their sum / ``batch`` with respect to the goodness, (B, classes)."""
    log_BC = F.log_softmax(steepness * g_BC, 1)
    loss_B = -log_BC.gather(1, label_B.unsqueeze(1)).squeeze(1)
    d_BC = log_BC.exp_()
    d_BC[torch.arange(len(d_BC), device=d_BC.device), label_B] -= 1
    return loss_B, d_BC.mul_(steepness / batch)


def factor(slope_BC: Tensor, sample_N: Tensor, count_B: Tensor, units: int) -> Tensor:
    """What rectified outputs are to be multiplied with to get the gradient of ``y``, (N, classes).

    Args:
        units: outputs of the map.
    """
    share_B1 = (2 * slope_BC.shape[1] / units / count_B.to(slope_BC.dtype)).unsqueeze(1)
    return (slope_BC * share_B1).index_select(0, sample_N)


def learn(own: Map, x_NI: Tensor, h_NO: Tensor, factor_NC: Tensor) -> None:
    """Add a few texts' part to the gradients of a map.

    Args:
        x_NI: what the map was applied to. h_NO: relu(y), overwritten with the gradient of ``y``.
        factor_NC: see ``factor``.
    """
    d_NPCU = _by_class(h_NO, factor_NC.shape[1], own.parts)
    d_NPCU.mul_(factor_NC[:, None, :, None])
    own.d_weight.addmm_(h_NO.t(), x_NI)
    own.d_bias.addmv_(h_NO.t(), h_NO.new_ones(len(h_NO)))


def _by_class(h_NO: Tensor, classes: int, parts: int) -> Tensor:
    """(N, parts, classes, units)."""
    return h_NO.view(len(h_NO), parts, classes, -1)
