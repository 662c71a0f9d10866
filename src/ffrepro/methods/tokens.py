"""Base classes of the methods for nets of tokens (``nets.transformer``)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ffrepro.methods.base import BaseMethod, Batch
from ffrepro.nets.transformer import Layout


class TokenMethod(BaseMethod):
    """A net of tokens, a CPU generator for what is drawn in training, features for a linear probe.

    Batches hold ``x`` (B, T), token ids with 0 behind the end; of classification ``label`` (B,) and ``index`` (B,).
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator):
        super().__init__(net, hyperparameters)
        self.device = example["x"].device
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))

    @torch.no_grad()
    def features(self, batch: Batch) -> Tensor:
        """(B, layers * width): each block's normalised activations, averaged over tokens, under the neutral label.

        The label stands in the first place alone. A block gets what it gets in training.
        """
        start_ND, layout = self.net.embed(batch["x"].long())
        z_ND = start_ND
        found = [] if len(self.net.blocks) else [layout.mean(_normalised(z_ND))]
        for block in self.net.blocks:
            z_ND = block(start_ND if self.hp.get("pass_on") == "nothing" else z_ND, layout)
            found.append(layout.mean(_normalised(z_ND)))
        return torch.cat(found, 1)

    def state_dict(self) -> dict:
        """State of the base class and the generator."""
        return super().state_dict() | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        super().load_state_dict(state)
        self.generator.set_state(state["generator"])

    def run(self, block: nn.Module, z_ND: Tensor, layout: Layout, drops: list[Tensor | None] | None) -> Tensor:
        """A block's activations in training; with ``checkpoint`` its backward pass recomputes what is in between."""
        if self.hp.get("checkpoint") and torch.is_grad_enabled():
            return checkpoint(block, z_ND, layout, drops, use_reentrant=False, preserve_rng_state=False)
        return block(z_ND, layout, drops)


class LocalTokenMethod(TokenMethod):
    """Blocks with an optimizer each; the first one's block has the embedding too."""

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator)
        for index, block in enumerate(net.blocks):
            self.add_optimizer([*net.entering(index), *block.parameters()], lr, hyperparameters["weight_decay"])

    def draw(self, block: nn.Module, z_ND: Tensor, copies: int = 1) -> list[Tensor | None]:
        """Dropout factors of a block; the same for each of several copies of a batch, one behind the other."""
        some = z_ND[: len(z_ND) // copies]
        drops = block.draw(some, self.generator)
        return [drop if drop is None or copies == 1 else drop.repeat(copies, 1) for drop in drops]


def _normalised(z_ND: Tensor) -> Tensor:
    return F.layer_norm(z_ND, z_ND.shape[1:])
