"""Evolution strategy: Adam on a gradient that is estimated from losses at randomly moved parameters.

What the transformer paper calls EvoGrad ("evolutionary strategies (EvoGrad)", Sec. 1) without a source of that name:
the estimator of Salimans et al. 2017, for which Uber AI's library EvoGrad (2019) was made.
"""

from __future__ import annotations

import torch
from torch import nn

from ffrepro.base.settings import integer, number
from ffrepro.core import evolution
from ffrepro.methods.base import Batch
from ffrepro.methods.derivative_free import DerivativeFree

VERSION = 1  # of its numbers: tests/golden/evolution.json
SETTINGS = {
    "sigma": number("standard deviation of the noise on each parameter", 0.02, above=0),
    "pairs": integer("mirrored pairs of evaluations a step", 25, minimum=1),
    "weight_decay": number("Adam's L2 penalty", 0.0, minimum=0),
}


class Method(DerivativeFree):
    """One step: 2 * ``pairs`` forward passes, and Adam."""

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator)
        self.add_optimizer(self.parameters, lr, hyperparameters["weight_decay"])

    @torch.no_grad()
    def step(self, batch: Batch) -> Batch:
        """One update; ``loss`` is the mean cross-entropy of the moved parameters."""
        found = evolution.gradient(
            lambda vector_D: self.loss(vector_D, batch), self.vector(),
            sigma=self.hp["sigma"], pairs=self.hp["pairs"], generator=self.generator,
        )  # fmt: skip
        for parameter, part in zip(self.parameters, self.parts(found.gradient), strict=True):
            parameter.grad = part
        self.optimizers[0].step()
        self.optimizers[0].zero_grad()
        return {"loss": found.loss}
