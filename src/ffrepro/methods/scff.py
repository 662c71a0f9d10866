"""Self-contrastive Forward-Forward learning (SCFF, Chen et al. 2024, arXiv 2409.11593; the DLR paper, Sec. II-B a).

An image paired with itself is positive, paired with another image of the batch negative. SCFF joins the two images
and gives both the same weights, W x + W x' + b; that is a layer on their sum, and a sum is what is used here, so that
the net keeps its input. Later layers see the normalised activations of the layer below, as everywhere here; the
readout sees those of every image paired with itself.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ffrepro.data import label_negatives
from ffrepro.methods import pairs
from ffrepro.methods.unlabelled import UnlabelledPairs

VERSION = 1  # of its numbers: tests/golden/scff.json
SETTINGS = pairs.SETTINGS


class Method(UnlabelledPairs):
    """SCFF on a net of blocks, with a linear readout.

    Batches: ``x`` (B, C, H, W), ``label`` (B,), which only the readout sees.
    """

    def pairs(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Each image with itself, and each with another one."""
        return label_negatives.self_contrastive(x, generator)

    def as_seen(self, x: Tensor) -> Tensor:
        """Each image with itself."""
        return x + x
