"""A wrapper around any PyTorch model: cut it into blocks and train these by a local method, or the whole by BP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.core import seeds
from ffrepro.data import arrays, loaders
from ffrepro.data.loaders import LoaderTask
from ffrepro.data.task import Task
from ffrepro.methods.loss_blocks import Loss
from ffrepro.training import evaluate, explain
from ffrepro.training.learner import Learner
from ffrepro.training.library.user_model import Where
from ffrepro.training.library.wrapped_saving import WrappedSaving


def wrap(
    model: nn.Module, at: Where = "auto", method: str | Loss = "sff", *, classes: int, **settings: Any
) -> WrappedLearner:
    """Wrap a model, so that its blocks learn each by itself.

    Args:
        model: trained in place; neither copied nor changed, but for its weights.
        at: names of the submodules at whose outputs gradients stop; ``auto`` for sequences, torchvision's ResNets,
            MobileNets, EfficientNets, DenseNets, ViTs and their like; or a function of (name, module) that says so.
        method: ``sff``, ``cwc``, ``bp`` (the whole model by backpropagation), or a loss of one's own: a function of
            (a block's activations, labels).
        classes: how many.
        settings: see ``WrappedLearner``.

    Raises:
        FfreproError: no such submodule, method or setting; a model that cannot be wrapped.
    """
    return WrappedLearner(model, at, method, classes=classes, **settings)


class WrappedLearner(WrappedSaving, Learner):
    """A model whose blocks learn each by itself.

    Args:
        model, at, method, classes: see ``wrap``.
        precision: ``float32`` or ``bfloat16_mixed``, autocast of the training steps.
        superclasses: the superclass of each class, numbered from 0, for the setting ``coarse_blocks``.
        features: whether the features of activations come ``first``, as behind convolutions, or ``last``, as behind
            linear maps; of all blocks, or a dictionary by submodule; ``auto``: the layers of a block say so.
        settings: those of ``Learner`` and of the method, by name (docs/LIBRARY.md).

    Attributes:
        at: the submodules that it is cut at; after the first batch in the order in which they run.
        history: a dictionary for each epoch of ``fit``, and for each call of ``end_epoch``.
    """

    def fit(
        self, X: Any, y: Any = None, *, epochs: int = 10, validation: Any = None, processes: int = 1
    ) -> WrappedLearner:
        """Train for some epochs; called again, go on from the weights with new optimizers.

        Args:
            X, y: arrays and labels; or all in ``X``: (X, y), a data set, or a loader, which is read every epoch.
                Several inputs of the model are a tuple (by position) or a dictionary (by name) of arrays.
            epochs: at most.
            validation: the like, or with arrays the share that is held out; then the weights of the best epoch are
                kept. The plateau schedules of the blocks go by it, else by the training loss.
            processes: a group of blocks learns in each (docs/LIBRARY.md, "Layers in parallel").

        Raises:
            FfreproError: data that do not fit the model, a cut that is not valid, a loss that is not finite.
        """
        data = X if y is None else (X, y)
        if not self._plateau_chosen and self.training["schedule"] == "plateau":
            self.training["plateau_on"] = "train" if validation is None else "validation"
        data, validation = loaders.several(data, validation, self.training["batch_size"], self.seed)
        if loaders.is_loader(data) or loaders.is_loader(validation):
            return self._fit_loaders(data, validation, epochs, processes)
        super().fit(data, epochs=epochs, validation=validation, processes=processes)
        return self

    def step(self, x: Any, y: Any) -> dict[str, float]:
        """One update on one batch, for a training loop of one's own; the losses by name.

        Where weights learn that did not when training began, optimizers and schedules begin anew.

        Args:
            x: a tensor, a tuple of positional or a dictionary of named inputs of the model. y: labels (B,).

        Raises:
            FfreproError: as ``fit``.
        """
        _, batch = self.prepared(x, y)
        with explain.errors(self.method_name, self.device, batch["x"]):
            losses = self._stepped(batch)
        size = len(batch["label"])
        for name, value in losses.items():
            self._means[name] = self._means.get(name, 0.0) + value * size
        self._seen += size
        return losses

    def prepared(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The method, made on the first batch where it is not there yet, and a batch as its ``step`` takes it."""
        batch = self._own_batch(x, y, "step")
        self._ready(batch)
        return self.method, batch

    def end_epoch(self, validation: Any = None) -> dict[str, float]:
        """End an epoch of a training loop of one's own: every block's schedule decides on its next learning rate.

        Args:
            validation: as for ``fit``; None: schedules go by the training loss.

        Returns:
            the epoch's means of what ``step`` returned (``train/loss``, ...) and the metrics of ``validation``.

        Raises:
            FfreproError: there was no step; the schedule goes by a validation that is not given.
        """
        if not self._seen:
            raise FfreproError("no step was made since the last epoch", where="end_epoch", fix="call step first")
        train = {name: total / self._seen for name, total in self._means.items()}
        val = {} if validation is None else self.evaluate(validation)
        if not self._plateau_chosen and self.training["schedule"] == "plateau":
            for schedule in self.method.schedules:
                schedule.on = "validation" if val else "train"
        rates = self.method.rates()
        self.method.end_epoch(train, val)
        self._means, self._seen = {}, 0
        line = {f"train/{name}": value for name, value in train.items()}
        line |= {f"val/{name}": value for name, value in val.items()}
        self.history.append({"epoch": len(self.history) + 1, **rates, **line})
        return line

    def scores(self, X: Any) -> np.ndarray:
        """What the class is read off, (N, classes): of arrays, several inputs of the model, or a loader's batches."""
        self._require_fitted()
        if not isinstance(X, tuple | dict | Tensor) and not loaders.is_loader(X):
            X = arrays.inputs(X, "inputs")
        with explain.errors(self.method_name, self.device, X):
            found = [self.method.scores(batch, self._scheme) for batch in self._inputs_of(X)]
        if not found:
            raise FfreproError("there are no samples", where="inputs", fix="give at least one sample")
        return torch.cat(found).float().cpu().numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """Accuracy on (X, y), a data set or a loader."""
        return 1 - self.evaluate(X, y)["error"]

    def evaluate(self, X: Any, y: Any = None) -> dict[str, float]:
        """Losses by block, errors by inference scheme, of (X, y), a data set or a loader."""
        self._require_fitted()
        data = X if y is None else (X, y)
        if loaders.is_several(data):
            data = loaders.Batches(data, self.training["batch_size"])
        task = self._any_task({"train": data})
        with explain.errors(self.method_name, self.device, X):
            return task.metrics(evaluate.evaluate_split(self.method, task, "train"))

    def _recipe(self) -> Any:
        """See ``Learner``; a loss of one's own instead of a name, and the model with its cuts."""
        made = super()._recipe()
        method = self.method_name if self._custom is None else self._own_loss
        return replace(made, net=self.cut, method=method, mixed=self.precision != "float32")

    def _fit_loaders(self, data: Any, validation: Any, epochs: int, processes: int) -> WrappedLearner:
        if isinstance(validation, int | float):
            raise FfreproError(
                "no share of a loader can be held out",
                where="validation",
                fix="give a loader or (X, y) to validate on",
            )
        parts = {"train": data} | ({} if validation is None else {"val": validation})
        task = self._any_task(parts)
        explain.require_validation(self.training, parts)
        with seeds.drawing(self.device, "first", self.seed):  # a loader that shuffles draws
            first = next(iter(task.in_order("train")))
        self._build_on(first)
        with explain.errors(self.method_name, self.device, self._example):
            self._train_on(self._any_task(parts), epochs, processes)
        return self

    def _any_task(self, parts: dict[str, Any]) -> Task:
        """A task of loaders; where one part is a loader, arrays come in batches too."""
        assert self.classes is not None
        if not any(map(loaders.is_loader, parts.values())):
            return self._task({name: arrays.samples(data, name) for name, data in parts.items()})
        fed = loaders.all_fed(parts, self.training["batch_size"])
        scheme = self._scheme if self._schemes else self.inference or ""
        return LoaderTask(fed, self.classes, self.device, scheme)

    def _own_batch(self, x: Any, y: Any, where: str) -> Any:
        assert self.classes is not None
        if not isinstance(x, Tensor | tuple | dict):
            x = arrays.inputs(x, where)
        return loaders.batch_of(x, y, self.classes, self.device, where)

    def _inputs_of(self, X: Any) -> Iterator[Any]:
        """Batches of inputs alone: of tensors in pieces of ``batch_size``, or of a loader's, whose labels go."""
        if loaders.is_loader(X):
            for batch in X:
                x = batch if isinstance(batch, Tensor) else loaders.pair_of(batch, "inputs")[0]
                yield self._unlabelled(x)
            return
        size = self.training["batch_size"]
        for begin in range(0, loaders.samples_in(X), size):
            yield self._unlabelled(loaders.piece(X, begin, begin + size))

    def _unlabelled(self, x: Any) -> Any:
        assert self.classes is not None
        return loaders.unlabelled(x, self.classes, self.device, "inputs")
