"""The library: a net, a method, a user's own data, on the pipeline's trainer. Names as in scikit-learn and skorch."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import torch
from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import complete, integer
from ffrepro.data import arrays
from ffrepro.data.task import Task
from ffrepro.training import explain, loop
from ffrepro.training.library.prediction import Prediction
from ffrepro.training.library.saving import Saving
from ffrepro.training.progress import EpochProgress
from ffrepro.training.trainer import Trainer

PROCESSES = integer("processes that share the layers", 1, minimum=1)


def fit(
    net: nn.Module,
    data: Any,
    method: str = "ff",
    *,
    epochs: int = 10,
    validation: Any = None,
    processes: int = 1,
    **settings: Any,
) -> Learner:
    """Train a net on data with a method; the fitted ``Learner``.

    Args:
        net: of ``ffrepro.nets``, an ``nn.Sequential``, or any module with ``blocks`` (``ffrepro.nets.blocks``).
        data: (X, y), a data set or a loader; see ``ffrepro.data.arrays.samples``.
        method: a name of ``ffrepro.methods.names()``: ``ff``, ``cwc``, ``backprop``, ...
        epochs: of each phase of the method, at most.
        validation: the like of ``data``, or the share of it that is held out; then the weights of the best epoch
            are kept.
        processes: a group of layers learns in each (docs/LIBRARY.md, "Layers in parallel").
        settings: see ``Learner``.
    """
    return Learner(net, method, **settings).fit(data, epochs=epochs, validation=validation, processes=processes)


class Learner(Prediction, Saving):
    """A net that learns by a method.

    Args:
        net: see ``fit``. Its weights are trained in place.
        method: a name of ``ffrepro.methods.names()``.
        classes: how many; None: as many as the labels that ``fit`` sees.
        batch_size, lr: of training.
        schedule: ``multistep`` (without milestones: constant), ``cosine`` or ``plateau``, which also stops early.
        inference: how a class is read off, where the method has several ways (``one_pass``, ``multi_pass``, ...); None:
            the first that it offers.
        device: ``cpu``, ``cuda``, ``mps``; None: the best there is. All samples of ``fit`` live on it.
        seed: of what the method draws and of the samples' order.
        progress: show a bar, or not; ``auto``: on a terminal and in a notebook.
        settings: of the method and of the schedule, by name (docs/LIBRARY.md); what is not given has its default.

    Attributes:
        history: a dictionary an epoch of all calls of ``fit``, as in a record's metrics.jsonl.

    Raises:
        FfreproError: an unknown method, device or setting, a value that is not allowed.
    """

    def fit(self, X: Any, y: Any = None, *, epochs: int = 10, validation: Any = None, processes: int = 1) -> Learner:
        """Train for some epochs; called again, go on from the weights with new optimizers.

        Args:
            X, y: inputs and labels; or all in ``X``: (X, y), a data set, a loader.
            epochs, validation, processes: see ``ffrepro.fit``.

        Raises:
            FfreproError: data that do not fit the net or the method, a loss that is not finite.
        """
        limit = complete({"max_epochs": loop.SETTINGS["max_epochs"]}, {"max_epochs": epochs}, what="fit")
        parts = arrays.splits(X if y is None else (X, y), validation, self.seed)
        explain.require_validation(self.training, parts)
        explain.require_kind(self.net, self.method_name, self._recurrent, parts["train"][0])
        self._begin(parts["train"], self._classes_of(parts["train"][1]))
        advice = getattr(self._module, "advice", lambda *_: None)(parts["train"][0], self.classes, self.hyperparameters)
        if advice:
            warnings.warn(advice, stacklevel=2)
        with explain.errors(self.method_name, self.device, parts["train"][0]):
            self._train_on(self._task(parts), limit["max_epochs"], processes)
        return self

    def step(self, x: Any, y: Any) -> dict[str, float]:
        """One update on one batch, for a training loop of one's own; the losses by name.

        Raises:
            FfreproError: ``classes`` was not given, data that do not fit, a method that trains in several phases.
        """
        _, batch = self.prepared(x, y)
        with explain.errors(self.method_name, self.device, batch["x"]):
            return self._stepped(batch)

    def prepared(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The method, made on the first batch where it is not there yet, and a batch as its ``step`` takes it.

        Raises:
            FfreproError: as ``step``.
        """
        data = arrays.samples((x, y), "batch")
        if self.classes is None and not self._recurrent:
            raise FfreproError(
                "one batch does not tell how many classes there are", where="classes", fix="give `classes` to Learner"
            )
        if self._example is None:
            self._begin(data, self.classes or 2)
            self.method.begin_schedule(self.training, 1)
        phases = self.method.phases()
        if len(phases) > 1:
            raise FfreproError(
                f"with these settings {self.method_name} trains in phases: {', '.join(p.name for p in phases)}",
                where="step",
                fix="use fit, or let all parts learn together (`update`, `head`)",
            )
        self._require_shape(data[0])
        with explain.errors(self.method_name, self.device, data[0]):
            (batch,) = self._task({"train": data}, batch_size=len(data[0])).in_order("train")
            self.method.begin_phase(phases[0])
        return self.method, batch

    def _train_on(self, task: Task, epochs: int, processes: int = 1) -> None:
        """Train to the end, and take the best weights."""
        complete({"processes": PROCESSES}, {"processes": processes}, what="fit")
        pieces = (self.method, task, self.training | {"max_epochs": epochs})
        named: dict[str, Any] = {
            "order": torch.Generator().manual_seed(self.seed),
            "autocast": self._autocast,
            "name": f"fit {self.method_name}",
        }
        if processes > 1:
            from ffrepro.training.parallel import pipeline

            self.history = pipeline.run(
                self._recipe(),
                self.method,
                processes,
                lambda pipe: self._train(pipeline.PipelineTrainer(pipe, *pieces, **named)),
                self.history,
            )
            return
        trainer = self._train(Trainer(*pieces, **named))
        self.method.load_weights(trainer.best_weights)

    def _recipe(self) -> Any:
        """What another process needs to make the same method."""
        from ffrepro.training.parallel.recipe import Recipe

        assert self.classes is not None
        return Recipe(
            self.net, self.method_name, self.hyperparameters, self._built_for, self.classes, self.seed,
            self.training["lr"], str(self.device), mixed=False,
        )  # fmt: skip

    def _train(self, trainer: Trainer) -> Trainer:
        bar = self.progress is True or sys.stderr.isatty() or "ipykernel" in sys.modules
        if self.progress is False or not bar:
            trainer.train(self.history.append)
            return trainer
        with EpochProgress(trainer.name, trainer.total, 0, trainer.task, bar=True) as shown:

            def on_epoch(line: dict[str, Any]) -> None:
                self.history.append(line)
                shown.advance(line)

            trainer.train(on_epoch)
        return trainer
