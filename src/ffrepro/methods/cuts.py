"""Base class of the methods that train a cut net (``nets.cut``): an AdamW and a schedule for each part.

Parts are the blocks and, last, the head: what lies behind the last cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, flag, number, or_none
from ffrepro.core import normalisation, schedules
from ffrepro.methods import images
from ffrepro.methods.base import BaseMethod, Batch, classes_of
from ffrepro.nets.cut import as_cut
from ffrepro.nets.cut_check import examine
from ffrepro.nets.cut_layout import FIRST, LAST

SETTINGS = {
    "weight_decay": number("AdamW's", 0.0, minimum=0),
    "head_lr": or_none(number("initial learning rate of the head; None: that of the blocks", above=0), None),
    "clip_norm": or_none(number("largest length of each part's gradient; None: any", above=0), None),
    "norm": choice("of a block's activations before the next, over all of a sample", "layer", "none", default="layer"),
    "norm_epsilon": number("added to the variance", 1e-5, above=0),
    "channels_last": flag("whether images and kernels are laid out channels last", True),
}
HEAD = "head"  # the name of what lies behind the last cut


class CutMethod(BaseMethod):
    """A cut net, whose parts learn by AdamW; subclasses call ``add_parts`` and define ``step``.

    Modules that are in evaluation mode while others are not (frozen BatchNorm, say) stay there.

    Attributes:
        cut: the net. anatomy: see ``nets.cut_check``. parts: parameters of each part, by its name.

    Raises:
        FfreproError: the net cannot be cut there (``nets.cut_check``), or was built for no classes.
    """

    cuts = True  # trains a ``nets.cut.Cut``

    def __init__(self, net: nn.Module, hyperparameters: dict, example: Batch):
        self.cut = as_cut(net)
        super().__init__(self.cut, hyperparameters)
        self.classes = classes_of(net)
        volumes = any(parameter.ndim > 4 for parameter in self.cut.parameters())  # have a layout of their own
        self.conv = hyperparameters["channels_last"] and not volumes and images.lay_out(self.cut)
        self.cut.read_modes()
        types = {parameter.dtype for parameter in self.cut.parameters() if parameter.is_floating_point()}
        self.dtype = types.pop() if len(types) == 1 else None  # None: the net itself knows what it takes
        self.anatomy = examine(self.cut, self.take(example))
        self.parts: dict[str, list[nn.Parameter]] = {}

    def add_parts(self, parts: Mapping[str, list[nn.Parameter]], lr: float, *, together: bool) -> None:
        """AdamW for every part, the one named ``head`` with a rate of its own.

        Args:
            together: as one optimizer with a group for each part, else as one for each.
        """
        self.parts = dict(parts)
        groups = [{"params": own, "lr": self._rate(name, lr)} for name, own in parts.items()]
        sets = [groups] if together else [[group] for group in groups]
        decay = self.hp["weight_decay"]
        self.optimizers = [torch.optim.AdamW(some, weight_decay=decay, fused=True) for some in sets]

    def take(self, batch: Batch) -> Any:
        """The batch's inputs, one tensor or several, in the net's memory format and floating type."""
        x = batch["x"]
        if isinstance(x, dict):
            return {name: self._taken(value) for name, value in x.items()}
        return tuple(map(self._taken, x)) if isinstance(x, tuple) else self._taken(x)

    def _taken(self, x: Tensor) -> Tensor:
        x = x.to(self.dtype) if self.dtype is not None and x.is_floating_point() else x
        return images.take({"x": x}, self.conv)

    def train(self) -> None:
        """Put the net into training mode, but for what is to stay in evaluation mode."""
        self.cut.train()

    def normalise(self, h: Tensor) -> Tensor:
        """What of a block's activations goes on: layer norm, or they themselves."""
        return h if self.hp["norm"] == "none" else normalisation.layer(h, self.hp["norm_epsilon"])

    def moved(self, block: int) -> bool:
        """Whether the features of a block's activations are on the side where the methods do not expect them.

        Raises:
            FfreproError: nothing says on which side they are.
        """
        shape, name, given = self.anatomy.shapes[block], self.cut.at[block], self.cut.features
        chosen = given if isinstance(given, str) else given.get(name, "auto")
        side = self.anatomy.features[block] if chosen == "auto" else chosen
        if side is None:
            raise FfreproError(
                f"activations of shape {shape}, and its layers disagree on whether features come first or last",
                where=f"at, {name}",
                fix=f"say so: features={{{name!r}: 'first'}} or 'last' as an argument of wrap",
            )
        return (len(shape) == 2 and side == FIRST) or (len(shape) == 3 and side == LAST)

    def shape(self, block: int) -> tuple[int, ...]:
        """Of a block's activations as ``laid_out`` returns them, without the batch."""
        shape = self.anatomy.shapes[block]
        return (shape[-1], *shape[:-1]) if self.moved(block) else shape

    def features(self, block: int) -> int:
        """How many features, channels that is, a block's activations have."""
        shape = self.shape(block)
        return shape[0] if len(shape) == 3 else shape[-1]

    def laid_out(self, block: int, h: Tensor) -> Tensor:
        """A block's activations as (B, D), (B, positions, D) or (B, D, H, W), whatever side their features are on."""
        return h.movedim(-1, 1) if self.moved(block) else h

    def clip(self, part: str) -> None:
        """Limit the length of a part's gradient, as ``clip_norm`` says."""
        if self.hp["clip_norm"] is not None:
            nn.utils.clip_grad_norm_(self.parts[part], self.hp["clip_norm"])

    def require_outputs(self) -> None:
        """Refuse a net whose output is no score for each class.

        Raises:
            FfreproError: it has another shape, or fewer outputs than there are classes.
        """
        out = self.anatomy.out
        if len(out) != 1 or out[0] < self.classes:
            raise FfreproError(
                f"the net's output has shape {out} a sample, and there are {self.classes} classes",
                where="net",
                fix="give the net an output for each class, or set `head` to all or none",
            )

    def _rate(self, part: str, lr: float) -> float:
        return (self.hp["head_lr"] or lr) if part == HEAD else lr

    def begin_schedule(self, settings: dict, epochs: int) -> None:
        """A schedule for every part, each from its own initial rate."""
        initial = [settings | {"lr": self._rate(part, settings["lr"])} for part in self.parts]
        self.schedules = [schedules.build(own, epochs) for own in initial]
        self._set_rates()

    def end_epoch(self, train: dict[str, float], val: dict[str, float]) -> None:
        """Every part's schedule goes by the loss that is its own."""
        for part, schedule in zip(self.parts, self.schedules, strict=True):
            schedule.end_epoch(self.own_loss(part, train), self.own_loss(part, val))
        self._set_rates()

    def own_loss(self, part: str, values: dict[str, float]) -> dict[str, float]:
        """What among an epoch's means or metrics is a part's own, as ``loss``."""
        return values

    def rates(self) -> dict[str, float]:
        """``lr``, the first part's, and ``lr_<part>`` of each."""
        own = {f"lr_{part}": schedule.lr for part, schedule in zip(self.parts, self.schedules, strict=True)}
        return {"lr": self.schedules[0].lr} | (own if len(own) > 1 else {})

    def _set_rates(self) -> None:
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group, schedule in zip(groups, self.schedules, strict=True):
            group["lr"] = schedule.lr
