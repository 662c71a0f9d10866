"""Task of restoring corrupted texts: words at known positions are others, and the net says which they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.settings import choice, number
from ffrepro.core import bleu, seeds, token_negatives
from ffrepro.data import foretold, review_batches
from ffrepro.data.asked_words import AskedWords
from ffrepro.data.task import Arrays, Batch
from ffrepro.data.vocabulary import SPECIAL

SETTINGS = review_batches.SETTINGS | {
    "corruption": choice("other words, or the same ones swapped", "random", "swap", default="random"),
    "corruption_share": number("share of a text's words that are corrupted", 0.15, above=0, maximum=1),
}


class Task(AskedWords):
    """Restoration of labelled texts; no label is used.

    Batches hold ``x`` int64 (B, T), the corrupted token ids, ``clean`` (B, T), the true ones, ``target`` (B, T + 1),
    the true id at corrupted positions and 0 elsewhere, behind the label token's position, and ``index``
    (B,). A text of the validation and test splits is corrupted alike in every epoch and for every method that has the
    same ``batch_size``: words are drawn batch by batch. Words that are not in the vocabulary stay as they are, and are
    not asked for.

    Args: as of ``reviews_task.Task``.
    """

    shown = ("perplexity", "bleu_sacre", "accuracy_token")

    def targets(self, batch: Batch) -> Batch:
        """True and corrupted texts at full length, and their places in the set."""
        spare = self.settings["length"] - batch["x"].shape[1]
        padded = {name: F.pad(batch[name], (0, spare)).int() for name in ("x", "clean", "target")}
        return {"input": padded["x"], "clean": padded["clean"], "target": padded["target"], "index": batch["index"]}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Of corrupted positions ``loss`` (nats), ``perplexity``, ``accuracy_token`` and ``bleu_positions``; of whole
        texts ``bleu_sacre`` and ``bleu_nltk``.
        """
        restored, clean = self._texts(arrays, arrays["prediction"])
        whole = bleu.scores(restored, clean)
        positions = bleu.scores(*self._positions(arrays, arrays["prediction"]))
        return foretold.of_words(arrays) | {
            "bleu_sacre": whole["sacre"],
            "bleu_nltk": whole["nltk"],
            "bleu_positions": positions["sacre"],
        }

    def kept(self, arrays: Arrays) -> Arrays:
        """Sums by text, and what BLEU is made of."""
        restored, clean = self._texts(arrays, arrays["prediction"])
        sums = {name: arrays[name] for name in ("index", "loss_sum", "count", "right")}
        return sums | {"bleu_stats": bleu.statistics(restored, clean).astype(np.int32)}

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """The same of trivial restorers: the input as it is (``copy``), and the unigram's most frequent word."""
        found: dict[str, float] = {}
        share = foretold.shares(self.pool_P, len(self.reviews.vocabulary))
        for split, arrays in seen.items():
            wanted = arrays["target"][arrays["target"] > 0]
            frequent = int(share.argmax())
            guess = np.full_like(arrays["target"], frequent)
            inputs = np.pad(arrays["input"], ((0, 0), (1, 0)))
            for name, prediction in (("copy", inputs), ("unigram", guess)):
                whole = bleu.scores(*self._texts(arrays, prediction))
                found |= {f"{split}/bleu_{key}_{name}": value for key, value in whole.items()}
                positions = bleu.scores(*self._positions(arrays, prediction))
                found[f"{split}/bleu_positions_{name}"] = positions["sacre"]
            found |= {f"{split}/{name}": value for name, value in foretold.of_unigram(share, wanted).items()}
        return found, {}

    @staticmethod
    def _texts(arrays: Arrays, prediction: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Texts with ``prediction`` (S, length + 1) at the corrupted positions, and the true ones."""
        corrupted = arrays["target"][:, 1:] > 0
        restored = np.where(corrupted, prediction[:, 1:], arrays["input"])
        length = (arrays["clean"] != 0).sum(1)
        pairs = [(row[:end], true[:end]) for row, true, end in zip(restored, arrays["clean"], length, strict=True)]
        return [row for row, _ in pairs], [true for _, true in pairs]

    @staticmethod
    def _positions(arrays: Arrays, prediction: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """What is said at the corrupted positions alone, and what is true there."""
        where = arrays["target"] > 0
        rows = zip(prediction, arrays["target"], where, strict=True)
        pairs = [(said[place], true[place]) for said, true, place in rows]
        return [said for said, _ in pairs], [true for _, true in pairs]

    def _evaluation_draws(self, split: str) -> torch.Generator:
        return seeds.generator("corruption", self.seed, split)

    def _batch(self, index_B: Tensor, generator: torch.Generator | None) -> Batch:
        clean_BT = self.reviews.tokens(index_B)
        known_BT = torch.where(clean_BT >= SPECIAL, clean_BT, 0)
        where_BT = token_negatives.chosen_positions(known_BT, self.settings["corruption_share"], generator)
        if self.settings["corruption"] == "swap":
            x_BT = token_negatives.swap_positions(clean_BT, where_BT, generator)
        else:
            x_BT = token_negatives.random_tokens(clean_BT, where_BT, self.pool_P, generator)
        target = F.pad(torch.where(where_BT, clean_BT, 0), (1, 0))
        return {"x": x_BT, "clean": clean_BT, "target": target, "index": index_B.to(self.device)}
