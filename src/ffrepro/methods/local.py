"""Base classes of local image classifiers: an optimizer for each layer, phases, a softmax head on detached activations.

One-pass inference (the DLR paper, Sec. II-A) reads the class off a softmax layer on the blocks' activations. It is
learnt beside the blocks (``head: concurrent``), or afterwards on the frozen ones, in a phase of its own whose time
the record then shows apart (``head: after``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.settings import choice, integer, number
from ffrepro.core import normalisation, updates
from ffrepro.core.updates import HEAD
from ffrepro.methods import images
from ffrepro.methods.base import BaseMethod, Batch, Phase, classes_of
from ffrepro.nets.layers import initialise

Update = Callable[[int, nn.Module, Tensor], tuple[Tensor, Tensor]]
"""(index of a block, block, its input) -> its activations without a graph, and its mean loss."""
SETTINGS = {
    "update": choice("which layers learn in a step", "greedy", "simultaneous", default="simultaneous"),
    "gradient": choice("written by hand, or autograd; the same numbers", "closed_form", "autograd", default="autograd"),
    "norm": choice("of activations between layers", "rms", "length", default="rms"),
    "norm_epsilon": number("added to a length before it divides", 1e-5, above=0),
    "head": choice(
        "when the softmax head learns: beside the blocks, or afterwards", "concurrent", "after", default="concurrent"
    ),
    "head_epochs": integer("epochs of a head that learns afterwards", 10, minimum=1),
    "weight_decay": number("L2 penalty", 0.0, minimum=0),
}


class LocalClassifier(BaseMethod):
    """Blocks with an optimizer each, and a softmax head on detached activations.

    Args:
        head: a module that maps the blocks' activations (a list, bottom up) to logits (B, classes).
        auxiliary: modules that learn with the blocks, by the block's index. A block and its auxiliary module share one
            optimizer, which treats every parameter apart: the same as one each.
        momentum: None: the blocks learn by Adam; a number: by SGD with this momentum. The head learns by Adam.
    """

    def __init__(
        self,
        net: nn.Module,
        hyperparameters: dict,
        head: nn.Module,
        lr: float,
        auxiliary: dict[int, nn.Module] | None = None,
        momentum: float | None = None,
    ):
        super().__init__(net, hyperparameters)
        auxiliary = auxiliary or {}
        extra = {"head": head} | {f"auxiliary{index}": module for index, module in auxiliary.items()}
        self.extra = nn.ModuleDict({k: m for k, m in extra.items() if m is not getattr(net, "head", None)})
        self.head = head
        self.phase: str | None = None  # None: outside training; everything there is counts as learnt
        self.conv = images.lay_out(net)
        for index, block in enumerate(net.blocks):
            parameters = [*block.parameters(), *(auxiliary[index].parameters() if index in auxiliary else ())]
            self.add_optimizer(parameters, lr, hyperparameters["weight_decay"], momentum)
        self.add_optimizer(head.parameters(), lr, hyperparameters["weight_decay"])

    def phases(self) -> list[Phase]:
        """All layers at once or, ``greedy``, one after the other; then the head, unless it learns concurrently."""
        names = updates.phases(self.hp["update"], self.layers, self.hp["head"])
        return [Phase(name, epochs=self.hp["head_epochs"]) if name == HEAD else Phase(name) for name in names]

    def begin_phase(self, phase: Phase) -> None:
        """Select the layers that learn in this phase."""
        self.phase = phase.name

    @property
    def head_learns(self) -> bool:
        """Whether the head learns in this phase."""
        return self.phase == HEAD or self.hp["head"] == "concurrent"

    @property
    def head_counts(self) -> bool:
        """Whether the head has begun to learn, so that its predictions count."""
        return self.phase in (HEAD, None) or self.hp["head"] == "concurrent"

    def learning(self) -> list[int]:
        """The layers that learn in this phase."""
        if self.phase == HEAD:
            return []
        if self.phase is not None and self.phase.startswith("layer"):
            return [int(self.phase.removeprefix("layer"))]
        return list(range(self.layers))

    def images(self, batch: Batch) -> Tensor:
        """The batch's images in the memory format of the blocks."""
        return images.take(batch, self.conv)

    def learn_head(self, activations: list[Tensor], label_B: Tensor) -> Tensor:
        """Update the head on detached activations; return the mean cross-entropy of its main readout."""
        self.head.train()
        optimizer = self.optimizers[-1]
        optimizer.zero_grad()
        with torch.enable_grad():
            losses = [F.cross_entropy(logits, label_B) for logits in self.readings(activations)]
            torch.stack(losses).sum().backward()
        optimizer.step()
        return losses[0].detach()

    @staticmethod
    def with_head(out: Batch, loss_head: Tensor | None) -> Batch:
        """A step's results with the head's loss: beside the layers', or the loss itself where none learns."""
        if loss_head is not None:
            out["loss_head"] = loss_head
            out.setdefault("loss", loss_head)
        return out

    def readings(self, activations: list[Tensor]) -> list[Tensor]:
        """(B, classes) logits of each readout, the main one first."""
        return [self.head(activations)]

    def modes(self, training: list[int]) -> Iterator[tuple[int, nn.Module]]:
        """(index, block) bottom up, those in ``training`` in training mode, the others in evaluation mode."""
        for index, block in enumerate(self.net.blocks):
            yield index, block.train(index in training)

    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B, classes) under an inference scheme: a name that ``evaluate_batch`` gives with ``scores_`` before it."""
        return self.evaluate_batch(inputs)[f"scores_{inference}"]


class Readout(nn.Linear):
    """Softmax layer on the activations of all blocks from ``first`` on.

    Without the first block, one-pass inference does better (the DLR paper, Sec. II-A).
    """

    def __init__(self, shapes: list[tuple[int, ...]], first: int, classes: int):
        self.first = first
        super().__init__(sum(math.prod(shape) for shape in shapes[self.first :]), classes)

    def forward(self, activations: list[Tensor]) -> Tensor:
        """(B, classes) logits."""
        return super().forward(torch.cat([h.flatten(1) for h in activations[self.first :]], dim=1))


class Readouts(nn.Module):
    """Softmax layers on the activations of different blocks, trained in parallel and independent of each other.

    Args:
        shapes: of the blocks' activations.
        classes: how many.
        names: ``all`` blocks, ``from_second`` on, or the last one, two, three (``last_1``, ...). The first one counts;
            names that come to the same blocks in a net share one; of a net of one block, all read that one.
    """

    PARTS: Mapping[str, slice] = {
        "from_second": slice(1, None),
        "all": slice(None),
        **{f"last_{count}": slice(-count, None) for count in (1, 2, 3)},
    }

    def __init__(self, shapes: list[tuple[int, ...]], classes: int, names: Sequence[str]):
        super().__init__()
        blocks = range(len(shapes))
        self.first = {name: (blocks[self.PARTS[name]] or blocks)[0] for name in names}
        self.counts = names[0]
        self.layers = nn.ModuleDict(
            {str(first): Readout(shapes, first, classes) for first in dict.fromkeys(self.first.values())}
        )

    def forward(self, activations: list[Tensor], name: str | None = None) -> Tensor:
        """(B, classes) logits of the main readout, or of a named one."""
        return self.layers[str(self.first[name or self.counts])](activations)


class NormalisedClassifier(LocalClassifier):
    """Blocks with normalised activations between them, readouts on these, and a random generator for samples.

    Args:
        readouts: see ``Readouts``.
        auxiliary, momentum: see ``LocalClassifier``.
    """

    def __init__(
        self,
        net: nn.Module,
        hyperparameters: dict,
        example: Batch,
        generator: torch.Generator,
        lr: float,
        *,
        readouts: Sequence[str] = ("from_second",),
        auxiliary: dict[int, nn.Module] | None = None,
        momentum: float | None = None,
    ):
        self.classes = classes_of(net)
        head = Readouts(net.shapes, self.classes, readouts)
        initialise(head, "torch_default", generator)
        super().__init__(net, hyperparameters, head.to(example["x"]), lr, auxiliary, momentum)
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))

    def readings(self, activations: list[Tensor]) -> list[Tensor]:
        """(B, classes) logits of each readout."""
        return [readout(activations) for readout in self.head.layers.values()]

    def learn_blocks(self, x: Tensor, learning: list[int], update: Update) -> Batch:
        """Update every learning block, bottom up, on the normalised output of the block below.

        Args:
            x: the first block's input.
            update: leaves the gradients of a block, and of what learns beside it, for the optimizer's step.

        Returns:
            ``loss_layer<l>``, each one's mean loss, and ``loss``, their sum.
        """
        out: Batch = {}
        for index, block in self.modes(learning):
            if index > max(learning):
                break
            if index in learning:
                self.optimizers[index].zero_grad()
                h, out[f"loss_layer{index}"] = update(index, block, x)
                self.optimizers[index].step()
            else:
                with torch.no_grad():
                    h = self.forward(block, x)
            if index < max(learning):
                x = self.normalise(h)
        out["loss"] = torch.stack(list(out.values())).sum()
        return out

    def forward(self, block: nn.Module, x: Tensor) -> Tensor:
        """A block's activations."""
        return block(x)

    def length_scale(self, length: Tensor, units: int) -> Tensor:
        """What ``normalise`` multiplies vectors of ``units`` numbers by, from their lengths."""
        if self.hp["norm"] == "rms":
            return normalisation.rms_scale(length, units, self.hp["norm_epsilon"], "outside_root")
        return normalisation.length_scale(length, self.hp["norm_epsilon"])

    def normalise(self, h: Tensor) -> Tensor:
        """Normalise a layer's activations, so that only their direction is passed on."""
        flat, epsilon = h.flatten(1), self.hp["norm_epsilon"]
        if self.hp["norm"] == "rms":
            return normalisation.rms(flat, epsilon, "outside_root").view(h.shape)
        return normalisation.length(flat, epsilon).view(h.shape)

    @torch.no_grad()
    def activations(self, x: Tensor) -> list[Tensor]:
        """Normalised activations of every block, bottom up."""
        out = []
        for _, block in self.modes([]):
            x = self.normalise(self.forward(block, x))
            out.append(x)
        return out

    def state_dict(self) -> dict:
        """State of the base class and the sample generator."""
        return super().state_dict() | {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict) -> None:
        """Restore a state from ``state_dict``."""
        super().load_state_dict(state)
        self.generator.set_state(state["generator"])
