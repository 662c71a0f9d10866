"""Samples in memory as the trainer sees them: what the library makes of a user's arrays, data sets and loaders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.data.classification import Classification, check_labels
from ffrepro.data.task import Batch
from ffrepro.data.trajectory_batches import Detection, Split

Samples = tuple[Tensor, Tensor]  # x (N, ...), float; labels (N,), int64


def samples(data: Any, where: str) -> Samples:
    """Inputs and labels of a user's data.

    Args:
        data: (X, y) of tensors, arrays or lists; a data set (``__len__``, ``__getitem__``) of (x, y) pairs or of
            dictionaries with ``x`` and ``y`` (or ``label``); or a loader, an iterable of batches of either.
        where: what it is called in messages: ``train``.

    Raises:
        FfreproError: something else, nothing at all, inputs and labels that differ in number, labels that are no whole
            numbers, inputs that are not finite.
    """
    if isinstance(data, tuple | list) and len(data) == 2 and not _is_pairs(data):
        return inputs(data[0], where), _labels(data[1], where, len(data[0]))
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        pairs = [_pair(data[index], where) for index in range(len(data))]
        batches = [(np.asarray(x)[None], np.asarray(y)[None]) for x, y in pairs]
    elif isinstance(data, Iterable):
        batches = [tuple(np.asarray(part) for part in _pair(batch, where)) for batch in data]
    else:
        raise _unreadable(data, where)
    if not batches:
        raise FfreproError("there are no samples", where=where, fix="give at least one")
    try:
        x, y = (np.concatenate(parts) for parts in zip(*batches))
    except ValueError as error:
        raise FfreproError(
            f"samples differ in shape: {error}", where=where, fix="bring all samples to one shape"
        ) from None
    return inputs(x, where), _labels(y, where, len(x))


def inputs(x: Any, where: str) -> Tensor:
    """X as a float tensor (N, ...): bytes (images of 0 to 255) become 0 to 1, integers floats.

    Raises:
        FfreproError: no numbers, no dimension behind the samples, no samples, values that are not finite.
    """
    tensor = _tensor(x, f"{where} inputs", where)
    if tensor.ndim < 2 or not len(tensor):
        raise FfreproError(
            f"inputs have shape {tuple(tensor.shape)}",
            where=where,
            fix="give (samples, features), (samples, time steps, features) or (samples, channels, height, width)",
        )
    if tensor.is_complex():
        raise FfreproError("inputs are complex numbers", where=where, fix="give real numbers")
    tensor = tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
    if not tensor.isfinite().all():
        raise FfreproError("inputs hold NaN or infinite values", where=where, fix="replace or drop these samples")
    return tensor


def _labels(y: Any, where: str, count: int) -> Tensor:
    tensor = _tensor(y, f"{where} labels", where)
    if tensor.ndim != 1 or len(tensor) != count:
        raise FfreproError(
            f"labels have shape {tuple(tensor.shape)} beside {count} inputs",
            where=where,
            fix="give one label a sample: a whole number, 0 for the first class",
        )
    if tensor.is_floating_point() or tensor.is_complex():
        raise FfreproError(
            f"labels are of type {tensor.dtype}", where=where, fix="give whole numbers: y.long(), y.astype(int)"
        )
    return tensor.long()


def _tensor(value: Any, what: str, where: str) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FfreproError(
            f"{what} are no array of numbers ({error})", where=where, fix="give tensors or arrays"
        ) from None


def _is_pairs(data: Sequence) -> bool:
    """Whether a sequence of two is two samples (x, y) rather than (X, y)."""
    return all(isinstance(entry, tuple | list) and len(entry) == 2 for entry in data) and np.ndim(data[0][1]) == 0


def _pair(entry: Any, where: str) -> tuple[Any, Any]:
    if isinstance(entry, dict):
        names = [name for name in ("y", "label", "labels", "target") if name in entry]
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


class ArrayTask(Classification):
    """Classification of samples in memory, in the splits ``train`` and maybe ``val``.

    Args:
        parts: inputs and labels by split.
        classes: how many.
        batch_size: samples in a batch; the last one of a split may be smaller.
        device: where the samples live.
        inference: the scheme that the accuracy stands for.

    Attributes:
        inputs: a sample's shape: features as an int, (C, H, W).
    """

    dtype = torch.float32

    def __init__(self, parts: dict[str, Samples], classes: int, batch_size: int, device: str, inference: str):
        super().__init__({"inference": inference})
        for name, (_, label_N) in parts.items():
            check_labels(int(label_N.min()), int(label_N.max()), classes, name)
        self.parts = {name: (x.to(device), y.to(device)) for name, (x, y) in parts.items()}
        self.classes, self.batch_size, self.device = classes, batch_size, device
        self.final_splits = tuple(parts)
        shape = tuple(parts["train"][0].shape[1:])
        self.inputs = shape[0] if len(shape) == 1 else shape

    def counts(self) -> dict[str, int]:
        """Samples in each split."""
        return {name: len(label_N) for name, (_, label_N) in self.parts.items()}

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """Training batches in random order."""
        for which in torch.randperm(len(self.parts["train"][1]), generator=generator).split(self.batch_size):
            yield self._batch("train", which)

    def in_order(self, split: str) -> Iterator[Batch]:
        """The batches of a split as they stand."""
        for which in torch.arange(len(self.parts[split][1])).split(self.batch_size):
            yield self._batch(split, which)

    def _batch(self, split: str, which: Tensor) -> Batch:
        x_N, label_N = self.parts[split]
        which = which.to(x_N.device)
        return {"x": x_N[which], "label": label_N[which], "index": which}


def sequence_task(parts: dict[str, Samples], batch_size: int, device: str, reduction: str) -> Detection:
    """Detection of class 1 among sequences (N, T, I), time-major as recurrent methods take them.

    Raises:
        FfreproError: other labels than 0 and 1.
    """
    splits = {}
    for name, (x_NTI, label_N) in parts.items():
        check_labels(int(label_N.min()), int(label_N.max()), 2, name)
        index_N = torch.arange(len(label_N), device=device)
        splits[name] = Split(x_NTI.to(device).transpose(0, 1).contiguous(), label_N.to(device), index_N, None)
    evaluation = {"metric_average": "sample", "auc_scores": "logit", "loss_reduction": reduction}
    task = Detection(splits, "shuffled", batch_size, device, torch.float32, evaluation)
    task.inputs = parts["train"][0].shape[2]
    task.final_splits = tuple(parts)
    return task
