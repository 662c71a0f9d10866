"""Base classes of unsupervised methods; labels are used by a linear readout alone.

The readout is a softmax layer on the blocks' normalised activations (Hinton 2022, Sec. 3.2; the DLR paper, Sec. II-A,
for its place), learnt beside the blocks or after them (``head``). Where it is learnt after them, its scores are those
of its initial weights until then: there is no other way to infer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.methods.base import Batch
from ffrepro.methods.local import NormalisedClassifier
from ffrepro.methods.pairs import PairLearner


class Unlabelled(NormalisedClassifier):
    """Blocks that learn without labels; subclasses define ``update`` and ``block_losses``."""

    def samples(self, x: Tensor) -> Tensor:
        """What the first block learns from, made of a batch's images."""
        return x

    def update(self, index: int, block: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``local.Update``."""
        raise NotImplementedError

    def block_losses(self, x: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Each block's loss for each image, (B,), without learning; draws from ``generator`` only."""
        raise NotImplementedError

    def as_seen(self, x: Tensor) -> Tensor:
        """Images in the form of positive samples, for which the blocks learn a high goodness."""
        return x

    def step(self, batch: Batch) -> Batch:
        """One update of what learns in this phase.

        Returns:
            ``loss`` (summed over layers; in the head's phase the head's), ``loss_layer<l>``, ``loss_head``.
        """
        x, learning = self.images(batch), self.learning()
        loss_head = None
        if self.head_learns:  # before the blocks, so that all layers' activations are gone when these learn
            loss_head = self.learn_head(self.activations(self.as_seen(x)), batch["label"])
        return self.with_head(self.learn_blocks(self.samples(x), learning, self.update) if learning else {}, loss_head)

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``scores_one_pass`` (B, classes): the readout's logits. ``loss`` (B, L), and the readout's once it counts.
            What is random about the blocks' losses is the same in every call.
        """
        out = {"scores_one_pass": self.scores(batch, "one_pass")}
        loss = self.block_losses(self.images(batch), torch.Generator().manual_seed(0))
        if self.head_counts:
            loss.append(F.cross_entropy(out["scores_one_pass"], batch["label"], reduction="none"))
        return out | {"loss": torch.stack(loss, 1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) logits of the readout, whatever the inference scheme."""
        return self.head(self.activations(self.as_seen(self.images(inputs))))


class UnlabelledPairs(PairLearner, Unlabelled):
    """Blocks that learn from unlabelled pairs; subclasses define ``pairs``."""

    def pairs(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Positive samples, and a negative one for each."""
        raise NotImplementedError

    def samples(self, x: Tensor) -> Tensor:
        """Positive samples followed by their negatives."""
        return torch.cat(self.pairs(x, self.generator))

    def block_losses(self, x: Tensor, generator: torch.Generator) -> list[Tensor]:
        """Each pair's loss in each block."""
        h, out = torch.cat(self.pairs(x, generator)), []
        for index, block in self.modes([]):
            h = block(h if index == 0 else self.normalise(h))
            out.append(self.pair_loss(self.goodness(h), h[0].numel()))
        return out
