"""Whether a cut is valid, found by counting: every parameter must be reached by the loss of exactly one part.

A part is a block or, last, the head. Reached by none, a parameter would never learn; reached by two, a gradient would
cross a cut (a skip connection that bypasses it).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.nets import cut_layout
from ffrepro.nets.cut import Cut, feed

SAMPLES = 4  # of the batch that the first trial run takes
TRIALS = 10  # more of them, before a parameter that none reached is refused: a path may be drawn, or depend on the data


@dataclass(frozen=True)
class Anatomy:
    """What a trial run finds out about a cut.

    Attributes:
        shapes: of each block's activations, without the batch.
        features: on which side of them the features are, ``first`` or ``last``; None: its layers disagree.
        in_place: whether what follows changes a block's activations in place, so that it needs a copy of them.
        parameters: of each part, the head last: what learns and is reached by its loss.
        out: shape of the module's output, without the batch.
    """

    shapes: list[tuple[int, ...]]
    features: list[str | None]
    in_place: list[bool]
    parameters: list[list[nn.Parameter]]
    out: tuple[int, ...]


def examine(net: Cut, x: Any) -> Anatomy:
    """A cut's anatomy, from a trial run on the first samples of ``x``; brings ``net.at`` into the running order.

    Where a parameter is reached by no loss, the whole batch has a trial run, and then the first samples have some more:
    a part that samples are routed to, or that is left out at random, may have had none.

    Buffers, random generators and every module's mode are afterwards what they were.

    Args:
        x: see ``Cut.run``.

    Raises:
        FfreproError: a submodule that does not run, or more than once; a parameter that the losses of two parts
            reach, or of none. The message names its module, and a cut that is valid.
    """
    every, x = x, _first_samples(x)
    # What is compiled runs as it is written: the trial's hooks and few samples would each be compiled for once.
    with _unchanged(net), torch.compiler.set_stance("force_eager"):
        net.train()
        net.at = _running_order(net, x)
        anatomy, reached = _trial(net, x)
        for trial in range(TRIALS):
            wrong = _wrong(net, reached)
            if wrong is None or wrong[1]:
                break
            again, more = _trial(net, _first_samples(every, None) if trial == 0 else x)
            anatomy = _joined(anatomy, again)
            reached = {name: sorted({*parts, *more[name]}) for name, parts in reached.items()}
        wrong = _wrong(net, reached)
        if wrong is not None:
            name, parts = wrong
            raise _explained(net, x, name, parts)
    return anatomy


def _joined(first: Anatomy, second: Anatomy) -> Anatomy:
    """What two trial runs found out together."""
    parts = [
        [*own, *(parameter for parameter in more if not any(parameter is other for other in own))]
        for own, more in zip(first.parameters, second.parameters, strict=True)
    ]
    in_place = [a or b for a, b in zip(first.in_place, second.in_place, strict=True)]
    return replace(first, in_place=in_place, parameters=parts)


def _running_order(net: Cut, x: Any) -> list[str]:
    order: list[int] = []

    def passed(index: int, h: Tensor) -> Tensor:
        order.append(index)
        return h

    with torch.no_grad():
        net.run(x, passed)
    for index, name in enumerate(net.at):
        if order.count(index) != 1:
            times = "never" if index not in order else f"{order.count(index)} times"
            raise FfreproError(
                f"{name} runs {times} in a forward pass: it cannot be the end of one block",
                where=f"at, {name}",
                fix="cut at a submodule that runs once"
                + (", such as the one around it" if index in order else "; is it a container, or left out?"),
            )
    return [net.at[index] for index in order]


def _trial(net: Cut, x: Any) -> tuple[Anatomy, dict[str, list[int]]]:
    """The anatomy, and for every parameter that learns the parts whose losses reach it."""
    own: list[Tensor] = []
    passed: list[Tensor] = []
    features: list[str | None] = []

    def on_block(index: int, h: Tensor) -> Tensor:
        features.append(cut_layout.side(seen, tuple(h.shape[1:])))
        seen.clear()
        own.append(h)
        passed.append(h.detach().clone())
        return passed[-1]

    with torch.enable_grad(), cut_layout.observed(net.model) as seen:
        out = net.run(x, on_block)
    assert out is not None
    learning = {name: parameter for name, parameter in net.model.named_parameters() if parameter.requires_grad}
    reached: dict[str, list[int]] = {name: [] for name in learning}
    parts: list[list[nn.Parameter]] = []
    ends = [*own, out]
    some = _with_gradient(ends, learning)
    for index, h in enumerate(ends):
        behind = _leaves(h)
        names = [name for name, parameter in some.items() if id(parameter) in behind]
        parts.append([some[name] for name in names])
        for name in names:
            reached[name].append(index)
    shapes = [tuple(h.shape[1:]) for h in own]
    return Anatomy(shapes, features, [h._version > 0 for h in passed], parts, tuple(out.shape[1:])), reached


def _leaves(h: Tensor) -> set[int]:
    """Ids of the tensors without a past that a tensor's graph leads to, found without a backward pass.

    One backward pass for each part would need the graph of what several parts share more than once, and what
    ``torch.compile`` makes can be run backward only once.
    """
    waiting = [h.grad_fn] if h.grad_fn is not None else []
    seen, found = set(waiting), {id(h)}
    while waiting:
        node = waiting.pop()
        if hasattr(node, "variable"):  # the end of the graph: a gradient is added up here
            found.add(id(node.variable))
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return found


def _with_gradient(ends: list[Tensor], learning: dict[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    """Those parameters that get a gradient of all parts together: a graph may lead to one, and give it none."""
    outputs = [h.sum() for h in ends if h.requires_grad]
    if not outputs or not learning:
        return {}
    gradients = torch.autograd.grad(outputs, list(learning.values()), allow_unused=True)
    return {
        name: parameter
        for (name, parameter), gradient in zip(learning.items(), gradients, strict=True)
        if gradient is not None
    }


def _wrong(net: Cut, reached: dict[str, list[int]]) -> tuple[str, list[int]] | None:
    """The first parameter that is not reached exactly once, those reached twice before the others."""
    found = [(name, parts) for name, parts in reached.items() if len(parts) != 1]
    return max(found, key=lambda entry: len(entry[1]), default=None)


def _explained(net: Cut, x: Any, name: str, parts: list[int]) -> FfreproError:
    names = [*net.at, "the output"]
    module = name.rpartition(".")[0] or "the model itself"
    if not parts:
        return FfreproError(
            f"no block's loss reaches {name}, in {TRIALS + 1} trial runs on the first batch: it would never learn",
            where=f"at, {module}",
            fix="freeze it (requires_grad_(False)) if it is to stay as it is, or cut behind it; "
            "where the samples decide whether it runs, give a larger first batch",
        )
    losses = " and ".join(f"the one at {names[part]}" for part in parts)
    valid = _valid(net, x)
    fix = f"cut at {valid}" if valid else "no part of this cut is valid: cut between the model's stages"
    return FfreproError(
        f"the losses of {len(parts)} blocks reach {name} ({losses}): something bypasses the cut",
        where=f"at, {module}",
        fix=fix,
    )


def _valid(net: Cut, x: Any) -> list[str] | None:
    """A valid cut made of this one; None: nothing is left of it.

    A place that something bypasses moves out to the submodule around it (the end of a residual block, say), or is left
    out where there is none.
    """
    once = _run_once(net.model, x)
    at = list(net.at)
    while at:
        rest = Cut(net.model, at)
        wrong = _wrong(rest, _trial(rest, x)[1])
        if wrong is None or not wrong[1]:
            return at
        bypassed = at.pop(wrong[1][0])
        around = next((name for name in _around(bypassed) if name in once), None)
        if around is not None and around not in at:
            at = sorted([*at, around], key=once.index)
    return None


def _around(name: str) -> Iterator[str]:
    """Names of the submodules that a submodule is in, from the inside."""
    while name := name.rpartition(".")[0]:
        yield name


def _run_once(model: nn.Module, x: Any) -> list[str]:
    """Names of the submodules that run once in a forward pass and return a tensor, in the order in which they end."""
    ended: list[str] = []

    def hook_of(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, out: Any) -> None:
            ended.extend([name] if isinstance(out, Tensor) else [name, name])

        return hook

    hooks = [module.register_forward_hook(hook_of(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            feed(model, x)
    finally:
        for hook in hooks:
            hook.remove()
    return [name for name in ended if ended.count(name) == 1]


def _first_samples(x: Any, count: int | None = SAMPLES) -> Any:
    """The first samples of every tensor, or all; of a batch of one, that one twice: BatchNorm needs two."""
    if isinstance(x, dict):
        return {key: _first_samples(value, count) for key, value in x.items()}
    if isinstance(x, tuple):
        return tuple(_first_samples(value, count) for value in x)
    if not isinstance(x, Tensor):
        return x
    return x[:count] if len(x) > 1 else x.repeat_interleave(2, 0)


@contextmanager
def _unchanged(net: nn.Module) -> Iterator[None]:
    """Afterwards buffers, modes and generators, those that modules keep included, are what they were."""
    modes = [(module, module.training) for module in net.modules()]
    buffers = [
        (module, name, buffer, buffer.clone())
        for module in net.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    own = [value for module in net.modules() for value in vars(module).values() if isinstance(value, torch.Generator)]
    states = [(generator, generator.get_state()) for generator in own]
    devices = list({parameter.device for parameter in net.parameters() if parameter.device.type == "cuda"})
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        with torch.no_grad():
            for module, name, buffer, value in buffers:
                module._buffers[name] = buffer.copy_(value)
        for generator, state in states:
            generator.set_state(state)
        for module, training in modes:
            module.training = training
