"""Forward-Forward learning without labels (Hinton 2022, Sec. 3.2; the DLR paper, Sec. II-B a).

An image is positive; its negative is the image mixed with another one by a mask of large patches (``hybrid``, as
Hinton), the image with Gaussian noise (``noise``), or the image with its square patches shuffled (``patches``). The
last two are corruptions of our choice: noise breaks the short-range correlations, shuffling the long-range ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, number
from ffrepro.data import label_negatives
from ffrepro.methods import pairs
from ffrepro.methods.base import Batch
from ffrepro.methods.unlabelled import UnlabelledPairs

VERSION = 1  # of its numbers: tests/golden/ff_unsupervised.json
SETTINGS = {
    "negatives": choice(
        "made from pairs of images, from noise, or from moved patches", "hybrid", "noise", "patches", default="hybrid"
    ),
    "blurs": integer("how often the mask of a hybrid is blurred", 6, minimum=0),
    "noise_std": number("standard deviation of the noise", 0.5, above=0),
    "patch_side": integer("side of a patch, pixels", 14, minimum=1),
    **pairs.SETTINGS,
}


class Method(UnlabelledPairs):
    """Unsupervised FF on a net of blocks, with a linear readout.

    Settings: ``blurs`` of the hybrids' mask, ``noise_std`` in units of the input, ``patch_side`` in pixels.
    Batches: ``x`` (B, C, H, W), of any shape for ``noise``; ``label`` (B,), which only the readout sees.

    Raises:
        FfreproError: samples that are no images, where the negatives need images.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        kind, shape = hyperparameters["negatives"], tuple(example["x"].shape[1:])
        if kind != "noise" and len(shape) != 3:
            raise FfreproError(
                f"negatives of kind {kind} are made from images, and samples have shape {shape}",
                where="method.negatives",
                fix="give images (samples, channels, height, width), or set `negatives` to noise",
            )
        super().__init__(net, hyperparameters, example, generator, lr)

    def pairs(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The images, and their negatives."""
        kind = self.hp["negatives"]
        if kind == "hybrid":
            return x, label_negatives.hybrid_images(x, self.hp["blurs"], generator)
        if kind == "noise":
            return x, label_negatives.add_noise(x, self.hp["noise_std"], generator)
        return x, label_negatives.shuffle_patches(x, self.hp["patch_side"], generator)
