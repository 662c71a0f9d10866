"""Trajectories as the training loop gets them: splits on the device, time-major, and batches that are an index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.core import detection
from ffrepro.data.record_form import Form
from ffrepro.data.task import Arrays, Batch, Task

# Arrays of every detector's record, net or not.
DETECTOR_FORMS = {
    "logit": Form("f", "S", needed=True),
    "label": Form("i", "S", below=2, needed=True),
    "index": Form("i", "S", below=2**40, distinct=True, needed=True),
}
DETECTOR_RANGES = {"accuracy": (0, 1), "auc": (0, 1)}


@dataclass(frozen=True)
class Split:
    """A part of the set.

    Attributes:
        x_TNI: inputs. label_N: 1 human, 0 synthetic. index_N: position in the prepared set.
        mask_TN: 1 where a step is data; None where padding counts.
    """

    x_TNI: Tensor
    label_N: Tensor
    index_N: Tensor
    mask_TN: Tensor | None

    def __len__(self) -> int:
        return len(self.label_N)

    def batch(self, which: Tensor) -> dict[str, Tensor]:
        """The samples at ``which``, as every method gets them."""
        out = {"x": self.x_TNI.index_select(1, which), "label": self.label_N[which], "index": self.index_N[which]}
        if self.mask_TN is not None:
            out["mask"] = self.mask_TN.index_select(1, which)
        return out


class FeatureTable:
    """Samples as features, for classifiers that are no nets.

    Args:
        features_SF: float64 (S, F). label_S: bool, human. index_S: rows in the prepared set. parts: split -> positions
            among the S.

    Attributes:
        features: split -> float64 (N, F). label, index: split -> int64 (N,): 1 human; rows in the prepared set.
    """

    def __init__(
        self, features_SF: np.ndarray, label_S: np.ndarray, index_S: np.ndarray, parts: Mapping[str, np.ndarray]
    ):
        self.features = {name: features_SF[part] for name, part in parts.items()}
        self.label = {name: label_S[part].astype(np.int64) for name, part in parts.items()}
        self.index = {name: index_S[part].astype(np.int64) for name, part in parts.items()}

    def counts(self) -> dict[str, int]:
        """Samples in each split."""
        return {name: len(label) for name, label in self.label.items()}


def balanced_batches(label_N: Tensor, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled batches, half of each from either class; the last one may be smaller.

    Where the classes differ in size the larger one's surplus sits out this epoch (another surplus each time).
    """
    halves = []
    for value in (1, 0):
        members = torch.nonzero(label_N.cpu() == value).squeeze(1)
        halves.append(members[torch.randperm(len(members), generator=generator)])
    half = batch_size // 2
    for start in range(0, min(len(h) for h in halves), half):
        stop = min(start + half, *(len(h) for h in halves))
        yield torch.cat([h[start:stop] for h in halves])


def shuffled_batches(n: int, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Shuffled batches whatever their classes; the last one may be smaller."""
    yield from torch.randperm(n, generator=generator).split(batch_size)


class Detection(Task):
    """What every task that tells human trajectories from others shares.

    Args:
        splits: by name, ``train``, ``val`` and ``test``.
        batches: ``balanced`` or ``shuffled``.
        evaluation: ``metric_average`` and ``auc_scores``, see ``core.detection.metrics``, and ``loss_reduction`` of a
            method that has one.
    """

    inputs = 2
    classes = 2
    shown = ("accuracy", "auc")
    ranges = DETECTOR_RANGES
    kept_forms = DETECTOR_FORMS | {
        "loss": Form("f", "SN", needed=True),  # N: layers, one of backpropagation
        "layer_logit": Form("f", "SL"),
        "goodness": Form("f", "SL"),
        "readout_logit": Form("f", "S"),
    }
    finish_forms: Mapping[str, Form] = {}
    not_kept = ("*_calibrated", "*_early_exit")  # by a threshold of the validation part, which is not kept

    def __init__(
        self,
        splits: dict[str, Split],
        batches: str,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        super().__init__(evaluation)
        self.splits, self.batches, self.batch_size, self.device, self.dtype = splits, batches, batch_size, device, dtype

    def counts(self) -> dict[str, int]:
        """Samples in each split."""
        return {name: len(split) for name, split in self.splits.items()}

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """One epoch of training batches."""
        train = self.splits["train"]
        if self.batches == "balanced":
            indices = balanced_batches(train.label_N, self.batch_size, generator)
        else:
            indices = shuffled_batches(len(train), self.batch_size, generator)
        for which in indices:
            yield train.batch(which.to(self.device))

    def in_order(self, name: str) -> Iterator[Batch]:
        """The batches of a split in a fixed order, for evaluation."""
        split = self.splits[name]
        for which in torch.arange(len(split), device=self.device).split(self.batch_size):
            yield split.batch(which)

    def size(self, batch: Batch) -> int:
        """Samples in a batch, whose ``x`` is time-major."""
        return len(batch["label"])

    def weight(self, batch: Batch) -> int:
        """Its samples or, ``metric_average: batch``, the same for every batch."""
        return 1 if self.evaluation.get("metric_average") == "batch" else self.size(batch)

    def targets(self, batch: Batch) -> Batch:
        """The true class, and which sample it is."""
        return {"label": batch["label"], "index": batch["index"]}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """As ``core.detection.metrics``."""
        return _measure(arrays, arrays["batch"], self.evaluation)

    @classmethod
    def remeasure(cls, arrays: Arrays, evaluation: Mapping[str, Any], batch_size: int) -> dict[str, float]:
        """All metrics: the record keeps everything that they are made of."""
        return _measure(arrays, np.arange(len(arrays["label"])) // batch_size, evaluation)

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """Accuracy at the threshold that is best on val, and of early exit, of a method that asks for it."""
        found: dict[str, float] = {}
        if method.calibrates:
            found |= detection.calibrated_metrics(seen["val"], seen["test"])
        if method.exits_early:
            found |= detection.early_exit_metrics(seen["val"], seen["test"])
        return found, {}


def _measure(arrays: Arrays, batch_S: np.ndarray, asked: Mapping[str, Any]) -> dict[str, float]:
    return detection.metrics(
        arrays,
        batch_S,
        average=asked["metric_average"],
        reduction=asked.get("loss_reduction", "joint"),
        auc_scores=asked["auc_scores"],
    )


def standardise(x_TNI: np.ndarray, mask_TN: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Each channel with mean 0 and std 1 over the steps of the training part that are data; padding stays 0."""
    steps = x_TNI[:, train][mask_TN[:, train]]
    return (x_TNI - steps.mean(0)) / steps.std(0) * mask_TN[:, :, None]


def make_splits(
    x_TNI: np.ndarray,
    label_N: np.ndarray,
    index_N: np.ndarray,
    mask_TN: np.ndarray | None,
    parts: dict[str, np.ndarray],
    device: str,
    dtype: torch.dtype,
) -> dict[str, Split]:
    """Splits on the device.

    Args:
        label_N: 0 or 1. index_N: rows in the prepared set. mask_TN: None where padding counts.
        parts: split -> positions along N.
    """
    return {
        name: Split(
            torch.from_numpy(x_TNI[:, part]).to(device, dtype),
            torch.from_numpy(label_N[part].astype(np.int64)).to(device),
            torch.from_numpy(index_N[part]).to(device),
            None if mask_TN is None else torch.from_numpy(mask_TN[:, part]).to(device, dtype),
        )
        for name, part in parts.items()
    }
