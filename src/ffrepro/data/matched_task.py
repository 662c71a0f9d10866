"""The matched protocol: both classes recorded alike, nobody's movements on both sides of a split.

``Task`` is what a net sees, ``Table`` what a classifier on kinematic features sees: the same samples, labels and
splits. A control replaces the labels: ``shuffled_labels`` permutes those of the training part, ``human_halves`` splits
the human samples at random, sample by sample, into two classes that differ in nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, number
from ffrepro.core import seeds
from ffrepro.data import features, kinematic_features, matching, trajectories_task
from ffrepro.data.features import Sequences
from ffrepro.data.trajectory_batches import Detection, FeatureTable, make_splits, standardise
from ffrepro.data.trajectory_set import HUMAN, TrajectorySet

SETTINGS = {
    "negatives": choice(
        "the data set's own negatives, or duplicates made here",
        "released",
        "close",
        "medium",
        "far",
        default="released",
    ),
    "control": choice("what replaces the labels", "none", "shuffled_labels", "human_halves", default="none"),
    "grid": number("spacing of positions, in the data set's units", 1.0, above=0),
    "rate_hz": number("sampling rate, Hz", 100.0, above=0),
    "lowpass_hz": number("cut-off of the low-pass filter, Hz", 10.0, above=0),
    "rest_speed": number("share of the largest speed below which a sample's ends rest", 0.05, minimum=0, below=1),
    "length": trajectories_task.SETTINGS["length"],
    "split": trajectories_task.SETTINGS["split"],
    "batches": trajectories_task.SETTINGS["batches"],
}
EVALUATION_SETTINGS = trajectories_task.EVALUATION_SETTINGS
PREPARED_SET = {"setting": "negatives", "own": "released"}  # see ffrepro.data.views


@dataclass(frozen=True)
class Samples:
    """Attributes:

    velocities: of S samples, units/s, whole (a net sees their first steps).
    label_S: bool, the positive class. index_S: int64, rows in the prepared set.
    parts: split -> positions among the S.
    """

    velocities: Sequences
    label_S: np.ndarray
    index_S: np.ndarray
    parts: dict[str, np.ndarray]


def samples(data: TrajectorySet, settings: dict, seed: int) -> Samples:
    """Matched samples, with the labels of the control where there is one.

    Args:
        settings: the plan's ``data`` section.
        seed: of the split; the halves and the shuffle have generators of their own, derived from it.

    Raises:
        FfreproError: the subjects cannot be split so that every part has both classes.
    """
    label_S, index_S = data.label == HUMAN, np.arange(len(data))
    if settings["control"] == "human_halves":
        index_S = np.flatnonzero(label_S)
        label_S = np.zeros(len(index_S), bool)
        label_S[_permutation(len(index_S), seed, "halves")[: len(index_S) // 2]] = True
    parts = split_subjects(data.subject[index_S], data.parent[index_S], settings["split"], seed)
    for name, part in parts.items():
        if len(np.unique(label_S[part])) < 2:
            raise FfreproError(
                f"all samples of the {name} part are of one class",
                where=f"data set {data.manifest['dataset']}",
                fix="give that part a larger share (`split` in params.yaml)",
            )
    if settings["control"] == "shuffled_labels":
        train = parts["train"]
        label_S[train] = label_S[train][_permutation(len(train), seed, "labels")]
    how = {name: settings[name] for name in ("grid", "rate_hz", "lowpass_hz", "rest_speed")}
    chosen = matching.velocities(data, **how)
    return Samples(_rows(chosen, index_S), label_S, index_S, parts)


def split_subjects(
    subject_S: np.ndarray, parent_S: np.ndarray, shares: list[float], seed: int
) -> dict[str, np.ndarray]:
    """Train, val and test positions such that no subject, hence no parent, is in two of them.

    Subjects are drawn in a random order; each goes to the test part, then to the validation part, while that brings
    its size closer to its share, and the rest is for training. Every part has at least one subject.

    Raises:
        FfreproError: fewer than three subjects, or samples of one parent by two subjects.
    """
    subjects, subject_S = np.unique(subject_S, return_inverse=True)
    if len(subjects) < 3:
        raise FfreproError(f"{len(subjects)} subjects cannot be split into three parts", where="the prepared data set")
    pairs = np.unique(np.stack([parent_S, subject_S]), axis=1)
    if len(pairs[0]) != len(np.unique(pairs[0])):
        raise FfreproError("samples of one parent have two subjects", where="the prepared data set")
    sizes = np.bincount(subject_S)
    order = list(_permutation(len(subjects), seed, "subjects"))
    parts = {}
    for name, share, others in (("test", shares[2], 2), ("val", shares[1], 1)):
        wanted, taken = share * len(subject_S), [order.pop(0)]
        size = sizes[taken[0]]
        while len(order) > others and abs(size + sizes[order[0]] - wanted) < abs(size - wanted):
            taken.append(order.pop(0))
            size += sizes[taken[-1]]
        parts[name] = np.flatnonzero(np.isin(subject_S, taken))
    return {"train": np.flatnonzero(np.isin(subject_S, order)), "val": parts["val"], "test": parts["test"]}


class Task(Detection):
    """Detection on matched samples: the first ``length`` velocities, standardised with training statistics, masked."""

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
        found = samples(data, settings, seed)
        x_TNI, valid_N = features.pad(found.velocities, settings["length"])
        mask_TN = np.arange(len(x_TNI))[:, None] < valid_N
        x_TNI = standardise(x_TNI, mask_TN, found.parts["train"])
        splits = make_splits(x_TNI, found.label_S, found.index_S, mask_TN, found.parts, device, dtype)
        super().__init__(splits, settings["batches"], batch_size, device, dtype, evaluation)


class Table(FeatureTable):
    """The same samples as 27 kinematic features (``ffrepro.data.kinematic_features``)."""

    def __init__(self, data: TrajectorySet, settings: dict, seed: int):
        found = samples(data, settings, seed)
        features_SF = kinematic_features.table(found.velocities, settings["rate_hz"])
        super().__init__(features_SF, found.label_S, found.index_S, found.parts)


def _permutation(n: int, seed: int, purpose: str) -> np.ndarray:
    return torch.randperm(n, generator=seeds.generator(seed, purpose)).numpy()


def _rows(s: Sequences, index_S: np.ndarray) -> Sequences:
    """Some of the sequences, in ascending order."""
    kept = np.zeros(len(s.lengths), bool)
    kept[index_S] = True
    return Sequences(s.values[np.repeat(kept, s.lengths)], np.r_[0, np.cumsum(s.lengths[kept])])
