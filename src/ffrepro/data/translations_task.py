"""Task of translating sentences: a net reads one and foretells its translation word by word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer, or_none
from ffrepro.core import bleu, seeds
from ffrepro.data import corpus, foretold, review_batches
from ffrepro.data.task import Arrays, Batch
from ffrepro.data.task import Task as Base
from ffrepro.data.translations import PARTS, TranslationSet
from ffrepro.data.vocabulary import PAD, SPECIAL, UNKNOWN, Vocabulary

SETTINGS = {
    "train_samples": or_none(integer("pairs to train on, drawn at random; None: all there are", minimum=4), None),
    "split_seed": review_batches.SETTINGS["split_seed"],
    "length": integer("words of a sentence, at most, on either side; what is longer is cut", 40, minimum=1),
    "vocabulary": integer("ids of either side: padding, unknown words, the most frequent words", 8000, minimum=4),
}


class Task(Base):
    """Translation of a set's source sentences.

    Ids are those of the target's vocabulary first, then ``end`` and ``begin`` of a translation, then those of the
    source's vocabulary, from ``inputs[0] + 2`` on. Batches hold ``x`` int64 (B, T): in the first ``length`` columns the
    source sentence, in the next one ``begin``, behind it the translation; ``target`` (B, T + 1), at each position, that
    in front of the first column first, the word of the translation that comes next, 0 where none is asked; ``index``
    (B,). Words that are not in the vocabulary are not asked for; ``end`` is.

    Args: as of ``reviews_task.Task``.

    Attributes:
        inputs: ids of the target's vocabulary and of the source's, and words of a sentence.
        pools: int64, the known words of the training sentences, as often as they occur: of the source, of the target.

    Raises:
        FfreproError: fewer pairs than asked for.
    """

    watch = ("perplexity", "min")
    shown = ("perplexity", "accuracy_token", "bleu_sacre")
    final_splits = ("val", "test")
    classes = None

    def __init__(
        self,
        data: TranslationSet,
        settings: dict,
        seed: int,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        super().__init__(evaluation)
        self.settings, self.batch_size, self.device, self.dtype = settings, batch_size, device, dtype
        seed = seed if settings["split_seed"] == "run" else settings["split_seed"]
        where = f"data set {data.manifest['dataset']} ({data.manifest['source']})"
        self.index = {name: torch.from_numpy(np.flatnonzero(data.part == i)) for i, name in enumerate(PARTS)}
        self.index["train"] = _drawn(self.index["train"], settings["train_samples"], seed, where)
        train = self.index["train"].numpy()
        length = settings["length"]
        self.sides, vocabularies, rows = {"source": data.source, "target": data.target}, {}, {}
        for side, found in self.sides.items():
            types = len(corpus.types_of(found["types"]))
            type_NT = corpus.rows(found["token"], found["start"], length, types)
            seen = type_NT[train]
            vocabularies[side] = Vocabulary(seen[seen < types], types, settings["vocabulary"], f"{where}, {side}")
            rows[side] = torch.from_numpy(vocabularies[side].of_type[type_NT])
        self.vocabulary = vocabularies["target"]
        answers = len(self.vocabulary)
        self.inputs = (answers, len(vocabularies["source"]), length)
        self.end, self.begin, self.offset = answers, answers + 1, answers + 2
        self.source_NT = torch.where(rows["source"] == PAD, PAD, rows["source"] + self.offset).int().to(device)
        self.target_NT = rows["target"].int().to(device)
        self.length_N = (rows["target"] != PAD).sum(1)
        words_P = rows["target"][self.index["train"]]
        read_P = rows["source"][self.index["train"]]
        pools = [read_P[read_P >= SPECIAL] + self.offset, words_P[words_P >= SPECIAL]]
        self.pools = [pool_P.to(device) for pool_P in pools]
        ends_P = torch.full((len(train),), self.end)  # of a unigram, an end a sentence is a word as others are
        self.share = foretold.shares(torch.cat([pools[1], ends_P]), answers + 1)

    def counts(self) -> dict[str, int]:
        """Pairs in each split."""
        return {name: len(index) for name, index in self.index.items()}

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """Training batches in random order."""
        train = self.index["train"]
        for index_B in train[torch.randperm(len(train), generator=generator)].split(self.batch_size):
            yield self._batch(index_B)

    def in_order(self, split: str) -> Iterator[Batch]:
        """The batches of a split, the longest translations first."""
        part = self.index[split]
        order = torch.argsort(self.length_N[part], descending=True, stable=True)
        yield from map(self._batch, part[order].split(self.batch_size))

    def targets(self, batch: Batch) -> Batch:
        """The asked words at full length, and the pairs' places in the set."""
        spare = 2 * self.settings["length"] + 3 - batch["target"].shape[1]
        return {"target": torch.nn.functional.pad(batch["target"], (0, spare)).int(), "index": batch["index"]}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Of all words of true translations ``loss`` (nats), ``perplexity`` and ``accuracy_token``."""
        return foretold.of_words(arrays)

    def kept(self, arrays: Arrays) -> Arrays:
        """Sums by pair."""
        return {name: arrays[name] for name in ("index", "loss_sum", "count", "right")}

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """BLEU of greedy translations against whole references, unknown words included.

        Returns:
            ``<split>/bleu_sacre``, ``bleu_nltk``, the same of the source as it is (``_copy``) and of the training
            translations' most frequent word, as often as the reference has words (``_unigram``);
            ``perplexity_unigram`` and ``accuracy_token_unigram``; of the last split ``bleu_stats`` and ``bleu_index``,
            the pairs' places.
        """
        found: dict[str, float] = {}
        arrays: Arrays = {}
        words = {side: corpus.types_of(own["types"]) for side, own in self.sides.items()}
        # Of words alone: an end may be more frequent, but a guess of nothing but ends is no text.
        frequent = words["target"][self.vocabulary.type_of[int(self.share[: self.end].argmax())]]
        for split, own in seen.items():
            wanted = own["target"][own["target"] > 0]
            found |= {f"{split}/{name}": value for name, value in foretold.of_unigram(self.share, wanted).items()}
            index_N = self.index[split]
            true, copied = (self._texts(side, index_N, words[side]) for side in ("target", "source"))
            said = self._translated(method, index_N, words["target"])
            repeated = [[frequent] * len(text) for text in true]
            for name, texts in (("", said), ("_copy", copied), ("_unigram", repeated)):
                found |= {f"{split}/bleu_{key}{name}": value for key, value in bleu.scores(texts, true).items()}
            arrays = {f"{split}_bleu_stats": bleu.statistics(said, true).astype(np.int32)}
            arrays[f"{split}_bleu_index"] = index_N.numpy()
        return found, arrays

    def _translated(self, method: Any, index_N: Tensor, words: list[str]) -> list[list[str]]:
        said = []
        for index_B in index_N.split(self.batch_size):
            source_BT = self.source_NT[index_B.to(self.device)].long()
            x_BT = torch.nn.functional.pad(source_BT, (0, 1), value=self.begin)
            found = foretold.greedy(method, x_BT, self.settings["length"], (PAD, UNKNOWN), stop=self.end)
            said += [[words[self.vocabulary.type_of[word]] for word in row if word] for row in found.tolist()]
        return said

    def _texts(self, side: str, index_N: Tensor, words: list[str]) -> list[list[str]]:
        own = self.sides[side]
        return [[words[t] for t in own["token"][own["start"][i] : own["start"][i + 1]]] for i in index_N.tolist()]

    def _batch(self, index_B: Tensor) -> Batch:
        place_B = index_B.to(self.device)
        length_B = self.length_N[index_B].to(self.device)
        target_BT = self.target_NT[place_B, : int(length_B.max())].long()
        asked_BT = torch.nn.functional.pad(torch.where(target_BT >= SPECIAL, target_BT, 0), (0, 1))
        asked_BT = asked_BT.scatter(1, length_B.unsqueeze(1), self.end)
        source_BT = self.source_NT[place_B].long()
        begun_BT = torch.nn.functional.pad(source_BT, (0, 1), value=self.begin)
        # A spare column: behind the last word an end is asked.
        x_BT = torch.nn.functional.pad(torch.cat([begun_BT, target_BT], 1), (0, 1))
        before = torch.zeros(len(x_BT), source_BT.shape[1] + 1, dtype=torch.int64, device=x_BT.device)
        target = torch.nn.functional.pad(torch.cat([before, asked_BT], 1), (0, 1))
        return {"x": x_BT, "target": target, "index": place_B}


def _drawn(train_N: Tensor, wanted: int | None, seed: int, where: str) -> Tensor:
    """Sorted places of the pairs to train on: a larger choice contains a smaller one."""
    if wanted is None:
        return train_N
    if wanted > len(train_N):
        raise FfreproError(
            f"{wanted:,} training pairs asked for, there are {len(train_N):,}", where=where, fix="lower `train_samples`"
        )
    order = torch.randperm(len(train_N), generator=seeds.generator("translations", seed))
    return train_N[order[:wanted]].sort().values
