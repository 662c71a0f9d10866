"""The library: a net, a method, a user's own data. Names as in scikit-learn and skorch; the trainer is the pipeline's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ffrepro import methods
from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest, unknown
from ffrepro.base.settings import complete
from ffrepro.core import schedules
from ffrepro.data import arrays
from ffrepro.data.task import Task
from ffrepro.nets import rnn, sizes
from ffrepro.training import evaluate, loop
from ffrepro.training.progress import EpochProgress
from ffrepro.training.trainer import Trainer

FORMAT = 1
SCHEDULE = "multistep"  # without milestones: a constant learning rate


def fit(net: nn.Module, data: Any, method: str = "ff", *, epochs: int = 10, validation: Any = None, **settings: Any):
    """Train a net on data with a method; the fitted ``Learner``.

    Args:
        net: of ``ffrepro.nets``, an ``nn.Sequential``, or any module with ``blocks`` (``ffrepro.nets.blocks``).
        data: (X, y), a data set or a loader; see ``ffrepro.data.arrays.samples``.
        method: a name of ``ffrepro.methods``: ``ff``, ``cwc``, ``backprop``, ...
        epochs: of each phase of the method, at most.
        validation: the like of ``data``, or the share of it that is held out; then the weights of the best epoch
            are kept.
        settings: see ``Learner``.
    """
    learner = Learner(net, method, **settings)
    return learner.fit(data, epochs=epochs, validation=validation)


class Learner:
    """A net that learns by a method.

    Args:
        net: see ``fit``. Its weights are trained in place.
        method: a name of ``ffrepro.methods``.
        classes: how many; None: as many as the labels that ``fit`` sees.
        batch_size, lr: of training.
        schedule: ``multistep``, ``cosine`` or ``plateau`` (``core.schedules``).
        inference: how a class is read off, where the method has several ways (``one_pass``, ``multi_pass``, ...); None:
            the first that it offers.
        device: ``cpu``, ``cuda``, ``mps``; None: the best there is.
        seed: of what the method draws and of the samples' order.
        progress: show a progress bar (or lines, where there is no terminal).
        settings: of the method and of the schedule, by name (``SETTINGS`` in their modules); what is not given has
            its default.

    Attributes:
        history: a dictionary an epoch, as in a record's metrics.jsonl.

    Raises:
        FfreproError: an unknown method, device or setting, a value that is not allowed.
    """

    def __init__(
        self,
        net: nn.Module,
        method: str = "ff",
        *,
        classes: int | None = None,
        batch_size: int = loop.SETTINGS["batch_size"].default,
        lr: float = loop.SETTINGS["lr"].default,
        schedule: str = SCHEDULE,
        inference: str | None = None,
        device: str | None = None,
        seed: int = 0,
        progress: bool = False,
        **settings: Any,
    ):
        if not isinstance(net, nn.Module):
            raise FfreproError(f"the net is a {type(net).__name__}", where="net", fix="give a torch.nn.Module")
        module = methods.module(method)
        if schedule not in schedules.SETTINGS:
            raise unknown("schedule", schedule, schedules.SETTINGS)
        own, scheduled = module.SETTINGS, schedules.SETTINGS[schedule]
        for name in settings:
            if name not in own and name not in scheduled:
                close = nearest(name, [*own, *scheduled])
                raise FfreproError(
                    f"method {method} has no setting {name!r}",
                    where=name,
                    fix=f"{f'did you mean {close!r}? ' if close else ''}it has: {', '.join(own)}; "
                    f"schedule {schedule}: {', '.join(scheduled)}",
                )
        self.net, self.method_name, self.classes, self.inference = net, method, classes, inference
        self.hyperparameters = complete(own, {k: v for k, v in settings.items() if k in own}, what=f"method {method}")
        given = {"batch_size": batch_size, "lr": lr, "max_epochs": 1}
        self.training = complete(loop.SETTINGS, given, what="training") | {"schedule": schedule}
        self.training |= complete(scheduled, {k: v for k, v in settings.items() if k in scheduled}, what=schedule)
        self.device, self.seed, self.progress = _device(device), seed, progress
        self.history: list[dict] = []
        self.method = None
        self._steps = 0

    def fit(self, X: Any, y: Any = None, *, epochs: int = 10, validation: Any = None) -> Learner:
        """Train for some epochs; called again, go on from the weights with new optimizers.

        Args:
            X, y: inputs and labels; or all in ``X``: (X, y), a data set, a loader.
            epochs, validation: see ``ffrepro.fit``.

        Raises:
            FfreproError: data that do not fit the net or the method, a loss that is not finite.
        """
        parts = self._parts(X if y is None else (X, y), validation)
        if self.classes is None:
            self.classes = int(max(label_N.max() for _, label_N in parts.values())) + 1
        task = self._task(parts)
        self._build(next(iter(task.in_order("train"))))
        settings = self.training | complete(
            {"max_epochs": loop.SETTINGS["max_epochs"]}, {"max_epochs": epochs}, what="fit"
        )
        if "val" in parts:
            settings["final_weights"] = "best"
        order = torch.Generator().manual_seed(self.seed)
        trainer = Trainer(self.method, task, settings, order=order, name=f"fit {self.method_name}")
        self.history = []
        if self.progress:
            with EpochProgress(trainer.name, trainer.total, 0, task) as bar:
                trainer.train(lambda line: (self.history.append(line), bar.advance(line)))
        else:
            trainer.train(self.history.append)
        self.method.load_weights(trainer.best_weights)
        return self

    def step(self, x: Any, y: Any) -> dict[str, float]:
        """One update on one batch, for a training loop of one's own; the losses by name.

        Raises:
            FfreproError: ``classes`` was not given, data that do not fit.
        """
        x_B, label_B = arrays.samples((x, y), "batch")
        if self.classes is None:
            raise FfreproError(
                "one batch does not tell how many classes there are", where="classes", fix="give `classes` to Learner"
            )
        batch = next(iter(self._task({"train": (x_B, label_B)}, batch_size=len(x_B)).in_order("train")))
        if self.method is None:
            self._build(batch)
            self.method.begin_schedule(self.training, 1)
            self.method.begin_phase(self.method.phases()[0])
        return {name: float(value) for name, value in self.method.step(batch).items()}

    def scores(self, X: Any) -> np.ndarray:
        """What the class is read off: (N, classes), or (N,) logits of class 1 from recurrent methods."""
        self._require_fitted()
        x_N = arrays.inputs(X, "inputs")
        task = self._task({"train": (x_N, torch.zeros(len(x_N), dtype=torch.int64))})
        inference = self.inference or self._schemes[0]
        found = [self.method.scores(batch, inference) for batch in task.in_order("train")]
        return torch.cat(found).cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The class of every sample, int64 (N,)."""
        scores = self.scores(X)
        return (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(1)

    def score(self, X: Any, y: Any = None) -> float:
        """Accuracy on a user's data: (X, y), a data set or a loader."""
        x_N, label_N = arrays.samples(X if y is None else (X, y), "score")
        return float((self.predict(x_N) == label_N.numpy()).mean())

    def evaluate(self, X: Any, y: Any = None) -> dict[str, float]:
        """All metrics that the task declares: losses by layer, errors by inference scheme."""
        self._require_fitted()
        task = self._task({"train": arrays.samples(X if y is None else (X, y), "evaluate")})
        return task.metrics(evaluate.observe(self.method, task, "train"))

    def save(self, path: str | Path) -> None:
        """Write weights and settings into a file for ``Learner.load``.

        Raises:
            FfreproError: nothing was fitted; the file cannot be written.
        """
        self._require_fitted()
        content = {
            "format": FORMAT,
            "method": self.method_name,
            "classes": self.classes,
            "inference": self.inference,
            "seed": self.seed,
            "hyperparameters": self.hyperparameters,
            "training": self.training,
            "example": self._example.cpu(),
            "weights": {name: value.cpu() for name, value in self.method.weights().items()},
        }
        with files.atomic_writer(path) as file:
            torch.save(content, file)

    @classmethod
    def load(cls, path: str | Path, net: nn.Module, *, device: str | None = None) -> Learner:
        """A learner as it was saved, on a net of the same architecture.

        Raises:
            FfreproError: no such file, not one of ``save``, another architecture.
        """
        try:
            content = torch.load(path, weights_only=True)
            if content["format"] != FORMAT:
                raise KeyError(f"format {content['format']}")
        except FileNotFoundError:
            raise FfreproError("no such file", where=path, fix="save one: learner.save(path)") from None
        except Exception as error:
            raise FfreproError(
                f"not a saved learner ({type(error).__name__})", where=path, fix="save it again: learner.save(path)"
            ) from error
        training = dict(content["training"])
        shown = {name: training[name] for name in ("batch_size", "lr", "schedule")}
        scheduled = {name: training[name] for name in schedules.SETTINGS[training["schedule"]]}
        learner = cls(
            net, content["method"], classes=content["classes"], inference=content["inference"], seed=content["seed"],
            device=device, **shown, **scheduled, **content["hyperparameters"],
        )  # fmt: skip
        example = content["example"]
        task = learner._task({"train": (example, torch.zeros(len(example), dtype=torch.int64))})
        learner._build(next(iter(task.in_order("train"))))
        try:
            learner.method.load_weights(content["weights"])
        except (RuntimeError, KeyError) as error:
            raise FfreproError(
                f"the weights are of another net: {str(error).splitlines()[-1].strip()}",
                where=path,
                fix="build the net with the sizes that it was saved with",
            ) from None
        return learner

    def _parts(self, data: Any, validation: Any) -> dict[str, arrays.Samples]:
        x_N, label_N = arrays.samples(data, "train")
        if validation is None:
            return {"train": (x_N, label_N)}
        if isinstance(validation, float):
            if not 0 < validation < 1 or not 1 <= int(validation * len(x_N)) < len(x_N):
                raise FfreproError(
                    f"a share of {validation:g} of {len(x_N)} samples leaves nothing to train or to validate on",
                    where="validation",
                    fix="give a share between 0 and 1, or (X, y)",
                )
            order = torch.randperm(len(x_N), generator=torch.Generator().manual_seed(self.seed))
            held, rest = order[: int(validation * len(x_N))], order[int(validation * len(x_N)) :]
            return {"train": (x_N[rest], label_N[rest]), "val": (x_N[held], label_N[held])}
        parts = {"train": (x_N, label_N), "val": arrays.samples(validation, "validation")}
        shapes = [tuple(x.shape[1:]) for x, _ in parts.values()]
        if shapes[0] != shapes[1]:
            raise FfreproError(
                f"samples of shape {shapes[1]} to validate on, {shapes[0]} to train on",
                where="validation",
                fix="bring both to one shape",
            )
        return parts

    def _task(self, parts: dict[str, arrays.Samples], batch_size: int | None = None) -> Task:
        batch_size = batch_size or self.training["batch_size"]
        if isinstance(self.net, rnn.Rnn):
            shape = parts["train"][0].shape
            if len(shape) != 3:
                raise FfreproError(
                    f"inputs of shape {tuple(shape)} for a recurrent net",
                    where="train",
                    fix="give sequences: (samples, time steps, features)",
                )
            reduction = self.hyperparameters.get("loss_reduction", "joint")
            return arrays.sequence_task(parts, batch_size, self.device, reduction)
        inference = self.inference or (self._schemes[0] if self.method is not None else "one_pass")
        return arrays.ArrayTask(parts, self.classes, batch_size, self.device, inference)

    def _build(self, batch: dict[str, Tensor]) -> None:
        self._example = batch["x"][:, :2] if isinstance(self.net, rnn.Rnn) else batch["x"][:2]
        net = sizes.as_net(self.net.to(self.device), self._example)
        if getattr(net, "classes", None) not in (None, self.classes):
            raise FfreproError(
                f"the net is built for {net.classes} classes, the labels are of {self.classes}",
                where="classes",
                fix="build the net for as many classes",
            )
        net.classes = self.classes
        generator = torch.Generator().manual_seed(self.seed)
        module = methods.module(self.method_name)
        try:
            self.method = module.Method(net, self.hyperparameters, batch, generator, self.training["lr"])
            observed = self.method.observe(_first(batch, isinstance(self.net, rnn.Rnn)))
        except FfreproError:
            raise
        except (RuntimeError, AttributeError, TypeError, ValueError) as error:
            raise FfreproError(
                f"the net and the data do not fit, or method {self.method_name} cannot train this net: {error}",
                where=f"inputs of shape {tuple(batch['x'].shape)}",
                fix="check the net's number of inputs against the data, and docs/LIBRARY.md for what the method needs",
            ) from error
        self._schemes = [name.removeprefix("scores_") for name in observed if name.startswith("scores_")] or [
            "ensemble"
        ]
        if self.inference is not None and self.inference not in self._schemes:
            raise unknown("inference", self.inference, self._schemes, where=f"method {self.method_name}")

    def _require_fitted(self) -> None:
        if self.method is None:
            raise FfreproError("the learner has learnt nothing yet", where="Learner", fix="call fit or step first")


def _first(batch: dict[str, Tensor], time_major: bool) -> dict[str, Tensor]:
    """The first two samples of a batch."""
    return {name: value[:, :2] if time_major and name == "x" else value[:2] for name, value in batch.items()}


def _device(name: str | None) -> str:
    """A device that is here.

    Raises:
        FfreproError: it is not.
    """
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name is None:
        return next(device for device, available in here.items() if available)
    if not here.get(name.partition(":")[0], False):
        available = [device for device, is_here in here.items() if is_here]
        raise FfreproError(f"no device {name!r} here", where="device", fix=f"there is: {', '.join(available)}")
    return name
