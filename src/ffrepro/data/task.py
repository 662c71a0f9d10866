"""What the trainer asks of a task: inputs, classes, batches, metrics, and which of them it watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from ffrepro.data.record_form import Form

Batch = dict[str, Tensor]
Arrays = dict[str, np.ndarray]


class Task:
    """A data set in splits, as a net and a method see it. A view's ``Task`` gives what has no default here.

    Args:
        evaluation: what its metrics depend on beside the data: settings of a plan's ``protocol``, ``training`` and
            ``method`` by name.

    Attributes:
        inputs: what a net is built for (features, the shape of an image, ...). classes: how many a method may tell
            apart, None where there are none.
        watch: the metric that early stopping and the selection of weights go by, and ``min`` or ``max``.
        shown: metrics that are worth a place in a line of progress and in a table of runs, beside the watched one.
        final_splits: measured once, at the end; the arrays of the last one go into the record.
        device, dtype: where batches live, and of which type their ``x`` is.
        ranges: least and largest value of a metric, by the first word of its name (``error`` of ``error_one_pass``).
        kept_forms, finish_forms: of the arrays that ``kept`` and ``finish`` leave in a record; None: any numbers.
        not_kept: patterns of the metrics that do not follow from the kept arrays (``remeasure``); None: any.
    """

    inputs: Any
    classes: int | None = None
    watch: tuple[str, str] = ("loss", "min")
    shown: tuple[str, ...] = ()
    final_splits: tuple[str, ...] = ("val", "test")
    ranges: Mapping[str, tuple[float, float]] = {}
    kept_forms: Mapping[str, Form] | None = None
    finish_forms: Mapping[str, Form] | None = None
    not_kept: tuple[str, ...] | None = None
    device: Any
    dtype: Any

    def __init__(self, evaluation: Mapping[str, Any] | None = None):
        self.evaluation = evaluation or {}

    @staticmethod
    def classes_left(total: int, settings: Mapping[str, Any]) -> int:
        """How many of a set's classes there are in this view under its settings."""
        return total

    def counts(self) -> dict[str, int]:
        """Samples in each split: ``train``, those of ``final_splits`` and, unless nothing is selected, ``val``."""
        raise NotImplementedError

    def epoch(self, generator) -> Iterator[Batch]:
        """Training batches of one epoch; the only randomness is that of the CPU generator."""
        raise NotImplementedError

    def in_order(self, split: str) -> Iterator[Batch]:
        """The batches of a split in a fixed order, for evaluation."""
        raise NotImplementedError

    def size(self, batch: Batch) -> int:
        """Samples in a batch."""
        return len(batch["x"])

    def weight(self, batch: Batch) -> int:
        """What a batch counts in an epoch's means of what the method's steps return."""
        return self.size(batch)

    def targets(self, batch: Batch) -> Batch:
        """Tensors of a batch, a row a sample, that its metrics and the record need beside the method's results."""
        return {}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Metrics of a split, the watched one among them.

        Args:
            arrays: what the method's ``evaluate_batch`` and ``targets`` gave, a row a sample in the order of
                ``in_order``, and ``batch``, int64, the number of the batch that each sample was in.
        """
        raise NotImplementedError

    def kept(self, arrays: Arrays) -> Arrays:
        """What of a split's arrays goes into the record."""
        return {name: value for name, value in arrays.items() if name != "batch"}

    @classmethod
    def remeasure(cls, arrays: Arrays, evaluation: Mapping[str, Any], batch_size: int) -> dict[str, float]:
        """Metrics of a split that follow from what a record keeps of it: a record that states others is refused.

        Args:
            arrays: what ``kept`` gave.
            evaluation: as for the task.
            batch_size: samples in a batch of ``in_order``.
        """
        return {}

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """Further metrics (``<split>/<name>``) and arrays of a trained method, of its arrays by final split."""
        return {}, {}
