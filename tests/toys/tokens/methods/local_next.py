"""Every block foretells the next token by a readout of its own, and sends no gradient down."""

import torch
from torch.nn import functional as F

from ffrepro.base.settings import number
from ffrepro.methods.base import BaseMethod

SETTINGS = {"weight_decay": number("L2 penalty", 0.0, minimum=0)}


class Method(BaseMethod):
    """Batches: ``token`` and ``next`` (B, T)."""

    def __init__(self, net, hyperparameters, example, generator, lr):
        super().__init__(net, hyperparameters)
        for block, readout in zip(net.blocks, net.readouts, strict=True):
            self.add_optimizer([*block.parameters(), *readout.parameters()], lr, hyperparameters["weight_decay"])

    def step(self, batch):
        """One update of every block."""
        out = {}
        for layer, (loss_BT, _) in enumerate(self._foretell(batch)):
            self.optimizers[layer].zero_grad()
            loss_BT.mean().backward()
            self.optimizers[layer].step()
            out[f"loss_layer{layer}"] = loss_BT.detach().mean()
        return {"loss": out[f"loss_layer{self.layers - 1}"], **out}

    @torch.no_grad()
    def evaluate_batch(self, batch):
        """``loss`` (B, L) a token, and ``right`` (B,), the share of tokens that the last block foretells."""
        found = list(self._foretell(batch))
        right_BT = found[-1][1].argmax(-1) == batch["next"]
        return {"loss": torch.stack([loss_BT.mean(1) for loss_BT, _ in found], 1), "right": right_BT.double().mean(1)}

    def _foretell(self, batch):
        h = batch["token"]
        for block, readout in zip(self.net.blocks, self.net.readouts, strict=True):
            h = block(h.detach())
            logits_BTJ = readout(h)
            yield (
                F.cross_entropy(logits_BTJ.flatten(0, 1), batch["next"].flatten(), reduction="none").view(
                    batch["next"].shape
                ),
                logits_BTJ,
            )
