"""A user's loaders as a task: read anew every epoch, nothing kept in memory, any number of inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.data.arrays import LABEL_KEYS, held_out, samples
from ffrepro.data.classification import Classification, check_labels

Inputs = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
_FIX = "give a loader of (inputs, labels), or of dictionaries with a label (y, label, labels, target)"


def is_loader(data: Any) -> bool:
    """Whether data are an iterable of batches, and no array, pair of arrays or data set."""
    return isinstance(data, Iterable) and not hasattr(data, "__getitem__")


def batch_of(x: Any, y: Any, classes: int, device: str, where: str) -> dict[str, Any]:
    """A batch for a method: ``x`` as it is, on the device, and checked ``label`` and ``index``.

    Args:
        x: a tensor, a tuple or list of positional or a dictionary of named inputs.
        where: for messages.

    Raises:
        FfreproError: no samples, inputs that are no tensors, labels that are no whole numbers of classes, not one a
            sample.
    """
    inputs = _inputs(x, device, where)
    label = torch.as_tensor(y)
    size = samples_in(inputs)
    if size == 0:
        raise FfreproError("the batch is empty", where=where, fix="give at least one sample, or skip this batch")
    if label.ndim != 1 or len(label) != size:
        raise FfreproError(
            f"labels have shape {tuple(label.shape)} beside {size} inputs",
            where=where,
            fix="give one label a sample: a whole number, 0 for the first class",
        )
    if label.is_floating_point() or label.is_complex() or label.dtype == torch.bool:
        raise FfreproError(f"labels are of type {label.dtype}", where=where, fix="give whole numbers: y.long()")
    check_labels(int(label.min()), int(label.max()), classes, where)
    return {"x": inputs, "label": label.long().to(device), "index": torch.arange(size, device=device)}


def unlabelled(x: Any, classes: int, device: str, where: str) -> dict[str, Any]:
    """``batch_of`` for inputs without labels: all are 0."""
    return batch_of(x, torch.zeros(samples_in(x), dtype=torch.int64), classes, device, where)


def pair_of(batch: Any, where: str) -> tuple[Any, Any]:
    """Inputs and labels of what a loader yields.

    A dictionary's label is under one of ``LABEL_KEYS``; its inputs are ``x``, or all else it holds, by name.

    Raises:
        FfreproError: something else.
    """
    if isinstance(batch, Mapping):
        names = [name for name in LABEL_KEYS if name in batch]
        inputs = {name: value for name, value in batch.items() if name not in names}
        if names and inputs:
            return inputs["x"] if set(inputs) == {"x"} else inputs, batch[names[0]]
    elif isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    elif isinstance(batch, tuple | list) and len(batch) > 2:
        return tuple(batch[:-1]), batch[-1]
    raise FfreproError(f"cannot find inputs and labels in a {type(batch).__name__}", where=where, fix=_FIX)


def is_several(data: Any) -> bool:
    """Whether data are (inputs, labels) whose inputs are a dictionary or a tuple of arrays, and no tuple of samples."""
    if not isinstance(data, tuple | list) or len(data) != 2:
        return False
    x, y = data
    parts = list(x.values()) if isinstance(x, Mapping) else list(x) if isinstance(x, tuple) else []
    if not parts or not all(hasattr(part, "shape") and len(part.shape) for part in [*parts, y]):
        return False
    return isinstance(x, Mapping) or len(parts) != len(y) or all(len(part) == len(y) for part in parts)


class Batches:
    """Arrays of several inputs as a loader: batches of inputs, by position or name, and labels.

    Args:
        data: see ``is_several``.
        size: samples in a batch; the last one may be smaller.
        generator: draws another order each time that it is read; None: the order is the arrays'.

    Raises:
        FfreproError: an input that is no array of numbers, or not as long as the labels.
    """

    def __init__(self, data: Any, size: int, generator: torch.Generator | None = None):
        x, y = data
        self._x = _inputs(x, "cpu", "inputs")
        self._y, self._size, self._generator = torch.as_tensor(y), size, generator
        parts = self._x.items() if isinstance(self._x, dict) else enumerate(self._x)
        for name, value in parts:
            if len(value) != len(self._y):
                raise FfreproError(
                    f"input {name} has {len(value)} samples, and there are {len(self._y)} labels",
                    where="inputs",
                    fix="give each input and the labels the same length",
                )

    def __len__(self) -> int:
        return -(-len(self._y) // self._size)

    def __iter__(self) -> Iterator[tuple[Inputs, Tensor]]:
        order = torch.arange(len(self._y))
        if self._generator is not None:
            order = order[torch.randperm(len(order), generator=self._generator)]
        for index in order.split(self._size):
            yield self._taken(index)

    def held_out(self, share: float, seed: int) -> tuple[Any, Any]:
        """The data without a random share of them, and that share.

        Raises:
            FfreproError: one of the two would be empty.
        """
        rest, held = held_out((torch.arange(len(self._y))[:, None], self._y), share, seed)
        return self._taken(rest[0][:, 0]), self._taken(held[0][:, 0])

    def _taken(self, index: Tensor) -> tuple[Inputs, Tensor]:
        return _each(self._x, lambda value: value[index]), self._y[index]


def samples_in(x: Inputs) -> int:
    """How many samples a batch's inputs hold."""
    first = next(iter(x.values())) if isinstance(x, dict) else x[0] if isinstance(x, tuple) else x
    return len(first) if first.ndim else 0


