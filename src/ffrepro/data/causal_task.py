"""Task of going on with texts: at every position the net foretells the next word from those before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer, number
from ffrepro.core import bleu, token_negatives
from ffrepro.data import foretold, review_batches
from ffrepro.data.asked_words import AskedWords
from ffrepro.data.reviews import ReviewSet
from ffrepro.data.task import Arrays, Batch
from ffrepro.data.vocabulary import PAD, SPECIAL, UNKNOWN

SETTINGS = review_batches.SETTINGS | {
    "asked_share": number(
        "share of a text's words that training asks for; evaluation asks for all", 1.0, above=0, maximum=1
    ),
    "prompt": integer("words that a continuation begins with", 32, minimum=1),
    "continued": integer("words of a continuation, which BLEU compares with the text's own", 20, minimum=4),
}


class Task(AskedWords):
    """A language model of labelled texts; no label is used.

    Batches hold ``x`` int64 (B, T), token ids; ``target`` (B, T + 1), at each position, that of the label token first,
    the word that comes next, 0 where none is asked; ``index`` (B,). Nothing is asked behind a text's end, nor a word
    that is not in the vocabulary; in evaluation every other word is. The net must not see later words (``causal``).

    Args: as of ``reviews_task.Task``.

    Raises:
        FfreproError: texts too short for a prompt.
    """

    shown = ("perplexity", "accuracy_token", "bleu_sacre")

    def __init__(self, data: ReviewSet, settings: dict, *args: Any, **kwargs: Any):
        if settings["prompt"] >= settings["length"]:
            raise FfreproError(
                f"a prompt of {settings['prompt']} words leaves nothing of {settings['length']} to foretell",
                where="data.prompt",
                fix="lower `prompt`, or raise `length`",
            )
        super().__init__(data, settings, *args, **kwargs)

    def targets(self, batch: Batch) -> Batch:
        """The asked words at full length, and the texts' places in the set."""
        spare = self.settings["length"] - batch["x"].shape[1]
        return {"target": F.pad(batch["target"], (0, spare)).int(), "index": batch["index"]}

    def metrics(self, arrays: Arrays) -> dict[str, float]:
        """Of all words ``loss`` (nats), ``perplexity`` and ``accuracy_token``."""
        return foretold.of_words(arrays)

    def kept(self, arrays: Arrays) -> Arrays:
        """Sums by text."""
        return {name: arrays[name] for name in ("index", "loss_sum", "count", "right")}

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """BLEU of greedy continuations, of texts that are longer than the prompt.

        Returns:
            ``<split>/bleu_sacre``, ``bleu_nltk``; of a repeated prompt ``bleu_<of>_copy``, of the most frequent word
            ``bleu_<of>_unigram``; ``perplexity_unigram``, ``accuracy_token_unigram``; ``continued`` (texts). And of
            the last split ``bleu_stats`` and ``bleu_index``, their places in the set.
        """
        found: dict[str, float] = {}
        arrays: Arrays = {}
        share = foretold.shares(self.pool_P, len(self.reviews.vocabulary))
        for split, own in seen.items():
            wanted = own["target"][own["target"] > 0]
            found |= {f"{split}/{name}": value for name, value in foretold.of_unigram(share, wanted).items()}
            index_N, said_NS, true = self._continued(method, split)
            found[f"{split}/continued"] = float(len(true))
            if not true:
                continue
            size = self.settings["continued"]
            prompt_NT = self.reviews.token_NT[index_N.to(self.device), : self.settings["prompt"]].cpu().numpy()
            again_NS = prompt_NT[:, np.arange(size) % prompt_NT.shape[1]]
            frequent_NS = np.full((len(true), size), int(share.argmax()))
            for name, rows in (("", said_NS), ("_copy", again_NS), ("_unigram", frequent_NS)):
                said = [row[: len(text)] for row, text in zip(rows, true, strict=True)]
                found |= {f"{split}/bleu_{key}{name}": value for key, value in bleu.scores(said, true).items()}
                if not name:
                    arrays = {f"{split}_bleu_stats": bleu.statistics(said, true).astype(np.int32)}
            arrays[f"{split}_bleu_index"] = index_N.numpy()
        return found, arrays

    def _continued(self, method: Any, split: str) -> tuple[Tensor, np.ndarray, list[np.ndarray]]:
        """Places of the texts longer than the prompt, words that the method goes on with, and the true ones."""
        prompt, size = self.settings["prompt"], self.settings["continued"]
        part = self.reviews.index[split]
        part = part[self.reviews.length_N.cpu()[part] > prompt]
        said = [torch.zeros(0, size, dtype=torch.int64)]
        for index_B in part.split(self.batch_size):
            x_BT = self.reviews.token_NT[index_B.to(self.device), :prompt].long()
            steps = min(size, self.settings["length"] - prompt)
            said.append(foretold.greedy(method, x_BT, steps, (PAD, UNKNOWN)).cpu())
        rest_NT = self.reviews.token_NT[part.to(self.device), prompt : prompt + size].cpu().numpy()
        return part, _joined(said, size), [row[row != PAD] for row in rest_NT]

    def _batch(self, index_B: Tensor, generator: torch.Generator | None) -> Batch:
        x_BT = self.reviews.tokens(index_B)
        known_BT = torch.where(x_BT >= SPECIAL, x_BT, 0)
        if generator is not None and self.settings["asked_share"] < 1:
            known_BT = known_BT * token_negatives.chosen_positions(known_BT, self.settings["asked_share"], generator)
        return {"x": x_BT, "target": F.pad(known_BT, (0, 1)), "index": index_B.to(self.device)}


def _joined(parts: list[Tensor], size: int) -> np.ndarray:
    """Rows of several batches, zeros behind their ends."""
    return torch.cat([F.pad(part, (0, size - part.shape[1])) for part in parts]).numpy()
