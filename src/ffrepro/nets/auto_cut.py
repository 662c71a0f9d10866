"""Where to cut a module of a known family, found by its structure: no library of models is imported.

Cuts are placed behind residual blocks, inverted residuals, dense blocks and transitions, encoder layers, or, in a plain
sequence, behind each layer with the normalisation, activation and pooling that follow it. The stem in front of the
first of them is a block too where a submodule ends it; the classifier behind the last one is the head.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from ffrepro.base.errors import FfreproError

# They begin no block: batch normalisation always belongs to the block before (the SFF paper, Table 1).
_NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)
# They end no block: behind them a map is a vector, or has gone through the classifier's own pooling.
_BEFORE_HEAD = (
    nn.Flatten, nn.modules.dropout._DropoutNd, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d,
)  # fmt: skip


def places(model: nn.Module) -> list[str]:
    """Names of the submodules to cut a model at.

    Raises:
        FfreproError: the model is of no known family.
    """
    for family in (_sequence, _residual, _features, _encoder):
        found = family(model)
        if found:
            return found
    children = [name for name, _ in model.named_children()]
    raise FfreproError(
        f"no rule says where to cut a {type(model).__name__}",
        where="at",
        fix=f"name submodules, in any order (it has {', '.join(children)}), or give a function of a name and a module",
    )


def matching(model: nn.Module, wanted: Callable[[str, nn.Module], bool]) -> list[str]:
    """Names of the submodules for which a function says so.

    Raises:
        FfreproError: there is none.
    """
    found = [name for name, module in model.named_modules() if name and wanted(name, module)]
    if not found:
        raise FfreproError(
            "the function names no submodule to cut at",
            where="at",
            fix="return True for at least one (name, module) of model.named_modules()",
        )
    return found


def _sequence(model: nn.Module, prefix: str = "", *, head: bool = True) -> list[str]:
    """The last child of each layer's group of a plain sequence; the last group is the ``head``."""
    if not isinstance(model, nn.Sequential):
        return []
    groups: list[list[tuple[str, nn.Module]]] = []
    for name, child in model.named_children():
        begins = _has_weights(child) and not isinstance(child, _NORMS)
        if not groups or (begins and any(_has_weights(other) for _, other in groups[-1])):
            groups.append([])
        groups[-1].append((name, child))
    ends = []
    for group in groups[:-1] if head else groups:
        kept = [name for name, child in group if not isinstance(child, _BEFORE_HEAD)]
        ends.append(prefix + kept[-1])
    return ends


def _residual(model: nn.Module) -> list[str]:
    """ResNet, ResNeXt, WideResNet and their like: ``layer1`` and on, and what comes before as the stem."""
    names = [name for name, _ in model.named_children()]
    if "layer1" not in names:
        return []
    stem = names[: names.index("layer1")][-1:]
    stages = [name for name in names if name.startswith("layer") and name[5:].isdecimal()]
    return stem + [f"{stage}.{name}" for stage in stages for name, _ in model.get_submodule(stage).named_children()]


def _features(model: nn.Module) -> list[str]:
    """MobileNets, EfficientNets, ConvNeXt, DenseNets (``features`` of blocks), VGG and AlexNet (of layers)."""
    features = getattr(model, "features", None)
    if not isinstance(features, nn.Sequential):
        return []
    children = list(features.named_children())
    dense = [name for name, _ in children if name.startswith(("denseblock", "transition"))]
    if dense:
        stem = [name for name, _ in children[: [name for name, _ in children].index(dense[0])]][-1:]
        return [f"features.{name}" for name in stem + dense]
    if all(not list(child.children()) for _, child in children):
        return _sequence(features, "features.", head=False)
    found = []
    for name, child in children:
        inner = list(child.named_children())
        stage = type(child) is nn.Sequential and all(list(block.children()) for _, block in inner)
        found += [f"features.{name}.{block}" for block, _ in inner] if stage else [f"features.{name}"]
    return found


def _encoder(model: nn.Module) -> list[str]:
    """Vision transformers: every layer of ``encoder.layers`` or ``blocks``."""
    for name in ("encoder.layers", "blocks"):
        try:
            layers = model.get_submodule(name)
        except AttributeError:
            continue
        if isinstance(layers, nn.Sequential | nn.ModuleList):
            return [f"{name}.{child}" for child, _ in layers.named_children()]
    return []


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None
