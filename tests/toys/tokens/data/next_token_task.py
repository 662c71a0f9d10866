"""The next token of a sequence, measured by its perplexity."""

import numpy as np
import torch
from ffrepro.data.toy_letters import LENGTH, VOCABULARY

from ffrepro.base.settings import list_of, number
from ffrepro.data.task import Task as Base

SETTINGS = {
    "split": list_of(number("", above=0, below=1), "shares of train, val and test", shortest=3, longest=3),
}


class Task(Base):
    """Batches hold ``token`` (B, T) and ``next`` (B, T); no sample has a class, a label or an index."""

    classes = VOCABULARY
    inputs = LENGTH
    watch = ("perplexity", "min")
    shown = ("perplexity", "right")

    def __init__(self, data, settings, seed, batch_size, device, dtype, evaluation=None):
        super().__init__(evaluation)
        self.batch_size, self.device, self.dtype = batch_size, device, dtype
        token_NT = torch.from_numpy(data.token).to(device)
        order = torch.randperm(len(token_NT), generator=torch.Generator().manual_seed(seed % 2**62))
        ends = [round(len(token_NT) * share) for share in settings["split"]]
        self.splits = dict(zip(("train", "val", "test"), token_NT[order].split(ends), strict=True))

    def counts(self):
        """Sequences in each split."""
        return {name: len(split) for name, split in self.splits.items()}

    def size(self, batch):
        """Sequences."""
        return len(batch["token"])

    def epoch(self, generator):
        """In random order."""
        train = self.splits["train"]
        yield from map(self._batch, train[torch.randperm(len(train), generator=generator)].split(self.batch_size))

    def in_order(self, split):
        """As they are."""
        yield from map(self._batch, self.splits[split].split(self.batch_size))

    def metrics(self, arrays):
        """``loss`` (of the last block, nats a token), ``perplexity`` and ``right``, the share of tokens foretold."""
        loss = float(arrays["loss"][:, -1].mean(dtype=np.float64))
        return {"loss": loss, "perplexity": float(np.exp(loss)), "right": float(arrays["right"].mean())}

    @staticmethod
    def _batch(token_BT):
        return {"token": token_BT[:, :-1], "next": token_BT[:, 1:]}