def piece(x: Inputs, begin: int, end: int) -> Inputs:
    """The samples from ``begin`` to ``end`` of a batch's inputs."""
    return _each(x, lambda value: value[begin:end])


def first_two(x: Inputs) -> Inputs:
    """Copies of a batch's first two samples, on the CPU."""
    return _each(x, lambda value: value[:2].cpu().clone())


def _each(x: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Inputs with every one of them changed."""
    if isinstance(x, dict):
        return {name: change(value) for name, value in x.items()}
    return tuple(change(value) for value in x) if isinstance(x, tuple) else change(x)


def several(data: Any, validation: Any, size: int, seed: int) -> tuple[Any, Any]:
    """Training and validation data, as loaders where they are arrays of several inputs; all else as it is.

    Args:
        validation: data, or of arrays the share of them that is held out.
        size: samples in a batch.
        seed: of the share that is held out and of the order of training.

    Raises:
        FfreproError: see ``Batches``.
    """
    if is_several(data):
        if isinstance(validation, int | float):
            data, validation = Batches(data, size).held_out(validation, seed)
        data = Batches(data, size, torch.Generator().manual_seed(seed))
    if is_several(validation):
        validation = Batches(validation, size)
    return data, validation


class _Pieces:
    """Batches in a list, as a loader gives them."""

    def __init__(self, batches: list[tuple[Tensor, Tensor]]):
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)


def all_fed(parts: dict[str, Any], size: int) -> dict[str, Any]:
    """Every part as a loader: arrays in batches of ``size`` samples, in their order.

    Raises:
        FfreproError: see ``arrays.samples``.
    """
    fed = {}
    for name, data in parts.items():
        if not is_loader(data):
            x_N, label_N = samples(data, name)
            data = _Pieces(list(zip(x_N.split(size), label_N.split(size), strict=True)))
        fed[name] = data
    return fed


class LoaderTask(Classification):
    """Classification of what loaders yield, in the splits ``train`` and maybe ``val``.

    Args:
        parts: by split a loader, or any iterable that can be read again; the order of training is the loader's own.
        classes, device, inference: see ``data.in_memory.ArrayTask``.

    Raises:
        FfreproError: an iterator, which can be read only once.
    """

    dtype = torch.float32

    classes: int

    def __init__(self, parts: dict[str, Iterable[Any]], classes: int, device: str, inference: str):
        super().__init__({"inference": inference})
        for name, loader in parts.items():
            if isinstance(loader, Iterator):
                raise FfreproError(
                    f"a {type(loader).__name__} can be read only once",
                    where=name,
                    fix="give a DataLoader, or another iterable that starts anew every epoch",
                )
        self.parts, self.classes, self.device = parts, classes, device
        self.final_splits = tuple(parts)

    def counts(self) -> dict[str, int]:
        """Batches of each split that says how many it has, else 0: a loader need not know its samples."""
        return {name: _batches_in(loader) for name, loader in self.parts.items()}

    def epoch(self, generator: torch.Generator) -> Iterator[Any]:
        """Training batches as the loader orders them."""
        yield from self.in_order("train")

    def in_order(self, split: str) -> Iterator[Any]:
        """The batches of a split as its loader gives them.

        Raises:
            FfreproError: it gives none, or one that is no batch.
        """
        empty = True
        for batch in self.parts[split]:
            empty = False
            yield batch_of(*pair_of(batch, split), self.classes, self.device, split)
        if empty:
            raise FfreproError(
                "the loader yields no batch", where=split, fix="give at least one (is drop_last set on a small set?)"
            )

    def size(self, batch: Any) -> int:
        """Samples in a batch."""
        return len(batch["label"])


def _batches_in(loader: Iterable[Any]) -> int:
    """How many batches a loader says it has; 0: it does not know."""
    try:
        return len(loader) if isinstance(loader, Sized) else 0
    except TypeError:  # a DataLoader has a length, and asks its data set, which need not have one
        return 0


def _inputs(x: Any, device: str, where: str) -> Inputs:
    if isinstance(x, Mapping):
        return {str(name): _input(value, device, where, str(name)) for name, value in x.items()}
    if isinstance(x, tuple | list):
        return tuple(_input(value, device, where) for value in x)
    return _input(x, device, where)


def _input(x: Any, device: str, where: str, name: str | None = None) -> Tensor:
    if isinstance(x, np.ndarray) and x.dtype == np.float64:  # numpy's own; nets are of float32
        x = x.astype(np.float32)
    try:
        return torch.as_tensor(x).detach().to(device, non_blocking=True)
    except (TypeError, ValueError, RuntimeError) as error:
        if name is None:
            raise FfreproError(f"inputs are no array of numbers ({error})", where=where, fix=_FIX) from None
        raise FfreproError(
            f"{name!r} is no array of numbers, and every entry but the label is an input of the model ({error})",
            where=where,
            fix=f"leave {name!r} out of the dictionaries; a `collate_fn` of the loader can",
        ) from None
