"""A wrapper around any PyTorch model: cut it into blocks and train these by a local method, or the whole by BP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.core import normalisation
from ffrepro.data import arrays, loaders
from ffrepro.data.arrays import Samples
from ffrepro.data.loaders import LoaderTask
from ffrepro.data.task import Task
from ffrepro.methods import loss_blocks
from ffrepro.nets import auto_cut
from ffrepro.nets.cut import Cut, replace_first
from ffrepro.training import evaluate, explain, saved
from ffrepro.training.learner import Learner

Where = str | Sequence[str] | Callable[[str, nn.Module], bool]
Loss = loss_blocks.Loss
# Names of the public API, as keywords: a study has a variant that is called like one, and generic code names none.
METHODS = dict(sff="sff", cwc="cwc_blocks", bp="backprop_blocks")
PRECISIONS = ("float32", "bfloat16_mixed")


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


class WrappedLearner(Learner):
    """A model whose blocks learn each by itself.

    Args:
        model, at, method, classes: see ``wrap``.
        precision: ``float32`` or ``bfloat16_mixed``, autocast of the training steps.
        superclasses: the superclass of each class, numbered from 0, for the setting ``coarse_blocks``.
        settings: those of ``Learner`` and of the method, by name (docs/LIBRARY.md).

    Attributes:
        at: the submodules that it is cut at; after the first batch in the order in which they run.
        history: a dictionary for each epoch of ``fit``, and for each call of ``end_epoch``.
    """

    def __init__(
        self,
        model: nn.Module,
        at: Where = "auto",
        method: str | Loss = "sff",
        *,
        classes: int,
        precision: str = "float32",
        superclasses: Sequence[int] | None = None,
        schedule: str = "plateau",
        **settings: Any,
    ):
        _require_plain(model)
        if precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
        name = method if isinstance(method, str) else "loss"
        self._custom = None if isinstance(method, str) else loss_blocks.method_of(method)
        self._own_loss = method
        self._plateau_chosen = "plateau_on" in settings
        cut = Cut(model, _names(model, at))
        cut.superclass_of = _checked(superclasses, classes)
        super().__init__(cut, METHODS.get(name, name), classes=classes, schedule=schedule, **settings)
        self.cut, self.model, self.precision = cut, model, precision
        self._unwrapped = False
        self._means: dict[str, float] = {}
        self._seen = 0

    @property
    def at(self) -> list[str]:
        """Names of the submodules that the model is cut at."""
        return self.cut.at

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
            with_validation = validation is not None and self._custom is None
            self.training["plateau_on"] = "validation" if with_validation else "train"
        data, validation = self._several(data, validation)
        if loaders.is_loader(data) or loaders.is_loader(validation):
            return self._fit_loaders(data, validation, epochs, processes)
        super().fit(data, epochs=epochs, validation=validation, processes=processes)
        return self

    def step(self, x: Any, y: Any) -> dict[str, float]:
        """One update on one batch, for a training loop of one's own; the losses by name.

        Args:
            x: a tensor, a tuple of positional or a dictionary of named inputs of the model. y: labels (B,).

        Raises:
            FfreproError: as ``fit``.
        """
        _, batch = self.prepared(x, y)
        with explain.errors(self.method_name, self.device, batch["x"]), self._autocast():
            losses = {name: float(value) for name, value in self.method.step(batch).items()}
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
                schedule.on = "validation" if val and self._custom is None else "train"
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

    def freeze(self, *names: str) -> WrappedLearner:
        """Stop submodules from learning: their weights and their BatchNorms' statistics stay as they are.

        Raises:
            FfreproError: no such submodule.
        """
        known = dict(self.model.named_modules())
        for name in names:
            if name not in known:
                raise unknown("submodule", name, [name for name in known if name], where="freeze")
            known[name].requires_grad_(False)
            known[name].eval()
            if self.method is not None:
                self.method.keep_still(known[name])
        return self

    def unwrap(self, *, norms: bool = False) -> nn.Module:
        """The model itself, in evaluation mode; this learner ends here.

        Args:
            norms: leave the layer norms between the blocks, as hooks: the outputs are then those of the head that was
                trained. Without them it is the plain model, whose head has not seen such activations.
        """
        self.model.eval()
        if norms and self.hyperparameters["norm"] != "none":
            for block in self.cut.blocks:
                block.register_forward_hook(partial(_normalise, epsilon=self.hyperparameters["norm_epsilon"]))
        self._unwrapped = True
        return self.model

    def save(self, path: str | Path) -> None:
        """Write weights and settings into a file for ``WrappedLearner.load``.

        Raises:
            FfreproError: nothing was learnt; a loss of one's own, which no file can hold; the file cannot be written.
        """
        self._require_fitted()
        if self._custom is not None:
            raise FfreproError(
                "a loss of one's own cannot be saved",
                where="save",
                fix="save the model's weights: torch.save(learner.unwrap().state_dict(), path)",
            )
        own = {"at": self.at, "precision": self.precision, "superclasses": self.cut.superclass_of}
        saved.write(path, self._content() | own)

    @classmethod
    def load(cls, path: str | Path, net: nn.Module, *, device: str | None = None) -> WrappedLearner:
        """A learner as it was saved, around a model of the same architecture.

        Raises:
            FfreproError: as ``Learner.load``.
        """
        content = saved.read(path)
        if "at" not in content:
            raise FfreproError("a learner that wraps no model", where=path, fix="load it by ffrepro.Learner.load")
        own = {"at": content["at"], "precision": content["precision"], "superclasses": content.get("superclasses")}
        return cls._restored(path, content, net, device=device, **own)

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

    def _recipe(self) -> Any:
        """See ``Learner``; a loss of one's own instead of a name, and the model with its cuts."""
        made = super()._recipe()
        method = self.method_name if self._custom is None else self._own_loss
        return replace(made, net=self.cut, method=method, mixed=self.precision != "float32")

    def _several(self, data: Any, validation: Any) -> tuple[Any, Any]:
        """Training and validation data, as loaders where they are arrays of several inputs."""
        size = self.training["batch_size"]
        if loaders.is_several(data):
            if isinstance(validation, int | float):
                data, validation = loaders.Batches(data, size).held_out(validation, self.seed)
            data = loaders.Batches(data, size, torch.Generator().manual_seed(self.seed))
        if loaders.is_several(validation):
            validation = loaders.Batches(validation, size)
        return data, validation

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
        for batch in task.in_order("train"):
            self._build_on(batch)
            break
        with explain.errors(self.method_name, self.device, self._example):
            self._train_on(self._any_task(parts), epochs, processes)
        return self

    def _any_task(self, parts: dict[str, Any]) -> Task:
        """A task of loaders; where one part is a loader, arrays come in batches too."""
        assert self.classes is not None
        if not any(map(loaders.is_loader, parts.values())):
            return self._task({name: arrays.samples(data, name) for name, data in parts.items()})
        size = self.training["batch_size"]
        fed = {}
        for name, data in parts.items():
            if not loaders.is_loader(data):
                x_N, label_N = arrays.samples(data, name)
                data = _Chunks(list(zip(x_N.split(size), label_N.split(size), strict=True)))
            fed[name] = data
        scheme = self._scheme if self._schemes else self.inference or ""
        return LoaderTask(fed, self.classes, self.device, scheme)

    def _begin(self, data: Samples, classes: int) -> None:
        self._build_on(self._batch(data[0][: self.training["batch_size"]], data[1][: self.training["batch_size"]]))

    def _begin_as(self, example: Any, classes: int) -> None:
        size = loaders.samples_in(example)
        self._build_on(loaders.batch_of(example, torch.zeros(size, dtype=torch.int64), classes, self.device, "load"))

    def _build_on(self, batch: Any) -> None:
        """Make the method for batches like this one, and remember two samples of it."""
        self._require_wrapped()
        assert self.classes is not None
        with explain.errors(self.method_name, self.device, batch["x"]):
            self._build(batch, self.classes)
        self._example = _first_two(batch["x"])

    def _ready(self, batch: Any) -> None:
        """Make the method on the first batch of a training loop of one's own, and begin its schedules."""
        self._require_wrapped()
        if self._example is None:
            self._build_on(batch)
        if not self.method.schedules:
            self.method.begin_schedule(self.training, 1)

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
                yield self._labelled(x)
            return
        size = self.training["batch_size"]
        for begin in range(0, loaders.samples_in(X), size):
            yield self._labelled(_piece(X, begin, begin + size))

    def _labelled(self, x: Any) -> Any:
        assert self.classes is not None
        size = loaders.samples_in(x)
        return loaders.batch_of(x, torch.zeros(size, dtype=torch.int64), self.classes, self.device, "inputs")

    def _require_wrapped(self) -> None:
        if self._unwrapped:
            raise FfreproError("the model was unwrapped", where="WrappedLearner", fix="wrap it again: ffrepro.wrap")

    def _require_fitted(self) -> None:
        self._require_wrapped()
        super()._require_fitted()

    def _require_shape(self, x_N: Tensor) -> None:
        """Any shape that the model takes."""
        self._require_fitted()


