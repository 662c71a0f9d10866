"""Samples in memory as the trainer sees them: the tasks of the library."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ffrepro.data.arrays import Samples
from ffrepro.data.classification import Classification, check_labels
from ffrepro.data.task import Batch
from ffrepro.data.trajectory_batches import Detection, Split


class ArrayTask(Classification):
    """Classification of samples in memory, in the splits ``train`` and maybe ``val``.

    A last batch of a single sample joins the one before it: BatchNorm and pairs of samples need two.

    Args:
        parts: inputs and labels by split; moved to the device, all of them.
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
        yield from self._batches("train", torch.randperm(len(self.parts["train"][1]), generator=generator))

    def in_order(self, split: str) -> Iterator[Batch]:
        """The batches of a split as they stand."""
        yield from self._batches(split, torch.arange(len(self.parts[split][1])))

    def _batches(self, split: str, order: Tensor) -> Iterator[Batch]:
        pieces = list(order.split(self.batch_size))
        if len(pieces) > 1 and len(pieces[-1]) == 1:
            pieces[-2:] = [torch.cat(pieces[-2:])]
        for which in pieces:
            yield self._batch(split, which)

    def _batch(self, split: str, which: Tensor) -> Batch:
        x_N, label_N = self.parts[split]
        which = which.to(x_N.device)
        return {"x": x_N[which], "label": label_N[which], "index": which}


def sequence_task(parts: dict[str, Samples], batch_size: int, device: str, reduction: str) -> Detection:
    """Detection of class 1 among sequences (N, T, I), time-major as recurrent methods take them.

    Args:
        reduction: of the loss, as the method has it (``loss_reduction``).

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
