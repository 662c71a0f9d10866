"""A cut net that begins with the weights of another training: its blocks get them, and may stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.nets.cut import Cut
from ffrepro.nets.cut_check import examine


def begin_from(net: nn.Module, x: Any, weights: Mapping[str, Tensor] | None, *, frozen: bool, where: object) -> None:
    """Give the blocks of a cut net the weights and buffers of another one; the head keeps its own.

    Args:
        net: changed in place.
        x: a batch's inputs, which show what lies behind the last cut.
        weights: by name, as a method's ``weights`` returns them; None: the blocks keep their own, too.
        frozen: no gradient for the blocks, and their modules stay in evaluation mode (BatchNorm's statistics).

    Raises:
        FfreproError: the net is not cut, or the weights are of another one.
    """
    if not isinstance(net, Cut):
        raise FfreproError(
            f"a {type(net).__name__} has no cuts: its blocks cannot begin with weights of another run",
            where=where,
            fix="choose a net that is cut into blocks",
        )
    head = {id(parameter) for parameter in examine(net, x).parameters[-1]}
    of_head = {name for name, parameter in net.named_parameters() if id(parameter) in head}
    if weights is not None:
        own = net.state_dict()
        given = {name: value for name, value in weights.items() if not name.startswith("extra.")}
        wrong = sorted(own.keys() ^ given.keys())
        wrong += [name for name in own.keys() & given.keys() - of_head if own[name].shape != given[name].shape]
        if wrong:
            raise FfreproError(
                f"the weights are of another net: {wrong[0]} does not fit",
                where=where,
                fix="start from a run of the same net with the same settings",
            )
        net.load_state_dict(own | {name: value for name, value in given.items() if name not in of_head})
    if frozen:
        _freeze(net, head)


def _freeze(net: Cut, head: set[int]) -> None:
    for parameter in net.parameters():
        if id(parameter) not in head:
            parameter.requires_grad_(False)
    for module in net.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(id(parameter) in head for parameter in own):
            module.eval()
