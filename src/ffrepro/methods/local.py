"""What the local image classifiers share: an optimizer a layer, phases, and a softmax head that sends nothing back.

One-pass inference (the DLR paper, Sec. II-A) reads the class off a softmax layer on the blocks' activities. It is
learnt beside the blocks (``head: concurrent``), or afterwards on the frozen ones, in a phase of its own whose time
the record then shows apart (``head: after``).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.methods.base import BaseMethod, Batch, Phase

HEAD = "head"
HYPERPARAMETERS = frozenset({"update", "gradient", "head", "head_epochs", "weight_decay"})


class LocalClassifier(BaseMethod):
    """Blocks with an optimizer each, and a head.

    Args:
        head: a module that maps the blocks' activities (a list, bottom up) to logits (B, classes).
    """

    def __init__(self, net: nn.Module, hyperparameters: dict, head: nn.Module, lr: float):
        super().__init__(net, hyperparameters)
        self.layers = len(net.blocks)
        self.head = head
        self.phase: str | None = None  # None: outside training; everything there is counts as learnt
        self.conv = any(p.ndim == 4 for p in net.parameters())
        if self.conv:
            net.to(memory_format=torch.channels_last)
        for block in net.blocks:
            self.add_optimizer(block.parameters(), lr, hyperparameters["weight_decay"])
        self.add_optimizer(head.parameters(), lr, hyperparameters["weight_decay"])

    def phases(self) -> list[Phase]:
        """All layers at once or, ``greedy``, one after the other; then the head, if it comes after."""
        greedy = self.hp["update"] == "greedy"
        phases = [Phase(f"layer{index}") for index in range(self.layers)] if greedy else [Phase()]
        if self.hp["head"] == "after":
            phases.append(Phase(HEAD, epochs=self.hp["head_epochs"]))
        return phases

    def begin_phase(self, phase: Phase) -> None:
        """From here on only this phase's layers learn."""
        self.phase = phase.name

    @property
    def head_learns(self) -> bool:
        """In this phase."""
        return self.phase == HEAD or self.hp["head"] == "concurrent"

    @property
    def head_counts(self) -> bool:
        """Whether the head's predictions mean anything yet."""
        return self.phase in (HEAD, None) or self.hp["head"] == "concurrent"

    def learning(self) -> list[int]:
        """The layers that learn in this phase."""
        if self.phase == HEAD:
            return []
        if self.phase is not None and self.phase.startswith("layer"):
            return [int(self.phase.removeprefix("layer"))]
        return list(range(self.layers))

    def images(self, batch: Batch) -> Tensor:
        """The batch's input in the memory format that the blocks are fastest with."""
        x = batch["x"]
        return x.contiguous(memory_format=torch.channels_last) if self.conv and x.ndim == 4 else x

    def learn_head(self, activities: list[Tensor], label_B: Tensor) -> Tensor:
        """One update of the head on activities without a graph; its mean cross-entropy."""
        self.head.train()
        optimizer = self.optimizers[-1]
        optimizer.zero_grad()
        with torch.enable_grad():
            loss = F.cross_entropy(self.head(activities), label_B)
            loss.backward()
        optimizer.step()
        return loss.detach()

    def modes(self, training: list[int]) -> Iterator[tuple[int, nn.Module]]:
        """(index, block) bottom up, those in ``training`` in training mode, the others in evaluation mode."""
        for index, block in enumerate(self.net.blocks):
            yield index, block.train(index in training)

    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) under an inference scheme: a name that ``observe`` gives with ``scores_`` before it."""
        return self.observe(inputs)[f"scores_{inference}"]
