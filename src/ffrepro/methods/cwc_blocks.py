"""Channel-wise competitive learning on the blocks of any cut net (the SFF paper, Sec. 5, "CwC-modified").

The goodness of a class is the mean square of its group of a block's channels, the loss the softmax over the groups
(Sec. 2.3, as in the original CwC); no CFSE, a schedule for each block instead of interleaved training. Where the
channels do not divide by the classes, which the paper leaves open, groups differ by one channel: channel c of C
belongs to class floor(c * J / C). A block of fewer channels than classes cannot learn; ``coarse_blocks`` has the first
blocks learn superclasses (Sec. 2.3.5).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.core import positions
from ffrepro.core.goodness import wide
from ffrepro.methods import local_cuts
from ffrepro.methods.base import Batch
from ffrepro.methods.local_cuts import LocalCuts
from ffrepro.methods.local_cuts import defaults as defaults

VERSION = 1  # of its numbers: tests/golden/cwc_blocks.json
SETTINGS = local_cuts.SETTINGS


class Method(LocalCuts):
    """CwC on a cut net (``nets.cut``). Batches: ``x`` (B, ...), ``label`` (B,).

    Raises:
        FfreproError: see ``LocalCuts``; a block has fewer channels than there are classes.
    """

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator, lr)
        self.means = []
        own = next(self.cut.parameters())
        for block, name in enumerate(self.cut.at):
            channels, classes = self.features(block), self.classes_in(block)
            if channels < classes:
                raise FfreproError(
                    f"{name} has {channels} channels for {classes} classes: no group for each",
                    where="net",
                    fix="choose a wider net, fewer classes, or method sff, which needs no groups",
                )
            self.means.append(
                group_means(channels, classes).to(own.device, torch.promote_types(own.dtype, torch.float32))
            )

    def goodness(self, block: int, h: Tensor) -> Tensor:
        """(B, classes): mean of squares of each group."""
        h = self.laid_out(block, h)
        square = positions.mean_square(h) if h.ndim > 2 else h.to(wide(h)).square()
        return square @ self.means[block]


def group_means(channels: int, classes: int) -> Tensor:
    """(channels, classes): the matrix that takes channels to the means of their groups."""
    group_C = torch.arange(channels) * classes // channels
    member_CJ = torch.nn.functional.one_hot(group_C, classes).float()
    return member_CJ / member_CJ.sum(0)
