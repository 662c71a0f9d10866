"""What a wrapped model begins with: the cut, and the method made on the first batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.data import loaders
from ffrepro.data.arrays import Samples
from ffrepro.methods import loss_blocks
from ffrepro.nets.cut import Cut
from ffrepro.training import explain
from ffrepro.training.library import user_model
from ffrepro.training.library.learner_base import LearnerBase

# Names of the public API, as keywords: a study has a variant that is called like one, and generic code names none.
METHODS = dict(sff="sff", cwc="cwc_blocks", bp="backprop_blocks")
PRECISIONS = ("float32", "bfloat16_mixed")


class WrappedBase(LearnerBase):
    """A cut model, and the method as soon as there is a batch to make it for.

    Args:
        see ``training.wrap.WrappedLearner``.
    """

    def __init__(
        self,
        model: nn.Module,
        at: user_model.Where = "auto",
        method: str | loss_blocks.Loss = "sff",
        *,
        classes: int,
        precision: str = "float32",
        superclasses: Sequence[int] | None = None,
        features: str | Mapping[str, str] = "auto",
        schedule: str = "plateau",
        **settings: Any,
    ):
        user_model.require_plain(model)
        if precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
        name = method if isinstance(method, str) else "loss"
        self._custom = None if isinstance(method, str) else loss_blocks.method_of(method)
        self._own_loss = method
        self._plateau_chosen = "plateau_on" in settings
        cut = Cut(model, user_model.cut_names(model, at))
        cut.superclass_of = user_model.superclass_of(superclasses, classes)
        cut.features = user_model.features_of(features, cut.at)
        super().__init__(cut, METHODS.get(name, name), classes=classes, schedule=schedule, **settings)
        self.cut, self.model, self.precision = cut, model, precision
        self._unwrapped = False
        self._learning: set[int] = set()  # ids of the parameters that the method was made to train
        self._means: dict[str, float] = {}
        self._seen = 0

    @property
    def at(self) -> list[str]:
        """Names of the submodules that the model is cut at."""
        return self.cut.at

    def _find(self, method: str) -> Any:
        if self._custom is not None:
            return self._custom
        known = {*METHODS.values()}
        if method not in known:
            raise unknown("method", method, [*METHODS, *sorted(known - {"sff"})], where="wrap")
        return methods.module(method)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, torch.bfloat16)

    def _begin(self, data: Samples, classes: int) -> None:
        self._build_on(self._batch(data[0][: self.training["batch_size"]], data[1][: self.training["batch_size"]]))

    def _begin_as(self, example: Any, classes: int) -> None:
        self._build_on(loaders.unlabelled(example, classes, self.device, "load"))

    def _build_on(self, batch: Any) -> None:
        """Make the method for batches like this one, and remember two samples of it."""
        self._require_wrapped()
        assert self.classes is not None
        with explain.errors(self.method_name, self.device, batch["x"]):
            self._build(batch, self.classes)
        self._learning = self._can_learn()
        self._example = loaders.first_two(batch["x"])

    def _ready(self, batch: Any) -> None:
        """Make the method on the first batch of a training loop of one's own, and begin its schedules."""
        self._require_wrapped()
        if self._example is None or not self._can_learn() <= self._learning:
            self._build_on(batch)
        if not self.method.schedules:
            self.method.begin_schedule(self.training, 1)

    def _can_learn(self) -> set[int]:
        return {id(parameter) for parameter in self.model.parameters() if parameter.requires_grad}

    def _require_wrapped(self) -> None:
        if self._unwrapped:
            raise FfreproError("the model was unwrapped", where="WrappedLearner", fix="wrap it again: ffrepro.wrap")

    def _require_fitted(self) -> None:
        self._require_wrapped()
        super()._require_fitted()

    def _require_shape(self, x_N: Tensor) -> None:
        """Any shape that the model takes."""
        self._require_fitted()
