"""Base class of classification tasks: labels, errors by inference scheme, early exit."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from ffrepro.base.errors import FfreproError
from ffrepro.core import classification
from ffrepro.data.record_form import Form
from ffrepro.data.task import Arrays, Batch, Task


class Classification(Task):
    """Batches hold ``x``, samples first, ``label`` (B,) int64 and ``index`` (B,), a sample's place in the set.

    ``evaluation``: ``inference``, the scheme that ``accuracy`` and ``error`` stand for.
    """

    shown = ("accuracy",)
    final_splits: tuple[str, ...] = ("train", "val", "test")
    ranges: Mapping[str, tuple[float, float]] = {
        "accuracy": (0, 1),
        "error": (0, 1),
        "loss": (0, inf),
        "layers": (1, inf),
    }
    kept_forms: Mapping[str, Form] = {
        "label": Form("i", "S", below="C", needed=True),
        "index": Form("i", "S", below=2**40, distinct=True, needed=True),
        "prediction_*": Form("u", "S", below="C", needed=True),
        "layer_prediction": Form("u", "SL", below="C"),
        "goodness_by_class": Form("f", "LCC", finite=False),  # NaN of a class without samples
    }
    not_kept = ("loss", "loss_layer*", "*_early_exit")

    def targets(self, batch: Batch) -> Batch:
        """Labels and sample indices of a batch."""
        return {"label": batch["label"], "index": batch["index"]}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """As ``core.classification.metrics``."""
        return classification.metrics(arrays, self.evaluation["inference"])

    def kept(self, arrays: Arrays) -> Arrays:
        """As ``core.classification.kept``: classes instead of scores."""
        return classification.kept(arrays)

    @classmethod
    def remeasure(cls, arrays: Arrays, evaluation: Mapping[str, Any], batch_size: int) -> dict[str, float]:
        """As ``core.classification.of_predictions``."""
        return classification.of_predictions(arrays, evaluation["inference"])

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """Error and mean number of layers of early-exit inference."""
        both = {"val", "test"} <= set(seen)
        return classification.early_exit_metrics(seen["val"], seen["test"]) if both else {}, {}


def check_labels(smallest: int, largest: int, classes: int, where: object) -> None:
    """Refuse labels that a net of ``classes`` classes cannot have.

    Raises:
        FfreproError: fewer than two classes, or a label that is none of them.
    """
    if classes < 2:
        raise FfreproError(f"{classes} class cannot be told from others", where=where, fix="use at least two classes")
    if smallest < 0 or largest >= classes:
        raise FfreproError(
            f"labels are {smallest} to {largest}, classes 0 to {classes - 1}",
            where=where,
            fix="number the classes from 0 on, and name every one of them",
        )
