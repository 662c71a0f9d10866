"""Parameters, output shapes and activations of a net that is described layer by layer.

A layer is a mapping with ``kind`` and the settings of ``KINDS``; shapes have no batch: (channels, height, width) of
images, (steps, features) of sequences, (features,) of vectors. Counts are those of PyTorch's modules of these names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

REQUIRED = object()
Shape = tuple[int, ...]


class Counted(NamedTuple):
    """A layer's name, output shape and number of parameters."""

    name: str
    shape: Shape
    parameters: int


class LayerError(ValueError):
    """A layer that cannot be where it is; ``index`` is its place, from 0."""

    def __init__(self, index: int, what: str):
        super().__init__(what)
        self.index = index


def count(input_shape: Sequence[int], layers: Sequence[Mapping[str, Any]]) -> list[Counted]:
    """Each layer's output shape and parameters, in order.

    Args:
        input_shape: of one sample.
        layers: ``{"kind": "conv", "out": 50, "kernel": 3, ...}``; a ``name`` is given where others refer to it.

    Raises:
        LayerError: an unknown kind or setting, one that is missing, or a shape that the layer cannot take.
    """
    shape, done = tuple(input_shape), []
    for index, layer in enumerate(layers):
        kind = layer.get("kind")
        if kind not in KINDS:
            raise LayerError(index, f"unknown kind of layer {kind!r}")
        function, settings = KINDS[kind]
        given = {key: value for key, value in layer.items() if key not in ("kind", "name")}
        for key in sorted(set(given) - set(settings)):
            raise LayerError(index, f"{kind} has no setting {key!r}")
        for key, default in settings.items():
            if default is REQUIRED and key not in given:
                raise LayerError(index, f"{kind} needs {key!r}")
        try:
            if kind == "concat":
                shape, parameters = _concat(done, given["of"]), 0
            else:
                shape, parameters = function(shape, settings | given)
        except ValueError as error:
            raise LayerError(index, str(error)) from None
        done.append(Counted(str(layer.get("name", f"{kind}{index + 1}")), shape, parameters))
    return done


def parameters(layers: Sequence[Counted]) -> int:
    """All parameters."""
    return sum(layer.parameters for layer in layers)


def size(layer: Counted) -> int:
    """Numbers in a layer's output."""
    return math.prod(layer.shape)


def _conv(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    channels, height, width = _three(shape, "conv")
    if channels % s["groups"] or s["out"] % s["groups"]:
        raise ValueError(f"{channels} to {s['out']} channels do not divide into {s['groups']} groups")
    side = [_window(length, s) for length in (height, width)]
    weights = s["out"] * (channels // s["groups"]) * s["kernel"] ** 2
    return (s["out"], *side), weights + (s["out"] if s["bias"] else 0)


def _pool(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    channels, height, width = _three(shape, "pool")
    window = {"kernel": s["kernel"], "stride": s["stride"] or s["kernel"], "padding": s["padding"]}
    return (channels, _window(height, window), _window(width, window)), 0


def _window(length: int, s: Mapping[str, Any]) -> int:
    out = (length + 2 * s["padding"] - s["kernel"]) // s["stride"] + 1
    if out < 1:
        raise ValueError(f"a kernel of {s['kernel']} does not fit into {length} + 2 x {s['padding']}")
    return out


def _three(shape: Shape, kind: str) -> Shape:
    if len(shape) != 3:
        raise ValueError(f"{kind} takes (channels, height, width), not {shape}")
    return shape


def _linear(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    return (*shape[:-1], s["out"]), s["out"] * (shape[-1] + bool(s["bias"]))


def _rnn(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    if len(shape) != 2:
        raise ValueError(f"rnn takes (steps, features), not {shape}")
    steps, features = shape
    gates = {"rnn": 1, "gru": 3, "lstm": 4}.get(s["cell"])
    if gates is None:
        raise ValueError(f"unknown cell {s['cell']!r}: rnn, gru or lstm")
    return (steps, s["out"]), gates * s["out"] * (features + s["out"] + s["biases"])


def _norm(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    return shape, 2 * shape[0] if s["affine"] else 0


def _flatten(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    return (math.prod(shape),), 0


def _same(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    return shape, 0


def _embedding(shape: Shape, s: Mapping[str, Any]) -> tuple[Shape, int]:
    return (*shape, s["out"]), s["entries"] * s["out"]


def _concat(done: Sequence[Counted], names: Sequence[str]) -> Shape:
    """The named layers' outputs, flattened and joined."""
    sizes = {layer.name: size(layer) for layer in done}
    missing = [name for name in names if name not in sizes]
    if missing:
        raise ValueError(f"there is no layer named {missing[0]!r} before this one")
    return (sum(sizes[name] for name in names),)


# kind -> how it is counted, and its settings with what they are where they are not given
KINDS: dict[str, tuple[Callable[[Shape, Mapping[str, Any]], tuple[Shape, int]] | None, dict[str, Any]]] = {
    "conv": (_conv, {"out": REQUIRED, "kernel": REQUIRED, "stride": 1, "padding": 0, "groups": 1, "bias": True}),
    "pool": (_pool, {"kernel": REQUIRED, "stride": None, "padding": 0}),
    "linear": (_linear, {"out": REQUIRED, "bias": True}),
    "rnn": (_rnn, {"out": REQUIRED, "cell": "rnn", "biases": 2}),
    "batch_norm": (_norm, {"affine": True}),
    "embedding": (_embedding, {"entries": REQUIRED, "out": REQUIRED}),
    "flatten": (_flatten, {}),
    "activation": (_same, {}),
    "concat": (None, {"of": REQUIRED}),
}
