"""The library: a net, a method, a user's own data, on the pipeline's trainer. Names as in scikit-learn and skorch."""

from __future__ import annotations

import sys
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.settings import choice, complete, integer, or_none
from ffrepro.core import schedules
from ffrepro.data import arrays
from ffrepro.data.arrays import Samples
from ffrepro.data.in_memory import ArrayTask, sequence_task
from ffrepro.data.task import Batch, Task
from ffrepro.nets import sizes
from ffrepro.training import evaluate, explain, loop, machine, saved
from ffrepro.training.progress import EpochProgress
from ffrepro.training.trainer import Trainer

BATCH_SIZE = 32  # of the library: its users' sets are smaller than those of the papers
PROCESSES = integer("processes that share the layers", 1, minimum=1)
OWN = {
    "classes": or_none(integer("how many classes", minimum=2), None),
    "seed": integer("of what the method draws and of the order of the samples", 0, minimum=0, maximum=2**63 - 1),
    "schedule": choice("of the learning rate", *schedules.SETTINGS, default="multistep"),
}


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


class Learner:
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

    def __init__(
        self,
        net: nn.Module,
        method: str = "ff",
        *,
        classes: int | None = None,
        batch_size: int = BATCH_SIZE,
        lr: float = loop.SETTINGS["lr"].default,
        schedule: str = OWN["schedule"].default,
        inference: str | None = None,
        device: str | None = None,
        seed: int = 0,
        progress: bool | str = "auto",
        **settings: Any,
    ):
        if not isinstance(net, nn.Module):
            raise FfreproError(f"the net is a {type(net).__name__}", where="net", fix="give a torch.nn.Module")
        method = methods.for_net(method, net)
        module: Any = self._find(method)
        complete(OWN, {"classes": classes, "seed": seed, "schedule": schedule}, what="the library")
        own, scheduled = module.SETTINGS, schedules.SETTINGS[schedule]
        explain.require_known(settings, method, own, schedule, scheduled)
        self.net, self.method_name, self.classes, self.inference = net, method, classes, inference
        chosen: dict[str, Any] = getattr(module, "defaults", lambda net: {})(net)
        chosen |= {name: value for name, value in settings.items() if name in own}
        self.hyperparameters = complete(own, chosen, what=f"method {method}")
        given = {"batch_size": batch_size, "lr": lr, "max_epochs": 1}
        self.training = complete(loop.SETTINGS, given, what="training") | {"schedule": schedule}
        chosen = {"final_weights": "best"} if "final_weights" in scheduled else {}
        chosen |= {name: value for name, value in settings.items() if name in scheduled}
        self.training |= complete(scheduled, chosen, what=f"schedule {schedule}")
        self.device, self.seed, self.progress = machine.choose(device), seed, progress
        self.history: list[dict[str, Any]] = []
        self.method: Any = None
        self._module: Any = module
        self._recurrent: bool = getattr(module.Method, "recurrent", False)
        self._example: Tensor | None = None
        self._schemes: list[str] = []
        self._built_for: Any = None  # the batch that the method was made for

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
        method, batch = self.prepared(x, y)
        with explain.errors(self.method_name, self.device, batch["x"]):
            return {name: float(value) for name, value in method.step(batch).items()}

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

    def scores(self, X: Any) -> np.ndarray:
        """What the class is read off: (N, classes), or (N,) logits of class 1 from recurrent methods."""
        x_N = arrays.inputs(X, "inputs")
        self._require_shape(x_N)
        with explain.errors(self.method_name, self.device, x_N):
            batches = (self._batch(some) for some in x_N.split(self.training["batch_size"]))
            return torch.cat([self.method.scores(batch, self._scheme) for batch in batches]).cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The class of every sample, int64 (N,)."""
        scores = self.scores(X)
        return (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(1)

    def score(self, X: Any, y: Any = None) -> float:
        """Accuracy on a user's data: (X, y), a data set or a loader."""
        x_N, label_N = arrays.samples(X if y is None else (X, y), "score")
        return float((self.predict(x_N) == label_N.cpu().numpy()).mean())

    def evaluate(self, X: Any, y: Any = None) -> dict[str, float]:
        """All metrics that the task declares: losses by layer, errors by inference scheme."""
        data = arrays.samples(X if y is None else (X, y), "evaluate")
        self._require_shape(data[0])
        with explain.errors(self.method_name, self.device, data[0]):
            task = self._task({"train": data})
            return task.metrics(evaluate.evaluate_split(self.method, task, "train"))

    def save(self, path: str | Path) -> None:
        """Write weights and settings into a file for ``Learner.load``.

        Raises:
            FfreproError: nothing was fitted; the file cannot be written.
        """
        self._require_fitted()
        saved.write(path, self._content())

    def _content(self) -> dict[str, Any]:
        """What ``save`` writes."""
        return {
            "method": self.method_name, "classes": self.classes, "inference": self.inference, "seed": self.seed,
            "hyperparameters": self.hyperparameters, "training": self.training, "example": self._example,
            "weights": {name: value.cpu() for name, value in self.method.weights().items()},
        }  # fmt: skip

    @classmethod
    def load(cls, path: str | Path, net: nn.Module, *, device: str | None = None) -> Learner:
        """A learner as it was saved, on a net of the same architecture.

        Raises:
            FfreproError: no such file, not one of ``save``, another architecture.
        """
        return cls._restored(path, saved.read(path), net, device=device)

    @classmethod
    def _restored(cls, path: str | Path, content: dict[str, Any], net: nn.Module, **own: Any) -> Self:
        """A learner from a file's content; ``own``: further arguments."""
        training, example = content["training"], content["example"]
        shown = {name: training[name] for name in ("batch_size", "lr", "schedule")}
        scheduled = {name: training[name] for name in schedules.SETTINGS[training["schedule"]]}
        learner = cls(
            net, method=content["method"], classes=content["classes"], inference=content["inference"],
            seed=content["seed"], **own, **shown, **scheduled, **content["hyperparameters"],
        )  # fmt: skip
        learner._begin_as(example, content["classes"])
        try:
            learner.method.load_weights(content["weights"])
        except (RuntimeError, KeyError) as error:
            raise FfreproError(
                f"the weights are of another net: {str(error).splitlines()[-1].strip()}",
                where=path,
                fix="build the net with the sizes that it was saved with",
            ) from None
        return learner

    @property
    def _scheme(self) -> str:
        """The inference scheme in use."""
        return self.inference or self._schemes[0]

    def _find(self, method: str) -> Any:
        """The method's module."""
        return methods.module(method)

    def _autocast(self) -> AbstractContextManager[Any]:
        """The context of each training step."""
        return nullcontext()

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

    def _classes_of(self, label_N: Tensor) -> int:
        """How many classes: given, of a net that is built for a number, or as many as there are labels."""
        built = getattr(self.net, "classes", None) if getattr(self.net, "head", None) is not None else None
        known = self.classes or (2 if self._recurrent else built)
        found = arrays.count_classes(label_N, known)
        if built is not None and found != built:
            raise FfreproError(
                f"the net is built for {built} classes, `classes` is {found}",
                where="classes",
                fix="build the net for as many classes",
            )
        return found

    def _begin(self, data: Samples, classes: int) -> None:
        """Make the method for data like these, with the weights of the one before, if there was one."""
        if self._example is not None:
            self._require_shape(data[0])
        explain.require_kind(self.net, self.method_name, self._recurrent, data[0])
        with explain.errors(self.method_name, self.device, data[0]):
            self._build(self._batch(data[0][:2], data[1][:2]), classes)
        self._example = data[0][:2].cpu().clone()

    def _begin_as(self, example: Any, classes: int) -> None:
        """``_begin`` with the two samples of a saved learner."""
        self._begin((example, torch.zeros(len(example), dtype=torch.int64)), classes)

    def _build(self, example: Batch, classes: int) -> None:
        """Make the method for batches like this one, with the weights of the one before, if there was one."""
        net: Any = sizes.as_net(self.net.to(self.device), example["x"])
        net.classes = classes
        generator = torch.Generator().manual_seed(self.seed)
        method = self._module.Method(net, self.hyperparameters, example, generator, self.training["lr"])
        self._built_for = example
        observed = method.evaluate_batch(example)
        if self._recurrent:
            schemes = ["ensemble", "last"] if "layer_logit" in observed else ["one_pass"]
        else:
            schemes = [name.removeprefix("scores_") for name in observed if name.startswith("scores_")]
        if self.inference is not None and self.inference not in schemes:
            raise unknown("inference", self.inference, schemes, where=f"method {self.method_name}")
        if self._example is not None:
            method.load_weights(self.method.weights())
        self.method, self.classes, self._schemes = method, classes, schemes

    def _batch(self, x_B: Tensor, label_B: Tensor | None = None) -> Batch:
        """Samples as methods take them; without labels all are 0."""
        x_B = x_B.to(self.device)
        label_B = torch.zeros(len(x_B), dtype=torch.int64) if label_B is None else label_B
        index_B = torch.arange(len(x_B), device=self.device)
        x = x_B.transpose(0, 1).contiguous() if self._recurrent else x_B
        return {"x": x, "label": label_B.to(self.device), "index": index_B}

    def _task(self, parts: dict[str, Samples], batch_size: int | None = None) -> Task:
        batch_size = batch_size or self.training["batch_size"]
        if self._recurrent:
            return sequence_task(parts, batch_size, self.device, self.hyperparameters.get("loss_reduction", "joint"))
        assert self.classes is not None
        return ArrayTask(parts, self.classes, batch_size, self.device, self._scheme)

    def _require_fitted(self) -> None:
        if self._example is None:
            raise FfreproError("the learner has learnt nothing yet", where="Learner", fix="call fit or step first")

    def _require_shape(self, x_N: Tensor) -> None:
        self._require_fitted()
        if self._example is not None and x_N.shape[1:] != self._example.shape[1:]:
            raise FfreproError(
                f"samples have shape {tuple(x_N.shape[1:])}, it learnt from {tuple(self._example.shape[1:])}",
                where="inputs",
                fix="give samples of the shape that it was trained on, even a single one as (1, ...)",
            )
