"""A trajectory data set as the training loop sees it: splits, scaled inputs, batches.

``Task`` is what a net sees, ``Table`` what a classifier on summary numbers sees: the same samples, labels and splits.
"""

from __future__ import annotations

import numpy as np
import torch

from ffrepro.base.settings import choice, integer, list_of, number
from ffrepro.data import features, summary_features
from ffrepro.data.features import Sequences
from ffrepro.data.trajectory_batches import Detection, FeatureTable, make_splits, standardise
from ffrepro.data.trajectory_set import HUMAN, TrajectorySet

_SHARE = number("share of the samples", above=0, below=1)
SETTINGS = {
    "features": choice("what a time step holds", "velocity", "published_columns", default="velocity"),
    "stamps": choice("what becomes of equal and backward time stamps", "merge", "epsilon", default="merge"),
    "length": integer("time steps; longer samples are cut, shorter ones padded", 100, minimum=2),
    "input_scaling": choice(
        "whose mean and standard deviation", "train_statistics", "sequence_zscore", default="train_statistics"
    ),
    "padding": choice("whether padded steps count", "masked", "counted", default="masked"),
    "split": list_of(_SHARE, "shares of train, val and test", [0.7, 0.1, 0.2], shortest=3, longest=3),
    "split_seed": integer("seed of the split; `run`: another one for every seed", "run", minimum=0, word="run"),
    "batches": choice("both classes alike in every batch, or as they come", "balanced", "shuffled", default="balanced"),
}
EVALUATION_SETTINGS = {
    "metric_average": choice("over samples, or over batch means", "sample", "batch", default="sample"),
    "auc_scores": choice("what the AUC ranks: logits, or their float32 sigmoids", "logit", "sigmoid", default="logit"),
}


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


class Task(Detection):
    """Human-against-synthetic detection on one prepared set.

    Args:
        data: the prepared set.
        settings: the plan's ``data`` section.
        seed: the run's seed; draws the split where ``split_seed`` is ``run``.
    """

    def __init__(
        self,
        data: TrajectorySet,
        settings: dict,
        seed: int,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        x_TNI, valid_N = features.pad(_sequences(data, settings), settings["length"])
        mask_TN = np.arange(len(x_TNI))[:, None] < valid_N
        parts = _parts(data, settings, seed)
        if settings["input_scaling"] == "train_statistics":
            x_TNI = standardise(x_TNI, mask_TN, parts["train"])
        mask = mask_TN if settings["padding"] == "masked" else None
        splits = make_splits(x_TNI, data.label == HUMAN, np.arange(len(data)), mask, parts, device, dtype)
        super().__init__(splits, settings["batches"], batch_size, device, dtype, evaluation)


class Table(FeatureTable):
    """The same samples as 16 summary numbers of the same input (``ffrepro.data.summary_features``).

    They are not scaled by training statistics, on which no classifier by single numbers depends.
    """

    def __init__(self, data: TrajectorySet, settings: dict, seed: int):
        features_SF = summary_features.table(_sequences(data, settings), settings["length"])
        super().__init__(features_SF, data.label == HUMAN, np.arange(len(data)), _parts(data, settings, seed))


def _sequences(data: TrajectorySet, settings: dict) -> Sequences:
    """Two channels a time step, whole samples, scaled where each sample is scaled by itself."""
    sequences = features.sequences(data, settings["features"], settings["stamps"])
    return features.zscore_sequences(sequences) if settings["input_scaling"] == "sequence_zscore" else sequences


def _parts(data: TrajectorySet, settings: dict, seed: int) -> dict[str, np.ndarray]:
    """Rows of each split."""
    order = _published_order(data)
    seed = seed if settings["split_seed"] == "run" else settings["split_seed"]
    return {name: order[part] for name, part in split_indices(len(data), settings["split"], seed).items()}


def _published_order(data: TrajectorySet) -> np.ndarray:
    """The order in which the released code lists a set: gesture by gesture, in each the human samples first.

    Its glob is unsorted; names are sorted here. Sets without gesture-wise loading have one block.
    """
    if data.manifest["dataset"] != "dollar":
        return np.arange(len(data))
    return np.lexsort((np.arange(len(data)), data.label != HUMAN, data.gesture))
