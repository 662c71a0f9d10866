"""What tasks share that ask for words of labelled texts, whose labels they do not use."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ffrepro.data.review_batches import Reviews
from ffrepro.data.reviews import ReviewSet
from ffrepro.data.task import Batch, Task


class AskedWords(Task):
    """A task whose net says words of texts, judged by their perplexity.

    Args: as of ``reviews_task.Task``.

    Attributes:
        reviews: the texts, in splits. inputs: size of the vocabulary, tokens of a text.
        pool_P: int64, the known words of the training texts, as often as they occur. pools: that alone.
    """

    watch = ("perplexity", "min")
    final_splits = ("val", "test")
    classes = None

    def __init__(
        self,
        data: ReviewSet,
        settings: dict,
        seed: int,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        super().__init__(evaluation)
        self.reviews = Reviews(data, settings, seed, device)
        self.settings, self.seed = settings, seed
        self.batch_size, self.device, self.dtype = batch_size, device, dtype
        self.inputs = (len(self.reviews.vocabulary), settings["length"])
        self.pool_P = self.reviews.pool_P
        self.pools = [self.pool_P]

    def counts(self) -> dict[str, int]:
        """Texts in each split."""
        return {name: len(self.reviews.index[name]) for name in ("train", "val", "test")}

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """Training batches in random order; what is drawn for each is drawn anew."""
        own = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for index_B in self.reviews.shuffled(self.batch_size, generator):
            yield self._batch(index_B, own)

    def in_order(self, split: str) -> Iterator[Batch]:
        """The batches of a split, the longest texts first."""
        own = self._evaluation_draws(split)
        for index_B in self.reviews.in_order(split, self.batch_size):
            yield self._batch(index_B, own)

    def _evaluation_draws(self, split: str) -> torch.Generator | None:
        """What draws a split's batches, the same in every epoch; None where nothing is drawn."""
        return None

    def _batch(self, index_B: Tensor, generator: torch.Generator | None) -> Batch:
        """The texts at ``index_B``, with what is asked of them."""
        raise NotImplementedError
