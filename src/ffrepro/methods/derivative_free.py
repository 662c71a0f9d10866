"""Common parts of the methods that learn from losses alone: the whole net and its readout as a function of a vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ffrepro.methods import images
from ffrepro.methods.base import BaseMethod, Batch, classes_of
from ffrepro.nets.layers import initialise


class _Whole(nn.Module):
    """A net with its readout; one that has a head of its own needs none."""

    def __init__(self, net: nn.Module, readout: nn.Module | None):
        super().__init__()
        self.net, self.readout = net, readout

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        out = self.net(x)
        return out if self.readout is None else self.readout(out.flatten(1))


class DerivativeFree(BaseMethod):
    """A classifier whose cross-entropy is a function of one vector, all trainable parameters.

    The net is in evaluation mode throughout: losses of two vectors differ by the vectors alone, not by dropout, and the
    running statistics of batch normalisation stay as they are. Batches: ``x``, ``label`` (B,).
    """

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch, generator: torch.Generator):
        super().__init__(net, hyperparameters)
        self.conv = images.lay_out(net)
        net.eval()
        readout = None
        if getattr(net, "head", None) is None:
            with torch.no_grad():
                features_BF = net(images.take(example, self.conv)[:1]).flatten(1)
            readout = nn.Linear(features_BF.shape[1], classes_of(net))
            initialise(readout, "torch_default", generator)
            readout = readout.to(features_BF)
            self.extra = nn.ModuleDict({"readout": readout})
        self.whole = _Whole(net, readout)
        self.names = [name for name, p in self.whole.named_parameters() if p.requires_grad]
        self.parameters = [p for p in self.whole.parameters() if p.requires_grad]
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))

    def vector(self) -> Tensor:
        """A copy of all trainable parameters, (D,)."""
        return torch.cat([p.detach().flatten() for p in self.parameters])

    def load_vector(self, vector_D: Tensor) -> None:
        """Set the trainable parameters."""
        for parameter, part in zip(self.parameters, self.parts(vector_D), strict=True):
            parameter.data.copy_(part)

    def parts(self, vector_D: Tensor) -> list[Tensor]:
        """The vector as tensors of the parameters' shapes."""
        pieces = vector_D.split([p.numel() for p in self.parameters])
        return [piece.view_as(p) for piece, p in zip(pieces, self.parameters, strict=True)]

    def loss(self, vector_D: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy of a batch under a parameter vector."""
        weights = dict(zip(self.names, self.parts(vector_D), strict=True))
        logits_BJ = functional_call(self.whole, weights, (images.take(batch, self.conv),))
        return F.cross_entropy(logits_BJ, batch["label"])

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``scores_one_pass`` (B, classes): logits. ``loss`` (B, 1)."""
        logits_BJ = self.whole(images.take(batch, self.conv))
        loss_B = F.cross_entropy(logits_BJ, batch["label"], reduction="none")
        return {"scores_one_pass": logits_BJ, "loss": loss_B.unsqueeze(1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) logits, whatever the inference scheme."""
        return self.whole(images.take(inputs, self.conv))

    @torch.no_grad()
    def features(self, batch: Batch) -> Tensor:
        """(B, F): what the readout reads, for a linear probe."""
        return self.whole.net(images.take(batch, self.conv)).flatten(1)

    def state_dict(self) -> dict:
        """Weights, optimizers and the generator of the noise."""
        return super().state_dict() | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        super().load_state_dict(state)
        self.generator.set_state(state["generator"])
