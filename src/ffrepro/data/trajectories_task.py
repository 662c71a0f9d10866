"""A trajectory data set as the training loop sees it: splits, scaled inputs, batches.

The whole set lives on the device, time-major; a batch is an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ffrepro.data import features
from ffrepro.data.trajectory_set import HUMAN, TrajectorySet

SETTINGS = frozenset({"features", "stamps", "length", "input_scaling", "padding", "split", "split_seed", "batches"})


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


def split_indices(n: int, shares: list[float], seed: int) -> dict[str, np.ndarray]:
    """Random train/val/test indices, drawn as the released code draws them.

    First the test part, then the validation part of the rest, each by a permutation of a generator of its own with
    the same seed; sizes are rounded down.
    """
    n_test = int(n * shares[2])
    rest = n - n_test
    n_val = int(round(rest * shares[1] / (shares[0] + shares[1]), 9))
    outer = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).numpy()
    inner = torch.randperm(rest, generator=torch.Generator().manual_seed(seed)).numpy()
    rest_indices = outer[:rest][inner]
    return {"train": rest_indices[: rest - n_val], "val": rest_indices[rest - n_val :], "test": outer[rest:]}


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


class Task:
    """Human-against-synthetic detection on one prepared set.

    Args:
        data: the prepared set.
        settings: the plan's ``data`` section.
        seed: the run's seed; draws the split where ``split_seed`` is ``run``.
    """

    inputs = 2
    kind = "detection"
    final_splits = ("val", "test")

    def __init__(
        self, data: TrajectorySet, settings: dict, seed: int, batch_size: int, device: str, dtype: torch.dtype
    ):
        self.settings, self.batch_size, self.device, self.dtype = settings, batch_size, device, dtype
        sequences = features.sequences(data, settings["features"], settings["stamps"])
        if settings["input_scaling"] == "sequence_zscore":
            sequences = features.zscore_sequences(sequences)
        x_TNI, valid_N = features.pad(sequences, settings["length"])
        mask_TN = np.arange(len(x_TNI))[:, None] < valid_N
        order = _published_order(data)
        parts = split_indices(
            len(data), settings["split"], seed if settings["split_seed"] == "run" else settings["split_seed"]
        )
        parts = {name: order[part] for name, part in parts.items()}
        if settings["input_scaling"] == "train_statistics":
            train = x_TNI[:, parts["train"]][mask_TN[:, parts["train"]]]
            x_TNI = (x_TNI - train.mean(0)) / train.std(0) * mask_TN[:, :, None]
        masked = settings["padding"] == "masked"
        self.splits = {
            name: Split(
                torch.from_numpy(x_TNI[:, part]).to(device, dtype),
                torch.from_numpy((data.label[part] == HUMAN).astype(np.int64)).to(device),
                torch.from_numpy(part).to(device),
                torch.from_numpy(mask_TN[:, part]).to(device, dtype) if masked else None,
            )
            for name, part in parts.items()
        }

    def counts(self) -> dict[str, int]:
        """Samples in each split."""
        return {name: len(split) for name, split in self.splits.items()}

    def epoch(self, generator: torch.Generator) -> Iterator[dict[str, Tensor]]:
        """One epoch of training batches."""
        train = self.splits["train"]
        if self.settings["batches"] == "balanced":
            indices = balanced_batches(train.label_N, self.batch_size, generator)
        else:
            indices = shuffled_batches(len(train), self.batch_size, generator)
        for which in indices:
            yield train.batch(which.to(self.device))

    def in_order(self, name: str) -> Iterator[dict[str, Tensor]]:
        """The batches of a split in a fixed order, for evaluation."""
        split = self.splits[name]
        for which in torch.arange(len(split), device=self.device).split(self.batch_size):
            yield split.batch(which)


def _published_order(data: TrajectorySet) -> np.ndarray:
    """The order in which the released code lists a set: gesture by gesture, in each the human samples first.

    Its glob is unsorted; names are sorted here. Sets without gesture-wise loading have one block.
    """
    if data.manifest["dataset"] != "dollar":
        return np.arange(len(data))
    return np.lexsort((np.arange(len(data)), data.label != HUMAN, data.gesture))