class _Chunks:
    """Batches in a list, as a loader gives them."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]):
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def _checked(superclasses: Sequence[int] | None, classes: int) -> list[int] | None:
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


def _names(model: nn.Module, at: Where) -> list[str]:
    if at == "auto":
        return auto_cut.places(model)
    if isinstance(at, str):
        raise FfreproError(f"{at!r} says not where to cut", where="at", fix=f"give 'auto', or a list: [{at!r}]")
    return auto_cut.matching(model, at) if callable(at) else list(at)


def _require_plain(model: Any) -> None:
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


def _normalise(module: nn.Module, inputs: Any, out: Any, *, epsilon: float) -> Any:
    """The hook that an unwrapped model keeps behind its blocks."""
    return replace_first(out, lambda h: normalisation.layer(h, epsilon))


def _first_two(x: Any) -> Any:
    if isinstance(x, dict):
        return {name: _first_two(value) for name, value in x.items()}
    if isinstance(x, tuple):
        return tuple(map(_first_two, x))
    return x[:2].cpu().clone()


def _piece(x: Any, begin: int, end: int) -> Any:
    if isinstance(x, dict):
        return {name: value[begin:end] for name, value in x.items()}
    return tuple(value[begin:end] for value in x) if isinstance(x, tuple) else x[begin:end]
