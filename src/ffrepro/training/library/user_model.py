"""A user's model before and after it learns block by block: what can be wrapped, where it is cut, what stays on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.core import normalisation
from ffrepro.nets import auto_cut
from ffrepro.nets.cut import replace_first
from ffrepro.nets.cut_layout import FIRST, LAST

Where = str | Sequence[str] | Callable[[str, nn.Module], bool]


def require_plain(model: Any) -> None:
    """Refuse what wraps or compiles a model, so that hooks on its parts would not run.

    Raises:
        FfreproError: it is such a thing, or no module.
    """
    if not isinstance(model, nn.Module):
        raise FfreproError(f"the model is a {type(model).__name__}", where="model", fix="give a torch.nn.Module")
    compiled = [name for name, module in model.named_modules() if _is_compiled(module)]
    if compiled:
        raise FfreproError(
            f"{compiled[0] or 'the model'} is compiled as a whole: hooks between its blocks would not run",
            where="model",
            fix="wrap the plain model and compile what the blocks compute: "
            "part.forward = torch.compile(part.forward) for each part between the cuts",
        )
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise FfreproError(
            f"a {type(model).__name__} runs copies of the model",
            where="model",
            fix="wrap the plain model (model.module); one device is supported",
        )
    if next(model.parameters(), None) is None:
        raise FfreproError("the model has no weights", where="model", fix="give a model with something to learn")


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None


def cut_names(model: nn.Module, at: Where) -> list[str]:
    """The submodules to cut at: as given, those of a function, or found for ``auto``.

    Raises:
        FfreproError: a text other than ``auto``; a model that no place is known for.
    """
    if at == "auto":
        return auto_cut.places(model)
    if isinstance(at, str):
        raise FfreproError(f"{at!r} says not where to cut", where="at", fix=f"give 'auto', or a list: [{at!r}]")
    return auto_cut.matching(model, at) if callable(at) else list(at)


def superclass_of(superclasses: Sequence[int] | None, classes: int) -> list[int] | None:
    """Superclasses as whole numbers from 0 on, one a class.

    Raises:
        FfreproError: they are something else.
    """
    if superclasses is None:
        return None
    above = [int(value) for value in superclasses]
    if len(above) != classes or set(above) != set(range(max(above) + 1)):
        raise FfreproError(
            f"{len(above)} superclasses for {classes} classes, numbered {min(above)} to {max(above)}",
            where="superclasses",
            fix="give one for each class, numbered from 0 without a gap",
        )
    return above


def features_of(features: str | Mapping[str, str], at: Sequence[str]) -> str | dict[str, str]:
    """On which side activations have their features, as it was given: of all blocks, or by the names of some.

    Raises:
        FfreproError: another side, or a name that the model is not cut at.
    """
    sides = (FIRST, LAST, "auto")
    by_name = features if isinstance(features, Mapping) else {}
    for name in by_name:
        if name not in at:
            raise unknown("place of a cut", name, at, where="features")
    for side in by_name.values() if isinstance(features, Mapping) else [features]:
        if side not in sides:
            raise unknown("side", str(side), sides, where="features")
    return dict(features) if isinstance(features, Mapping) else features


def keep_norms(blocks: Iterable[nn.Module], epsilon: float) -> None:
    """Leave a layer norm behind each block, as a hook."""
    for block in blocks:
        block.register_forward_hook(partial(_normalise, epsilon=epsilon))


def _normalise(module: nn.Module, inputs: Any, out: Any, *, epsilon: float) -> Any:
    """The hook of ``keep_norms``."""
    return replace_first(out, lambda h: normalisation.layer(h, epsilon))
