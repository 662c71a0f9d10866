"""Auxiliary maps: from a block's activations to the goodness of every class (the SFF paper, Sec. 4.1 to 4.3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.core import positions
from ffrepro.core.goodness import wide
from ffrepro.core.mapped_goodness import cheaper, mean_squares
from ffrepro.nets.layers import initialise

READINGS = ("mean_sq", "mean", "aux_of_sq")


class Auxiliary(nn.Module):
    """A linear map or convolution with an output for each class, and the mean of what it gives over the positions.

    Args:
        shape: of the activations Y, without the batch: (D,), (positions, D) of tokens, (D, H, W) of a map.
        classes: how many.
        kernel: side of the convolution, odd; of no meaning where there are no positions.
        reading: what the goodness is, Z = aux(Y) being the map's output: ``mean_sq``, the mean of Z^2 (how the author
            describes it elsewhere, second-hand); ``mean``, the mean of Z (the SFF paper, Sec. 4.1); ``aux_of_sq``, the
            mean of aux(Y^2) (one reading of Sec. 4.3, step 2).
        pool: side to which maps are averaged before; 0: not at all. With 1 and a kernel of 1 the reading ``mean`` stays
            the same function.
        generator: source of the initial weights.

    Attributes:
        kept: (D,), the channels that the map reads; all, until ``prune`` is called. None: of a map that is not pruned.

    Raises:
        FfreproError: activations of another kind.
    """

    kept: Tensor | None

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        *,
        kernel: int,
        reading: str,
        pool: int,
        generator: torch.Generator,
        prunable: bool = False,
    ):
        super().__init__()
        if len(shape) not in (1, 2, 3):
            raise FfreproError(
                f"activations of shape {shape} have no auxiliary map",
                where="at",
                fix="cut where activations are (features,), (tokens, features) or (channels, height, width)",
            )
        self.reading, self.pool, self.kernel = reading, pool, kernel
        self.map: nn.Linear | nn.Conv2d
        if len(shape) == 3:
            self.map = nn.Conv2d(shape[0], classes, kernel, padding=kernel // 2)
        else:
            self.map = nn.Linear(shape[-1], classes)
        initialise(self.map, "torch_default", generator)
        channels = self.map.weight.shape[1]
        self.register_buffer("kept", torch.ones(channels, dtype=torch.bool) if prunable else None)
        self._read: Tensor | None = None  # positions of the channels that are left; None: all, or not known yet

    @torch.no_grad()
    def prune(self, share: float) -> None:
        """Read only this share of the channels from now on, at least one: those with the largest weights.

        A channel's weights are those to all classes and places of the kernel, by the sum of their squares.
        """
        assert self.kept is not None
        size_D = self.map.weight.transpose(0, 1).flatten(1).square().sum(1)
        best = size_D.topk(max(1, round(share * len(size_D)))).indices
        self.kept.zero_()
        self.kept[best] = True
        self._read = None

    def _load_from_state_dict(self, *args: Any, **named: Any) -> None:
        super()._load_from_state_dict(*args, **named)
        self._read = None

    def _pruned(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The channels of the activations that are read, and the map's weights on them."""
        weight = self.map.weight
        if self.kept is None:
            return h, weight
        if self._read is None:
            self._read = self.kept.nonzero().squeeze(1)
        if len(self._read) == len(self.kept):
            return h, weight
        weight = weight.index_select(1, self._read)
        if h.ndim == 4 and h.is_contiguous(memory_format=torch.channels_last):  # and so is what is left of it
            return h.permute(0, 2, 3, 1).index_select(3, self._read).permute(0, 3, 1, 2), weight
        return h.index_select(1 if h.ndim == 4 else -1, self._read), weight

    def forward(self, h: Tensor) -> Tensor:
        """Goodness (B, classes)."""
        h, weight = self._pruned(h)
        if h.ndim == 4 and self.pool:
            h = F.adaptive_avg_pool2d(h, self.pool)
        if self.reading == "aux_of_sq":
            h = h.square()
        if self.reading != "mean_sq" and (h.ndim != 4 or self.kernel == 1):
            # linear: the mean of the map is the map of the mean
            return F.linear(positions.mean_laid_out(h), weight.flatten(1), self.map.bias)
        if h.ndim == 4 and self.kernel == 1 and h.is_contiguous(memory_format=torch.channels_last):
            h = h.permute(0, 2, 3, 1).flatten(1, 2)  # positions as those of tokens: a product is faster, with no copy
        if self.reading == "mean_sq" and h.ndim == 3 and cheaper(*h.shape[1:], len(weight)) and not _mixed(h, weight):
            return mean_squares(h, weight.flatten(1), self.map.bias)
        if h.ndim == 4:
            z = F.conv2d(h, weight, self.map.bias, padding=self.kernel // 2)
        else:
            z = F.linear(h, weight.flatten(1), self.map.bias)
        if self.reading == "mean_sq":
            z = z.to(wide(z)).square()
        return positions.mean(z)


def _mixed(h: Tensor, weight: Tensor) -> bool:
    """Whether products are made in fewer digits than the weights have: too few for second moments."""
    return (
        h.dtype != weight.dtype
        or h.dtype not in (torch.float32, torch.float64)
        or torch.is_autocast_enabled(h.device.type)
    )
