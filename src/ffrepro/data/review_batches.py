"""Splits and batches of token ids that the tasks on labelled texts share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer
from ffrepro.core import seeds
from ffrepro.data import corpus
from ffrepro.data.reviews import ReviewSet
from ffrepro.data.vocabulary import PAD, SPECIAL, Vocabulary

SETTINGS = {
    "train_samples": integer("texts to train on, of every class alike", 2500, minimum=4),
    "validation": integer("texts held out of the rest of the training part, of every class alike", 1000, minimum=2),
    "test_samples": integer("texts of the test part that are the test split; the others are `rest`", 500, minimum=2),
    "split_seed": integer("seed of the split; `run`: another one for every seed", "run", minimum=0, word="run"),
    "length": integer("tokens of a text, at most; what is longer is cut", 256, minimum=1),
    "vocabulary": integer("token ids: padding, unknown words, and the most frequent words trained on", 8000, minimum=4),
}


class Reviews:
    """Texts of one prepared set as token ids, in splits.

    Args:
        data: the prepared set. settings: see ``SETTINGS``. seed: the run's. device: where the texts live.

    Attributes:
        token_NT: int32 (N, length), 0 behind the end. length_N: tokens of each. label_N: int64.
        index: positions in the prepared set by split: ``train, val, test, rest``.
        vocabulary: of the training texts.
        pool_P: int64, the known words of the training texts, as often as they occur.
        classes: how many.
    """

    def __init__(self, data: ReviewSet, settings: dict[str, Any], seed: int, device: str):
        split_seed = seed if settings["split_seed"] == "run" else settings["split_seed"]
        self.index = {name: torch.from_numpy(part) for name, part in split_indices(data, settings, split_seed).items()}
        type_NT = corpus.rows(data.token, data.start, settings["length"], len(corpus.types_of(data.types)))
        train = type_NT[self.index["train"].numpy()]
        types = corpus.types_of(data.types)
        where = f"data set {data.manifest['dataset']} ({data.manifest['source']})"
        self.words = types
        self.vocabulary = Vocabulary(train[train < len(types)], len(types), settings["vocabulary"], where)
        self.token_NT = torch.from_numpy(self.vocabulary.of_type[type_NT].astype(np.int32)).to(device)
        self.length_N = (self.token_NT != PAD).sum(1)
        train_NT = self.token_NT[self.index["train"].to(device)]
        self.pool_P = train_NT[train_NT >= SPECIAL].long()
        self.label_N = torch.from_numpy(data.label.astype(np.int64)).to(device)
        self.classes = len(data.manifest["classes"])
        self.device = device

    def tokens(self, index_B: Tensor) -> Tensor:
        """Token ids int64 (B, T) of some texts, T that of the longest."""
        index_B = index_B.to(self.device)
        return self.token_NT[index_B, : int(self.length_N[index_B].max())].long()

    def shuffled(self, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Places (B,) of one epoch's training batches."""
        train = self.index["train"]
        yield from train[torch.randperm(len(train), generator=generator)].split(batch_size)

    def in_order(self, split: str, batch_size: int) -> Iterator[Tensor]:
        """Places (B,) of a split's batches, the longest texts first: so batches have little padding."""
        part = self.index[split]
        order = torch.argsort(self.length_N.cpu()[part], descending=True, stable=True)
        yield from part[order].split(batch_size)


def split_indices(data: ReviewSet, settings: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Sorted places of ``train, val, test, rest``, of every class alike.

    Each class's training texts are shuffled; the first ones are trained on, the last ones are held out: a larger
    training set contains a smaller one, and the others stay the same.

    Raises:
        FfreproError: there are fewer texts than asked for.
    """
    classes = len(data.manifest["classes"])
    found: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": [], "rest": []}
    for label in range(classes):
        for part, (first, second) in enumerate((("train_samples", "validation"), ("test_samples", None))):
            members = np.flatnonzero((data.label == label) & (data.test == part))
            order = torch.randperm(len(members), generator=seeds.generator("texts", seed, label, part)).numpy()
            wanted = [settings[name] // classes if name else 0 for name in (first, second)]
            if sum(wanted) > len(members):
                raise FfreproError(
                    f"{sum(wanted):,} texts of class {data.manifest['classes'][label]} asked for, "
                    f"there are {len(members):,}",
                    where=f"data set {data.manifest['dataset']} ({data.manifest['source']})",
                    fix=f"lower `{first}`" + (f" or `{second}`" if second else ""),
                )
            chosen = members[order]
            if part == 0:
                found["train"].append(chosen[: wanted[0]])
                found["val"].append(chosen[len(chosen) - wanted[1] :])
            else:
                found["test"].append(chosen[: wanted[0]])
                found["rest"].append(chosen[wanted[0] :])
    return {name: np.sort(np.concatenate(parts)) for name, parts in found.items()}
