"""Which axis of a block's activations holds the features, found by the layers that ran in the block.

Convolutions, BatchNorm and pooling have features first, (features, positions...); linear maps, layer norms, attention
and recurrent layers have them last. The layers whose output is most like the block's decide: one of the same shape
before one of as many features, that before one of the same positions, and that before one of the same shape with the
features on the other side. Where none is like it, maps have features first and sequences last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

FIRST, LAST = "first", "last"
_FIRST = (
    nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd, nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd, nn.Upsample,
)  # fmt: skip
_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.MultiheadAttention, nn.RNNBase)

Seen = list[tuple[str, tuple[int, ...]]]
"""(side of the features, shape without the batch) of each layer's output."""


@contextmanager
def observed(model: nn.Module) -> Iterator[Seen]:
    """Inside, a list grows by what each layer that knows its features' side gives out."""
    seen: Seen = []

    def note(module: nn.Module, inputs: Any, out: Any) -> None:
        out = out[0] if isinstance(out, tuple) and out else out
        if not isinstance(out, Tensor):
            return
        shape = tuple(out.shape[1:])
        if isinstance(module, _FIRST):
            seen.append((FIRST, shape))
        elif not isinstance(module, nn.LayerNorm | nn.RMSNorm) or tuple(module.normalized_shape) == shape[-1:]:
            seen.append((LAST, shape))

    handles = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, _FIRST + _LAST)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def side(seen: Seen, shape: tuple[int, ...]) -> str | None:
    """``first`` or ``last``, where a block's activations of this shape hold the features; None: layers disagree.

    Args:
        seen: what ran in the block.
        shape: without the batch.
    """
    alike = [(where, own) for where, own in seen if len(own) == len(shape)]
    same = {where for where, own in alike if own == shape}
    as_many = {where for where, own in alike if own[_axis(where)] == shape[_axis(where)]}
    positions = {where for where, own in alike if _positions(where, own) == _positions(where, shape)}
    moved = {LAST if where == FIRST else FIRST for where, own in alike if _moved(where, own) == shape}
    for found in (same, as_many, positions, moved) if len(shape) > 1 else ():
        if found:
            return found.pop() if len(found) == 1 else None
    return FIRST if len(shape) == 3 else LAST


def _axis(where: str) -> int:
    return 0 if where == FIRST else -1


def _positions(where: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[1:] if where == FIRST else shape[:-1]


def _moved(where: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with its features on the other side."""
    return (*shape[1:], shape[0]) if where == FIRST else (shape[-1], *shape[:-1])
