"""Scalable Forward-Forward (Krutsylo 2025, arXiv 2501.03176): blocks that learn through auxiliary maps.

A small convolution on a block's activations gives a map for each class; its mean over the positions is the class's
goodness (Sec. 4.1), and -(g+ - log sum exp g) is the block's loss (Sec. 4.2), the cross-entropy of the goodness. The
block and its auxiliary map learn from it by AdamW. No gradient crosses a cut; layer norm after a block (Sec. 3) takes
the length of the activations, which the goodness has used, from what goes on. Classes are read off the mean goodness of
all blocks (Sec. 4.4, ``ensemble``), of the last one (``last``) or off the net's own last layers, which learn from
detached activations (``head``).

The paper leaves open what the mean is taken of; ``goodness`` names the readings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ffrepro.base.settings import choice, integer
from ffrepro.methods import local_cuts
from ffrepro.methods.local_cuts import LocalCuts
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
    "aux_pool": integer("side to which maps are averaged before the auxiliary map; 0: not averaged", 0, minimum=0),
    **local_cuts.SETTINGS,
}


class Method(LocalCuts):
    """SFF on a cut net (``nets.cut``). Batches: ``x`` (B, ...), ``label`` (B,).

    Raises:
        FfreproError: see ``LocalCuts``; activations without an auxiliary map.
    """

    def beside(self, generator: torch.Generator) -> dict[str, nn.Module]:
        """An auxiliary map for each block."""
        hp = self.hp
        self.maps = nn.ModuleList(
            Auxiliary(
                shape,
                self.classes,
                kernel=hp["aux_kernel"],
                reading=hp["goodness"],
                pool=hp["aux_pool"],
                generator=generator,
            )
            for shape in self.anatomy.shapes
        )
        return {"auxiliary": self.maps}

    def beside_block(self, block: int) -> list[nn.Parameter]:
        """The block's auxiliary map."""
        return list(self.maps[block].parameters())

    def goodness(self, block: int, h: Tensor) -> Tensor:
        """(B, classes) of the block's auxiliary map."""
        return self.maps[block](h)
