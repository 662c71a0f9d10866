"""Any module, cut into blocks at named submodules: what lies between two cuts learns on its own.

A cut is a place, not a part: the activations of the named submodule are handed to the method, and what the method
gives back (detached, say, or normalised) goes on through the module's own ``forward``. So the module is neither copied
nor traced, skips and operations between submodules stay what they are, and without a method it is the plain module.
What runs before the first cut, or between two, belongs to the block that ends at the later one; what runs behind the
last cut is the head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown

OnBlock = Callable[[int, Tensor], Tensor]
"""(index of a block, its activations) -> what goes on in their place."""


class Cut(nn.Module):
    """A module and the names of the submodules at whose outputs it is cut.

    Args:
        model: used, not copied.
        at: names as in ``model.named_modules()``, in the order in which they run.

    Attributes:
        classes: how many the task has; set by ``nets.build`` or the learner.
        superclass_of: the superclass of each class, where they have any; set like ``classes``.
        features: on which side of the blocks' activations the features are: ``first``, ``last``, or ``auto``
            (``nets.cut_layout``); or these by the names of the submodules, where they are not ``auto``.
        still: modules that stay in evaluation mode when the others train.

    Raises:
        FfreproError: a name that does not exist, or stands there twice; no name.
    """

    def __init__(self, model: nn.Module, at: Sequence[str]):
        super().__init__()
        known = [name for name, _ in model.named_modules() if name]
        for name in at:
            if name not in known:
                raise unknown("submodule", name, known, where="at")
        if not at or len(set(at)) < len(at):
            raise FfreproError(
                f"{len(at)} places to cut at, {len(set(at))} of them different",
                where="at",
                fix="name at least one submodule, and each of them once",
            )
        self.model = model
        self.at = list(at)
        self.classes: int | None = None
        self.superclass_of: list[int] | None = None
        self.features: str | dict[str, str] = "auto"
        self.still: list[nn.Module] = []
        self._modes_read = False

    @property
    def blocks(self) -> list[nn.Module]:
        """The submodules at whose outputs the blocks end."""
        return [self.model.get_submodule(name) for name in self.at]

    def read_modes(self) -> None:
        """Add to ``still`` what is in evaluation mode while other modules are not, once.

        Afterwards the modes are those of the last call, training or prediction, and say nothing of what is wanted.
        """
        if self._modes_read:
            return
        self._modes_read = True
        modules = list(self.model.modules())
        found = [module for module in modules if not module.training]
        if len(found) < len(modules):
            self.still += found

    def train(self, mode: bool = True) -> Cut:
        """Put the module into training mode, but for what stays in evaluation mode."""
        super().train(mode)
        for module in self.still:
            module.training = False
        return self

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The plain module's output."""
        return self.model(*inputs, **named)

    def run(self, x: Any, on_block: OnBlock, *, head: bool = True) -> Tensor | None:
        """The module's output, with ``on_block`` between the blocks.

        Args:
            x: a tensor, a tuple of positional or a dictionary of named inputs.
            head: run what lies behind the last cut; else stop there.

        Returns:
            the output's first tensor; None without ``head``.
        """
        with _hooks(self.blocks, on_block, stop=not head):
            try:
                return first_tensor(feed(self.model, x))
            except _LastBlockDone:
                return None


class _LastBlockDone(Exception):
    """The last block has run, and nobody needs what comes behind it."""


@contextmanager
def _hooks(blocks: Sequence[nn.Module], on_block: OnBlock, stop: bool) -> Iterator[None]:
    def hook_of(index: int) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(module: nn.Module, inputs: Any, out: Any) -> Any:
            passed = replace_first(out, lambda h: on_block(index, h))
            if stop and index == len(blocks) - 1:
                raise _LastBlockDone
            return passed

        return hook

    handles = [block.register_forward_hook(hook_of(index)) for index, block in enumerate(blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def feed(model: nn.Module, x: Any) -> Any:
    """The output of a module for a tensor, a tuple of positional or a dictionary of named inputs."""
    if isinstance(x, dict):
        return model(**x)
    return model(*x) if isinstance(x, tuple) else model(x)


def first_tensor(out: Any) -> Tensor:
    """The first tensor of a module's output: a tensor, or nested tuples, lists and dictionaries of them.

    Raises:
        FfreproError: there is none.
    """
    found = next(_tensors(out), None)
    if found is None:
        raise FfreproError(
            f"a {type(out).__name__} without a tensor of numbers comes out of it",
            where="net",
            fix="cut at a submodule whose output is a tensor, or begins with one",
        )
    return found


def replace_first(out: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same output with its first tensor changed and every other one detached."""
    if isinstance(out, Tensor):
        return change(out)
    first = first_tensor(out)

    def replaced(value: Any) -> Any:
        if isinstance(value, Tensor):
            return change(value) if value is first else value.detach()
        if isinstance(value, dict):
            return type(value)((key, replaced(inner)) for key, inner in value.items())
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(replaced, value))
        return type(value)(map(replaced, value)) if isinstance(value, tuple | list) else value

    return replaced(out)


def _tensors(out: Any) -> Iterator[Tensor]:
    if isinstance(out, Tensor):
        if out.is_floating_point() and out.ndim > 1:
            yield out
    elif isinstance(out, dict):
        for value in out.values():
            yield from _tensors(value)
    elif isinstance(out, tuple | list):
        for value in out:
            yield from _tensors(value)


def as_cut(net: nn.Module) -> Cut:
    """``net`` if it is cut, else a net of blocks (``net.blocks``) cut behind each of them.

    Raises:
        FfreproError: it has no blocks.
    """
    if isinstance(net, Cut):
        return net
    own = getattr(net, "blocks", None)
    if not isinstance(own, nn.ModuleList | nn.Sequential):
        raise FfreproError(
            f"a {type(net).__name__} does not say where to cut it",
            where="net",
            fix="name the places: ffrepro.nets.Cut(model, ['layer1', 'layer2'])",
        )
    cut = Cut(net, [f"blocks.{name}" for name, _ in own.named_children()])
    cut.classes = getattr(net, "classes", None)
    return cut
