"""Nets by their sizes, and a user's own module as a net: what ``ffrepro.nets`` offers in a notebook.

A net is a module with ``blocks``, an ``nn.ModuleList`` run one after the other, and ``shapes``, the output shape of
each. A method trains blocks, so where a net is cut is where gradients stop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.settings import complete
from ffrepro.nets import cnn, mlp, rnn, transformer
from ffrepro.nets.cut import Cut
from ffrepro.nets.layers import Head, initialise

HEAD_LAYERS = cnn.HEAD_LAYERS


def MLP(
    inputs: int | Sequence[int],
    layers: Sequence[int] = (500, 500),
    *,
    classes: int | None = None,
    grouped: bool = False,
    batch_norm: bool = False,
    bias: bool = True,
    init: str = "torch_default",
    seed: int = 0,
) -> mlp.Mlp:
    """A stack of fully connected ReLU layers, one a block.

    Args:
        inputs: features, or the (C, H, W) of images, which are flattened.
        layers: units of each layer.
        classes: needed where ``grouped``; else the learner sets it.
        grouped: divide every layer's units into ``classes`` groups, as the method ``cwc`` needs, and add its head.
        batch_norm: normalise every block's input.
        init: ``torch_default`` or ``lecun_normal``.
        seed: of the initial weights.

    Raises:
        FfreproError: sizes that are no positive whole numbers, groups that the units do not divide into.
    """
    _positive("layers", layers)
    generator = torch.Generator().manual_seed(seed)
    size = inputs if isinstance(inputs, int) else tuple(inputs)
    _positive("inputs", [size] if isinstance(size, int) else size)
    groups = _groups(classes, grouped)
    net: Any = mlp.Mlp(
        size, list(layers), input_norm="batch" if batch_norm else "none", bias=bias, groups=groups, init=init,
        generator=generator,
    )  # fmt: skip
    net.head = _head(net.shapes, groups, generator) if groups else None
    net.classes = classes
    return net


def CNN(
    inputs: Sequence[int],
    channels: Sequence[int] = (32, 64),
    *,
    kernels: int | Sequence[int] = 3,
    pools: Sequence[int] | None = None,
    linear: Sequence[int] = (),
    classes: int | None = None,
    grouped: bool = False,
    init: str = "torch_default",
    seed: int = 0,
) -> cnn.Cnn:
    """A stack of convolutions with ReLU, one a block, each with padding that keeps odd kernels' sizes.

    Args:
        inputs: (C, H, W) of an image.
        channels: of each convolution's output.
        kernels: side of every kernel, or of each.
        pools: layers, counted from 1, that end with 2 x 2 max pooling; None: all.
        linear: units of fully connected layers after the convolutions.
        classes, grouped, init, seed: see ``MLP``. Grouped nets have BatchNorm on every input, no biases and a head.

    Raises:
        FfreproError: sizes that are no positive whole numbers, lists that differ in length, images too small for so
            many pools, groups that the channels do not divide into.
    """
    sides = [kernels] * len(channels) if isinstance(kernels, int) else list(kernels)
    for name, sizes in (("inputs", inputs), ("channels", channels), ("kernels", sides)):
        _positive(name, sizes)
    if len(inputs) != 3 or len(sides) != len(channels):
        raise FfreproError(
            f"{len(channels)} convolutions with {len(sides)} kernels on inputs of {len(inputs)} dimensions",
            where="CNN",
            fix="give inputs as (channels, height, width), and one kernel for each convolution",
        )
    if grouped and linear:
        raise FfreproError("a grouped net has no fully connected layers", where="linear", fix="leave `linear` out")
    every = tuple(range(1, len(channels) + 1))
    model = cnn.Model(
        tuple(channels), tuple(sides), every if pools is None else tuple(pools), padding=sides[0] // 2,
        linear=tuple(linear), grouped=grouped,
    )  # fmt: skip
    _groups(classes, grouped)
    generator = torch.Generator().manual_seed(seed)
    net: Any = cnn.Cnn(
        (inputs[0], inputs[1], inputs[2]), model, classes=classes or 0, cfse=False, init=init, generator=generator
    )
    net.classes = classes
    return net


def RNN(
    inputs: int, hidden: int = 96, layers: int = 3, *, cell: str = "rnn", init: str = "xavier_normal", seed: int = 0
) -> rnn.Rnn:
    """A stack of recurrent layers, one a block, for ``ff_recurrent`` and ``backprop_rnn``; of ReLU also ``ff_rnn``.

    Args:
        inputs: features of a time step. hidden: units of every layer. layers: how many.
        cell: ``rnn`` (plain ReLU), ``gru`` or ``lstm``.
        init: ``xavier_normal`` or ``torch_default``.

    Raises:
        FfreproError: sizes that are no positive whole numbers, an unknown cell.
    """
    _positive("RNN", [inputs, hidden, layers])
    if cell not in rnn.CELLS:
        raise unknown("cell", cell, rnn.CELLS)
    return rnn.Rnn(inputs, hidden, layers, init, torch.Generator().manual_seed(seed), cell)


def Transformer(
    vocabulary: int,
    length: int,
    classes: int,
    *,
    layers: int = 2,
    width: int = 128,
    heads: int = 4,
    seed: int = 0,
    **settings: Any,
) -> transformer.Transformer:
    """A transformer encoder of token ids (N, T), 0 for padding, for ``ff``, ``cwc``, ``backprop`` and their hybrids.

    Args:
        vocabulary: token ids are below this. length: tokens of a sequence, at most.
        classes: how many; each gets a label token.
        layers, width, heads, settings: ``feedforward, activation, dropout, ...``; see ``nets.transformer.SETTINGS``.

    Raises:
        FfreproError: sizes that are no positive whole numbers, an unknown setting.
    """
    _positive("Transformer", [vocabulary, length, classes])
    given = {"layers": layers, "width": width, "heads": heads, **settings}
    chosen = complete(transformer.SETTINGS, given, what="net transformer")
    net = transformer.build(chosen, (vocabulary, length), classes, torch.Generator().manual_seed(seed))
    net.classes = classes  # type: ignore[assignment]  # torch types attributes of a module as tensors or modules
    return net


class Blocks(nn.Module):
    """A user's module as a net of blocks."""

    def __init__(self, blocks: Sequence[nn.Module], shapes: list[tuple[int, ...]]):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.shapes = shapes
        self.head = None
        self.classes: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Activations of the last block."""
        for block in self.blocks:
            x = block(x)
        return x


def blocks(module: nn.Module, at: Sequence[str] | None = None, *, example: Tensor) -> Blocks:
    """A module of one's own as a net: its children, or those that ``at`` names, run one after the other as blocks.

    Args:
        module: without ``at`` an ``nn.Sequential``: every child with parameters begins a block, children without
            (ReLU, pooling) belong to the one before. The modules are used, not copied.
        at: names of submodules (``features.0``), in the order in which they run.
        example: a batch of inputs, to find out the blocks' output shapes.

    Raises:
        FfreproError: a name that does not exist, no parameters at all, blocks that do not fit the example or one
            another.
    """
    if at is None:
        if not isinstance(module, nn.Sequential):
            raise FfreproError(
                f"a {type(module).__name__} does not say in which order its parts run",
                where="net",
                fix="name its blocks: ffrepro.nets.blocks(module, ['part1', 'part2'], example=x[:2]), or use an "
                "nn.Sequential",
            )
        found = _of_sequential(module)
    else:
        known = dict(module.named_modules())
        for name in at:
            if name not in known or not name:
                raise unknown("submodule", name, [name for name in known if name], where="at")
        found = [known[name] for name in at]
    return Blocks(_with_parameters(found), _shapes(found, example))


def as_net(module: nn.Module, example: Tensor) -> nn.Module:
    """``module`` if it is a net (it has blocks and their shapes, or is cut), else its ``blocks``.

    Raises:
        FfreproError: as ``blocks`` does; blocks that do not fit the example or one another.
    """
    if isinstance(module, rnn.Rnn | transformer.Transformer | Cut):
        return module
    own = getattr(module, "blocks", None)
    if not isinstance(own, nn.ModuleList | nn.Sequential):
        return blocks(module, example=example)
    shapes = _shapes(list(own), example)
    if not hasattr(module, "shapes"):
        return Blocks(_with_parameters(list(own)), shapes)
    return module


def _of_sequential(module: nn.Sequential) -> list[nn.Module]:
    parts: list[list[nn.Module]] = []
    for child in module:
        if not parts or (_has_parameters([child]) and _has_parameters(parts[-1])):
            parts.append([])
        parts[-1].append(child)
    return [part[0] if len(part) == 1 else nn.Sequential(*part) for part in parts]


def _with_parameters(found: list[nn.Module]) -> list[nn.Module]:
    for index, block in enumerate(found):
        if not _has_parameters([block]):
            raise FfreproError(
                f"block {index} ({type(block).__name__}) has no weights: it cannot learn",
                where="net",
                fix="make it a part of the block before it",
            )
    if not found:
        raise FfreproError("the net has no blocks", where="net", fix="add a layer with weights")
    return found


def _has_parameters(part: list[nn.Module]) -> bool:
    return any(True for child in part for _ in child.parameters())


def _shapes(found: list[nn.Module], example: Tensor) -> list[tuple[int, ...]]:
    shapes = []
    modes = [block.training for block in found]
    with torch.no_grad():
        for index, block in enumerate(found):
            try:
                out = block.eval()(example)
                shapes.append(tuple(out.shape[1:]))
            except Exception as error:  # whatever a user's module raises
                raise FfreproError(
                    f"block {index} does not take inputs of shape {tuple(example.shape)}: {error}",
                    where=f"net, {type(block).__name__}",
                    fix="check the sizes of this block and of the one before, or the shape of the data",
                ) from error
            example = out
    for block, training in zip(found, modes, strict=True):
        block.train(training)
    return shapes


def _groups(classes: int | None, grouped: bool) -> int | None:
    if grouped and classes is None:
        raise FfreproError("a grouped net is built for a number of classes", where="classes", fix="give `classes`")
    return classes if grouped else None


def _head(shapes: list[tuple[int, ...]], classes: int, generator: torch.Generator) -> Head:
    layers = min(HEAD_LAYERS, len(shapes))
    head = Head(sum(math.prod(shape) for shape in shapes[-layers:]), classes, layers)
    initialise(head, "torch_default", generator)
    return head


def _positive(name: str, sizes: Sequence[Any]) -> None:
    for size in sizes:
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise FfreproError(f"{size!r} is no size", where=name, fix="give positive whole numbers")
    if not len(sizes):
        raise FfreproError("there are no layers", where=name, fix="give at least one size")
