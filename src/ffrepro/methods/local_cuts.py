"""Base class of the methods that give every block of a cut net a loss of its own.

``run: fast``: the losses of all blocks are collected in one forward pass, one backward pass and one fused optimizer's
step follow. ``run: low_memory``: a block's backward pass and step come before the next block runs, so that only one
block's activations are kept. Both give the same numbers: what a step changes is not read again in the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, list_of
from ffrepro.core import positions
from ffrepro.methods import cuts
from ffrepro.methods.base import Batch
from ffrepro.methods.cuts import HEAD, CutMethod
from ffrepro.nets.cut import Cut
from ffrepro.nets.layers import initialise

SETTINGS = {
    "run": choice("a step: one backward pass for all, or block by block", "fast", "low_memory", default="fast"),
    "head": choice(
        "what learns on detached activations: the net's own last layers, a linear map on all blocks, nothing",
        "own",
        "all",
        "none",
        default="own",
    ),
    "ensemble": list_of(
        integer("", minimum=0), "blocks whose goodness is averaged, from 0; []: all", [], distinct=True
    ),
    "coarse_blocks": integer(
        "first blocks that learn superclasses of the classes, where a set has these", 0, minimum=0
    ),
    **cuts.SETTINGS,
}
SHARED = "shared"  # the name, as a part, of what learns with several blocks
Read = Callable[[int, Tensor], Tensor]
"""(index of a block, its activations) -> what is read off them."""


class LocalCuts(CutMethod):
    """Blocks with a goodness of every class each, whose cross-entropy is their loss; a head on detached activations.

    Subclasses call ``add_blocks`` and define ``goodness``. Batches: ``x`` (B, ...), ``label`` (B,).

    Raises:
        FfreproError: see ``CutMethod``; no own head to learn; ``ensemble`` names blocks that are not there.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example)
        self.fast = hyperparameters["run"] == "fast"
        self.chosen = list(hyperparameters["ensemble"]) or list(range(self.layers))
        if max(self.chosen) >= self.layers:
            raise FfreproError(
                f"block {max(self.chosen)} of a net of {self.layers}",
                where="method.ensemble",
                fix=f"name blocks from 0 to {self.layers - 1}",
            )
        self.coarse = hyperparameters["coarse_blocks"]
        self.above_J = self._superclasses(net) if self.coarse else None
        own = next(self.cut.parameters())
        self.extra = nn.ModuleDict(self.beside(generator)).to(own.device, own.dtype)
        if hyperparameters["head"] == "own":
            self.require_outputs()
            head = self.anatomy.parameters[-1]
            if not head:
                raise FfreproError(
                    "there is nothing to learn behind the last block",
                    where="method.head",
                    fix="set `head` to all (a linear map on all blocks) or none",
                )
        elif hyperparameters["head"] == "all":
            features = [self.features(block) for block in range(self.layers)]
            readout = nn.Linear(sum(features), self.classes)
            initialise(readout, "torch_default", generator)
            self.extra["head"] = readout.to(own.device, own.dtype)
            head = list(readout.parameters())
        else:
            head = []
        parts = {
            layer(block): [*own, *self.beside_block(block)]
            for block, own in enumerate(self.anatomy.parameters[: self.layers])
        }
        parts |= ({SHARED: self.shared()} if self.shared() else {}) | ({HEAD: head} if head else {})
        self.add_parts(parts, lr, together=self.fast)

    def _superclasses(self, net: nn.Module) -> Tensor:
        """(classes,): the superclass of each class.

        Raises:
            FfreproError: the net knows of none, or has fewer blocks.
        """
        above = getattr(net, "superclass_of", None)
        if above is None or len(above) != self.classes:
            raise FfreproError(
                "blocks are to learn superclasses, and none are known for these classes",
                where="method.coarse_blocks",
                fix="choose a data set with superclasses, or give `superclasses` to wrap, one number a class",
            )
        if self.coarse > self.layers:
            raise FfreproError(
                f"{self.coarse} first blocks of a net of {self.layers}",
                where="method.coarse_blocks",
                fix=f"give at most {self.layers}",
            )
        return torch.as_tensor(above, device=next(self.cut.parameters()).device)

    def classes_in(self, block: int) -> int:
        """How many classes a block's goodness tells apart: all, or the superclasses."""
        return self.classes if self.above_J is None or block >= self.coarse else int(self.above_J.max()) + 1

    def target(self, block: int, label_B: Tensor) -> Tensor:
        """What a block learns: the labels, or their superclasses."""
        return label_B if self.above_J is None or block >= self.coarse else self.above_J[label_B]

    def of_classes(self, block: int, g_BJ: Tensor) -> Tensor:
        """A block's goodness of every class: a superclass's is that of each of its classes."""
        return g_BJ if self.above_J is None or block >= self.coarse else g_BJ[:, self.above_J]

    def shared(self) -> list[nn.Parameter]:
        """Parameters beside the net that learn with several blocks, a part of their own."""
        return []

    def beside(self, generator: torch.Generator) -> dict[str, nn.Module]:
        """Modules that learn beside the net, by name."""
        return {}

    def beside_block(self, block: int) -> list[nn.Parameter]:
        """Those of their parameters that learn with a block."""
        return []

    def goodness(self, block: int, h: Tensor) -> Tensor:
        """(B, ``classes_in(block)``), from the block's activations."""
        raise NotImplementedError

    def loss(self, block: int, h: Tensor, label_B: Tensor) -> Tensor:
        """The block's mean loss: -(g of the true class - log sum exp g), the cross-entropy of the goodness."""
        return F.cross_entropy(self.goodness(block, h), self.target(block, label_B))

    def step(self, batch: Batch) -> Batch:
        """One update of every block and the head.

        Returns:
            ``loss_layer<l>``, each block's mean cross-entropy on its goodness; ``loss``, their sum; ``loss_head``.
        """
        self.train()
        label_B, losses, features = batch["label"], [], []

        def on_block(block: int, h: Tensor) -> Tensor:
            losses.append(self.loss(block, h, label_B))
            if not self.fast:
                self._update(block, layer(block), losses)
            passed = self._passed(block, h.detach())
            if self.hp["head"] == "all":
                features.append(positions.mean(self.laid_out(block, passed)))
            return passed

        with torch.enable_grad():
            out = self.cut.run(self.take(batch), on_block, head=self.hp["head"] == "own")
            if self.hp["head"] != "none":
                logits = out if features == [] else self.extra["head"](torch.cat(features, 1))
                losses.append(F.cross_entropy(logits, label_B))
                if not self.fast:
                    self._update(-1, HEAD, losses)
        if self.fast:
            self._update_all(losses)
        elif SHARED in self.parts:
            self._step(self.layers, SHARED)
        layers = [loss.detach() for loss in losses[: self.layers]]
        result = {f"loss_{layer(block)}": loss for block, loss in enumerate(layers)}
        result["loss"] = torch.stack(layers).sum()
        return result | ({"loss_head": losses[-1].detach()} if len(losses) > self.layers else {})

    def _update(self, index: int, part: str, losses: list[Tensor]) -> None:
        """A part's backward pass and step; its loss loses its graph."""
        if losses[-1].requires_grad:  # nothing of a frozen block does
            losses[-1].backward()
            self._step(index, part)
        losses[-1] = losses[-1].detach()

    def _step(self, index: int, part: str) -> None:
        self.clip(part)
        self.optimizers[index].step()
        self.optimizers[index].zero_grad()

    def _update_all(self, losses: list[Tensor]) -> None:
        torch.autograd.backward([loss for loss in losses if loss.requires_grad])
        for part in self.parts:
            self.clip(part)
        self.optimizers[0].step()
        self.optimizers[0].zero_grad()

    def _passed(self, block: int, h: Tensor) -> Tensor:
        """What goes on to the next block, as a tensor of its own where that changes it in place.

        A detached tensor shares its memory and version with the one that the backward pass needs.
        """
        if self.hp["norm"] == "none":
            return h.clone() if self.fast and self.anatomy.in_place[block] else h
        return self.normalise(h)

    def own_loss(self, part: str, values: dict[str, float]) -> dict[str, float]:
        """A part's loss as ``loss``; nothing where it was not measured."""
        if f"loss_{part}" in values:
            return {"loss": values[f"loss_{part}"]}
        if part not in (HEAD, SHARED) or "loss" not in values:
            return {}
        blocks = sum(values[f"loss_{layer(block)}"] for block in range(self.layers))
        # A task's metrics sum the columns of losses, of which the head's is the last.
        return {"loss": blocks if part == SHARED else values["loss"] - blocks}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """Evaluate a batch sample by sample, without learning.

        Returns:
            ``layer_scores`` (B, L, classes): goodness of every block, where it tells superclasses apart that of a
            class's own. ``scores_ensemble``: its mean over the blocks of ``ensemble``; ``scores_last``: of the last
            block; ``scores_head``: the head's logits. ``loss`` (B, L), and the head's as a last column.
        """
        label_B = batch["label"]
        goods, logits = self.forward(batch, self.goodness, head=True)
        loss = [
            F.cross_entropy(g_BJ, self.target(block, label_B), reduction="none") for block, g_BJ in enumerate(goods)
        ]
        g_BLJ = torch.stack([self.of_classes(block, g_BJ) for block, g_BJ in enumerate(goods)], 1)
        out = {"layer_scores": g_BLJ, "scores_ensemble": g_BLJ[:, self.chosen].mean(1), "scores_last": g_BLJ[:, -1]}
        if logits is not None:
            out["scores_head"] = logits
            loss.append(F.cross_entropy(logits, label_B, reduction="none"))
        return out | {"loss": torch.stack(loss, 1)}

    @torch.no_grad()
    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) under an inference scheme: ``ensemble``, ``last`` or ``head``."""

        def read(block: int, h: Tensor) -> Tensor:
            return self.of_classes(block, self.goodness(block, h))

        goods, logits = self.forward(inputs, read, head=inference == HEAD)
        if inference == HEAD and logits is not None:
            return logits
        return goods[-1] if inference == "last" else torch.stack([goods[block] for block in self.chosen], 1).mean(1)

    def forward(self, inputs: Batch, read: Read, *, head: bool) -> tuple[list[Tensor], Tensor | None]:
        """What ``read`` makes of every block's activations, and the head's logits where there is a head."""
        self.cut.eval()
        found, features = [], []

        def on_block(block: int, h: Tensor) -> Tensor:
            found.append(read(block, h))
            passed = self.normalise(h)
            if self.hp["head"] == "all":
                features.append(positions.mean(self.laid_out(block, passed)))
            return passed

        out = self.cut.run(self.take(inputs), on_block, head=head and self.hp["head"] == "own")
        if head and self.hp["head"] == "all":
            out = self.extra["head"](torch.cat(features, 1))
        return found, None if out is None else out[:, : self.classes]


def defaults(net: nn.Module) -> dict[str, str]:
    """The library's settings for a net: one without last layers of its own gets a linear map on all blocks."""
    own = isinstance(net, Cut) or getattr(net, "head", None) is not None
    return {} if own else {"head": "all"}


def layer(block: int) -> str:
    """The name of a block as a part."""
    return f"layer{block}"
