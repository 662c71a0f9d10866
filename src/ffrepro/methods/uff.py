"""Unsupervised Forward-Forward cells (UFF, Hwang et al. 2024, arXiv 2404.14664; the DLR paper, Sec. II-B).

In the place of a layer stands a cell: a small unsupervised model that learns from an ordinary loss, whose latent
vector is the next cell's input; a classifier reads the latents of all cells. No gradient crosses a cell's boundary.
The DLR paper gives no more than that. Our reading of the two cells it names, on fully connected nets:

``autoencoder``: the block encodes the cell's input, a linear decoder brings it back; mean squared error.
``gan``: a generator (noise, a hidden layer as wide as the block, ReLU, a linear map, and for the cells above the
first what their real inputs went through, ReLU and normalisation) makes cell inputs, the block with a linear map on
top tells them from real ones; both learn from the usual cross-entropies (the generator from the
non-saturating one). The cell's latent is the discriminator's hidden layer: of the two parts of a GAN only that one
maps an input to features.

Latents lose their length on the way to the next cell, as in FF (UFF uses layer normalisation).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, only
from ffrepro.methods import images, local
from ffrepro.methods.base import Batch
from ffrepro.methods.unlabelled import Unlabelled
from ffrepro.nets.layers import initialise

VERSION = 1  # of its numbers: tests/golden/uff.json
SETTINGS = {
    "cell": choice("the unsupervised model in a layer's place", "autoencoder", "gan", default="autoencoder"),
    "noise_size": integer("numbers that the GAN's generator starts from", 32, minimum=1),
    **{name: local.SETTINGS[name] for name in ("update", "gradient", "norm", "norm_epsilon")},
    "head": local.SETTINGS["head"],
    "head_epochs": local.SETTINGS["head_epochs"],
    "weight_decay": local.SETTINGS["weight_decay"],
} | {"gradient": only(local.SETTINGS["gradient"], "autograd", default="autograd")}


class Method(Unlabelled):
    """UFF on a net of fully connected blocks, with a linear readout of all of them.

    Settings: ``noise_size``, numbers that the GAN's generator starts from.
    Batches: ``x`` (B, C, H, W), ``label`` (B,), which only the readout sees.

    Raises:
        FfreproError: the net has convolutions.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        if images.has_convolutions(net):
            raise FfreproError("the cells of uff are fully connected, this net has convolutions", fix="use net mlp")
        sizes = [math.prod(example["x"].shape[1:]), *(math.prod(shape) for shape in net.shapes)]
        self.cells = []
        for size, hidden in pairwise(sizes):
            if hyperparameters["cell"] == "autoencoder":
                cell = nn.Linear(hidden, size)
            else:
                noise = hyperparameters["noise_size"]
                generate = nn.Sequential(nn.Linear(noise, hidden), nn.ReLU(), nn.Linear(hidden, size))
                cell = nn.ModuleDict({"generate": generate, "judge": nn.Linear(hidden, 1)})
            initialise(cell, "torch_default", generator)
            self.cells.append(cell.to(example["x"]))
        auxiliary = dict(enumerate(self.cells))
        super().__init__(net, hyperparameters, example, generator, lr, readouts=("all",), auxiliary=auxiliary)

    def update(self, index: int, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """A cell's update; see ``local.Update``."""
        with torch.enable_grad():
            h, loss_B = self._cell(index, block, x, self.generator)
            loss_B.mean().backward()
        return h.detach(), loss_B.detach().mean()

    def block_losses(self, x: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Each cell's loss for each image."""
        out = []
        for index, block in self.modes([]):
            h, loss_B = self._cell(index, block, x, generator)
            out.append(loss_B)
            x = self.normalise(h)
        return out

    def _cell(self, index: int, block: nn.Module, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents (B, hidden) and losses (B,) of one cell; a graph where gradients are on."""
        cell, h = self.cells[index], block(x)
        if self.hp["cell"] == "autoencoder":
            return h, (cell(h) - x.flatten(1)).square().mean(1)
        noise = torch.randn(len(x), self.hp["noise_size"], generator=generator).to(x)
        fake = cell["generate"](noise)
        if index > 0:
            fake = self.normalise(F.relu(fake))
        real_B, fake_B = cell["judge"](h).squeeze(1), cell["judge"](block(fake.detach())).squeeze(1)
        loss_B = F.softplus(-real_B) + F.softplus(fake_B)
        if torch.is_grad_enabled():
            # The generator's own loss reaches it through the discriminator, and changes nothing there.
            fooled = F.softplus(-cell["judge"](block(fake)).squeeze(1)).mean()
            parameters = list(cell["generate"].parameters())
            for parameter, slope in zip(parameters, torch.autograd.grad(fooled, parameters), strict=True):
                parameter.grad = slope
        return h, loss_B
