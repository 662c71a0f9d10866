"""A user's arrays, data sets and loaders as samples in memory: inputs (N, ...) float32, labels (N,) int64."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.data.classification import check_labels

Samples = tuple[Tensor, Tensor]  # inputs (N, ...), labels (N,)
LABEL_KEYS = ("y", "label", "labels", "target")  # of a batch that is a dictionary
_WHOLE = "give one label a sample: a whole number, 0 for the first class"


def samples(data: Any, where: str) -> Samples:
    """Inputs and labels of a user's data.

    Args:
        data: (X, y) of tensors, arrays or lists; a data set (``__len__``, ``__getitem__``) of (x, y) pairs or of
            dictionaries with ``x`` and ``y`` (or ``label``); or a loader, an iterable of batches of either, which is
            read once.
        where: what it is called in messages: ``train``.

    Raises:
        FfreproError: something else, nothing at all, inputs and labels that differ in number, labels that are no whole
            numbers, inputs that are not finite.
    """
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_pairs(data):
        x, y = (_tensor(part, what, where) for part, what in zip(data, ("inputs", "labels"), strict=True))
    else:
        x, y = _joined(data, where)
    found = inputs(x, where)
    return found, _labels(y, where, len(found))


def inputs(x: Any, where: str) -> Tensor:
    """Inputs as float32 (N, ...): bytes (images of 0 to 255) become 0 to 1, other numbers stay what they are.

    Raises:
        FfreproError: no numbers, no dimension behind the samples, no samples, values that are not finite in float32.
    """
    tensor = _tensor(x, "inputs", where)
    if tensor.ndim < 2 or not tensor.numel():
        raise FfreproError(
            f"inputs have shape {tuple(tensor.shape)}",
            where=where,
            fix="give (samples, features), (samples, time steps, features) or (samples, channels, height, width)",
        )
    if tensor.is_complex():
        raise FfreproError("inputs are complex numbers", where=where, fix="give real numbers")
    tensor = tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
    if not tensor.isfinite().all():
        raise FfreproError(
            "inputs hold NaN, infinite values, or numbers beyond float32", where=where, fix="replace or drop them"
        )
    return tensor


def splits(data: Any, validation: Any, seed: int) -> dict[str, Samples]:
    """The training samples and, where there is a validation part, that one: ``train``, ``val``.

    Args:
        data: see ``samples``.
        validation: the like, the share of the training samples that is held out, or None.
        seed: of the share's draw.

    Raises:
        FfreproError: as ``samples`` and ``held_out`` do; parts whose samples differ in shape.
    """
    train = samples(data, "train")
    if validation is None:
        return {"train": train}
    if isinstance(validation, int | float):
        rest, held = held_out(train, validation, seed)
        return {"train": rest, "val": held}
    held = samples(validation, "validation")
    if held[0].shape[1:] != train[0].shape[1:]:
        raise FfreproError(
            f"samples of shape {tuple(held[0].shape[1:])} to validate on, {tuple(train[0].shape[1:])} to train on",
            where="validation",
            fix="bring both to one shape",
        )
    return {"train": train, "val": held}


def held_out(data: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """A random share of the samples, and the rest: (rest, held out).

    Raises:
        FfreproError: one of the two would be empty.
    """
    x_N, label_N = data
    size = int(share * len(x_N))
    if not 0 < share < 1 or not 0 < size < len(x_N):
        raise FfreproError(
            f"a share of {share:g} of {len(x_N)} samples leaves nothing to train or to validate on",
            where="validation",
            fix="give a share between 0 and 1, or (X, y)",
        )
    order = torch.randperm(len(x_N), generator=torch.Generator().manual_seed(seed)).to(x_N.device)
    return (x_N[order[size:]], label_N[order[size:]]), (x_N[order[:size]], label_N[order[:size]])


def count_classes(label_N: Tensor, known: int | None = None) -> int:
    """How many classes a training set is of: ``known``, or one more than the largest label.

    Raises:
        FfreproError: a negative label or one that is no class, all samples of one class, or labels that cannot be
            numbers of classes.
    """
    smallest, largest = int(label_N.min()), int(label_N.max())
    if known is not None:
        check_labels(smallest, largest, known, "labels")
    elif smallest < 0 or largest >= max(len(label_N), 2):
        raise FfreproError(
            f"labels are {smallest} to {largest} in {len(label_N)} samples",
            where="labels",
            fix="number the classes from 0 on (numpy.unique(y, return_inverse=True)[1])",
        )
    if smallest == largest:
        raise FfreproError(
            f"all samples are of class {smallest}", where="labels", fix="give samples of at least two classes"
        )
    return known or largest + 1


def _labels(y: Any, where: str, count: int) -> Tensor:
    tensor = _tensor(y, "labels", where)
    if tensor.ndim != 1 or len(tensor) != count:
        several = tensor.ndim == 2 and tensor.shape[1:] != (1,)
        hint = " (of one number a class: y.argmax(1))" if several else " (y.reshape(-1))" if tensor.ndim == 2 else ""
        raise FfreproError(
            f"labels have shape {tuple(tensor.shape)} beside {count} inputs", where=where, fix=_WHOLE + hint
        )
    if tensor.is_floating_point() or tensor.is_complex():
        raise FfreproError(
            f"labels are of type {tensor.dtype}", where=where, fix="give whole numbers: y.long(), y.astype(int)"
        )
    return tensor.long()


def _tensor(value: Any, what: str, where: str) -> Tensor:
    """A tensor without a graph of whatever numpy can read: lists, arrays, data frames."""
    try:
        if isinstance(value, Tensor):
            return value.detach()
        if isinstance(value, list | tuple) and value and all(isinstance(part, Tensor) for part in value):
            return torch.stack([part.detach() for part in value])
        array = np.asarray(value)
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))
    except (TypeError, ValueError, RuntimeError) as error:
        raise FfreproError(
            f"{what} are no array of numbers ({error})",
            where=where,
            fix="give tensors or arrays of numbers, all samples of one shape",
        ) from None


def _joined(data: Any, where: str) -> Samples:
    """Inputs and labels of a data set or a loader."""
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, dict | str | bytes):
        entries, join = [_pair(_entry(data, index, where), where) for index in range(len(data))], torch.stack
    elif isinstance(data, Iterable) and not isinstance(data, dict | str | bytes):
        entries, join = [_pair(batch, where) for batch in data], torch.cat
    else:
        raise _unreadable(data, where)
    if not entries:
        raise FfreproError("there are no samples", where=where, fix="give at least one")
    xs, ys = zip(*entries, strict=True)
    try:
        return join([_tensor(x, "inputs", where) for x in xs]), join([_tensor(y, "labels", where) for y in ys])
    except RuntimeError as error:
        raise FfreproError(
            f"samples differ in shape: {error}", where=where, fix="bring all samples to one shape"
        ) from None


def _is_pairs(data: Sequence[Any]) -> bool:
    """Whether a sequence of two is two samples (x, y) rather than (X, y)."""
    pairs = all(isinstance(entry, tuple | list) and len(entry) == 2 for entry in data)
    return pairs and all(_is_one(entry[1]) and not _is_one(entry[0]) for entry in data)


def _is_one(value: Any) -> bool:
    """Whether a value is a single number, no list or array of them."""
    return getattr(value, "ndim", 1 if isinstance(value, list | tuple) else 0) == 0


def _entry(data: Any, index: int, where: str) -> Any:
    try:
        return data[index]
    except (KeyError, IndexError, TypeError):
        raise _unreadable(data, where) from None


def _pair(entry: Any, where: str) -> tuple[Any, Any]:
    if isinstance(entry, dict):
        names = [name for name in LABEL_KEYS if name in entry]
        if "x" in entry and names:
            return entry["x"], entry[names[0]]
    elif isinstance(entry, tuple | list) and len(entry) == 2:
        return entry[0], entry[1]
    raise _unreadable(entry, where)


def _unreadable(value: Any, where: str) -> FfreproError:
    return FfreproError(
        f"cannot find inputs and labels in a {type(value).__name__}",
        where=where,
        fix="give (X, y), a data set or loader of (x, y), or of dictionaries with x and y",
    )
