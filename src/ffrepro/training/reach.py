"""Which blocks' weights a block's update depends on: what crosses a block's boundary, and in which direction."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

HEAD = "head"


@dataclass(frozen=True)
class Reach:
    """What the updates of a net's parts depend on.

    Attributes:
        parts: names of the rows: ``block0``, ..., and ``head`` where something is learnt beside the blocks.
        depends: (parts, blocks) whether the update of a part depends on the weights of a block.
    """

    parts: tuple[str, ...]
    depends: tuple[tuple[bool, ...], ...]

    @property
    def from_above(self) -> list[tuple[int, int]]:
        """(block, block above it) where what the upper one holds changes what the lower one learns."""
        blocks = len(self.depends[0])
        return [(i, j) for i in range(blocks) for j in range(i + 1, blocks) if self.depends[i][j]]

    @property
    def from_below(self) -> list[tuple[int, int]]:
        """(block, block below it) where what the lower one holds changes what the upper one learns."""
        return [(i, j) for i in range(len(self.depends[0])) for j in range(i) if self.depends[i][j]]

    def __str__(self) -> str:
        width = max(map(len, self.parts))
        head = " " * width + "".join(f" {j:>2d}" for j in range(len(self.depends[0])))
        rows = [
            f"{part:{width}s}" + "".join("  x" if found else "  ." for found in row)
            for part, row in zip(self.parts, self.depends, strict=True)
        ]
        return "\n".join([head, *rows])


def of_method(method: Any, batch: Any) -> Reach:
    """What the updates depend on, by trial: one update from the same state, with one block's weights changed.

    A gradient that flows down through a block has that block's weights in it; so the updates below change with them,
    unless nothing comes down. The same holds for anything else that comes from above, such as samples that upper
    blocks choose. Exact, for gradients from autograd and in closed form alike; the method, its generator and PyTorch's
    are left as they were.

    Args:
        method: of ``ffrepro.methods``. batch: what its ``step`` takes.
    """
    parts = _parts(method)
    blocks = [name for name in parts if name != HEAD]
    plain = _updates(method, batch, None)
    changed = [_updates(method, batch, name) for name in blocks]
    depends = tuple(tuple(not _equal(plain[part], other[part]) for other in changed) for part in parts)
    return Reach(tuple(parts), depends)


def gradient_reach(learner: Any, x: Any, y: Any) -> Reach:
    """What the updates of a learner's blocks depend on, see ``of_method``.

    ``print`` shows it: a row for each block's update, a cross where it depends on the block of the column. Crosses
    right of the diagonal come from above: backpropagation has them everywhere, a local method nowhere.

    Args:
        learner: a ``Learner`` or a ``WrappedLearner``, fitted, or made for a loop of one's own (``classes=``).
        x, y: a batch, as ``learner.step`` takes it. Nothing is learnt from it.

    Raises:
        FfreproError: the learner cannot take the batch.
    """
    return of_method(*learner.prepared(x, y))


def _parts(method: Any) -> dict[str, list[nn.Parameter]]:
    """Name -> parameters, of every block and of what is learnt beside them."""
    anatomy = getattr(method, "anatomy", None)
    if anatomy is not None:  # of a cut net: what lies between two cuts
        blocks = [list(parameters) for parameters in anatomy.parameters]
        blocks, beside = blocks[:-1], blocks[-1]
    else:
        blocks, beside = [list(block.parameters()) for block in method.net.blocks], []
    own = {id(parameter) for parameters in [*blocks, beside] for parameter in parameters}
    every = [*method.net.parameters(), *method.extra.parameters()]
    beside = beside + [parameter for parameter in every if id(parameter) not in own]
    found = {f"block{index}": parameters for index, parameters in enumerate(blocks)}
    return found | ({HEAD: beside} if beside else {})


def _updates(method: Any, batch: Any, changed: str | None) -> dict[str, list[Tensor]]:
    """Part -> its parameters' change in one step, and what the optimizer keeps of their gradients."""
    state, modes = copy.deepcopy(method.state_dict()), [(m, m.training) for m in _modules(method)]
    parts = _parts(method)
    try:
        with torch.no_grad():
            for parameter in parts.get(changed or "", ()):
                parameter.mul_(-1.7).add_(0.01)
        before = {name: [p.detach().clone() for p in parameters] for name, parameters in parts.items()}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            method.step(dict(batch))
        kept: dict[int, list[Tensor]] = {
            id(parameter): [value.clone() for _, value in sorted(own.items()) if isinstance(value, Tensor)]
            for optimizer in method.optimizers
            for parameter, own in optimizer.state.items()
        }
        return {name: list(_traces(parts[name], before[name], kept)) for name in parts}
    finally:
        method.load_state_dict(state)
        for module, training in modes:
            module.training = training


def _modules(method: Any) -> Iterator[nn.Module]:
    yield from method.net.modules()
    yield from method.extra.modules()


def _traces(parameters: list[nn.Parameter], before: list[Tensor], kept: dict[int, list[Tensor]]) -> Iterator[Tensor]:
    """Adam's first step is little more than a sign: its averages hold the gradient."""
    for parameter, old in zip(parameters, before, strict=True):
        if id(parameter) in kept:
            yield from kept[id(parameter)]
        else:
            yield parameter.detach() - old


def _equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
