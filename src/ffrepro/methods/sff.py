"""Scalable Forward-Forward (Krutsylo 2025, arXiv 2501.03176): blocks that learn through auxiliary maps.

A small convolution on a block's activations gives a map for each class; its mean over the positions is the class's
goodness (Sec. 4.1), and -(g+ - log sum exp g) is the block's loss (Sec. 4.2), the cross-entropy of the goodness. The
block and its auxiliary map learn from it by AdamW. No gradient crosses a cut; layer norm after a block (Sec. 3) takes
the length of the activations, which the goodness has used, from what goes on. Classes are read off the mean goodness of
all blocks (Sec. 4.4, ``ensemble``), of the last one (``last``) or off the net's own last layers, which learn from
detached activations (``head``).

The paper leaves open what the mean is taken of; ``goodness`` names the readings. Of what it names to reduce the cost
of auxiliary maps (Sec. 6), ``aux_sharing`` shares them, ``aux_pool`` averages before them and ``aux_keep`` prunes them;
``coarse_blocks`` has the first blocks learn superclasses (Sec. 5).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ffrepro.base.settings import choice, integer, number
from ffrepro.methods import local_cuts
from ffrepro.methods.local_cuts import LocalCuts
from ffrepro.methods.local_cuts import defaults as defaults
from ffrepro.nets.auxiliary import Auxiliary

VERSION = 1  # of its numbers: tests/golden/sff.json
SETTINGS = {
    "goodness": choice(
        "of a class, Z being the auxiliary map's output and Y its input: the mean of Z^2, of Z, or of aux(Y^2)",
        "mean_sq",
        "mean",
        "aux_of_sq",
        default="mean_sq",
    ),
    "aux_kernel": integer("side of the auxiliary convolutions", 1, minimum=1),
    "aux_sharing": choice(
        "auxiliary maps: one for each block, or one for all blocks with as many channels",
        "none",
        "channels",
        default="none",
    ),
    "aux_keep": number(
        "share of its channels that an auxiliary map reads after the first epoch, those with the largest weights; "
        "1: all",
        1.0,
        above=0,
        maximum=1,
    ),
    "aux_pool": integer("side to which maps are averaged before the auxiliary map; 0: not averaged", 0, minimum=0),
    **local_cuts.SETTINGS,
}


class Method(LocalCuts):
    """SFF on a cut net (``nets.cut``). Batches: ``x`` (B, ...), ``label`` (B,).

    Raises:
        FfreproError: see ``LocalCuts``; activations without an auxiliary map.
    """

    def beside(self, generator: torch.Generator) -> dict[str, nn.Module]:
        """An auxiliary map for each block, or for all with as many channels and classes to tell apart."""
        hp = self.hp
        made: dict[Any, Auxiliary] = {}
        maps = []
        for block in range(self.layers):
            shape = self.shape(block)
            alike = (len(shape), self.features(block), self.classes_in(block))
            key = alike if hp["aux_sharing"] == "channels" else block
            if key not in made:
                made[key] = Auxiliary(
                    shape,
                    self.classes_in(block),
                    kernel=hp["aux_kernel"],
                    reading=hp["goodness"],
                    pool=hp["aux_pool"],
                    generator=generator,
                    prunable=hp["aux_keep"] < 1,
                )
            maps.append(made[key])
        self.maps = nn.ModuleList(maps)
        self._several = {id(one) for one in maps if maps.count(one) > 1}
        return {"auxiliary": self.maps}

    def beside_block(self, block: int) -> list[nn.Parameter]:
        """The block's auxiliary map, unless others share it."""
        return [] if id(self.maps[block]) in self._several else list(self.maps[block].parameters())

    def shared(self) -> list[nn.Parameter]:
        """The auxiliary maps of several blocks."""
        return [p for one in dict.fromkeys(self.maps) if id(one) in self._several for p in one.parameters()]

    def end_epoch(self, train: dict[str, float], val: dict[str, float]) -> None:
        """Also prunes the auxiliary maps, once, after the first epoch."""
        super().end_epoch(train, val)
        for one in dict.fromkeys(self.maps) if self.hp["aux_keep"] < 1 else ():
            if bool(one.kept.all()):
                one.prune(self.hp["aux_keep"])

    def goodness(self, block: int, h: Tensor) -> Tensor:
        """(B, classes) of the block's auxiliary map."""
        return self.maps[block](self.laid_out(block, h))
