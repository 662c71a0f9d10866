"""Forward-Forward on a transformer that foretells words: blocks learn to tell true texts from corrupted ones.

Positive samples are true texts, negative ones corrupted (Kim & Yoo 2025, Sec. 3.3, step 1); no label is used. The
readout of words learns beside the blocks, on detached activations of the last one for the text that it is asked about.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, number
from ffrepro.core import token_negatives
from ffrepro.methods import ff_tokens, words
from ffrepro.methods.base import Batch
from ffrepro.methods.token_pairs import PairMethod
from ffrepro.nets.transformer import PAD, Layout

VERSION = 1  # of its numbers: tests/golden/ff_words.json
SETTINGS = {
    "negatives": choice(
        "the task's corrupted text, random words, swapped words, or the readout's own likeliest mistakes",
        "task",
        "random",
        "swap",
        "mistakes",
        default="task",
    ),
    "corrupted": number(
        "share of a negative's words that are changed, where the task does not say", 0.15, above=0, maximum=1
    ),
    "goodness": ff_tokens.SETTINGS["goodness"],
    "goodness_of": ff_tokens.SETTINGS["goodness_of"],
    "goodness_activation": ff_tokens.SETTINGS["goodness_activation"],
    "hinge": ff_tokens.SETTINGS["hinge"],
    "delta": ff_tokens.SETTINGS["delta"],
    "pass_on": ff_tokens.SETTINGS["pass_on"],
    "weight_decay": ff_tokens.SETTINGS["weight_decay"],
}
LIKELIEST = 5
"""Words that a mistake is drawn from."""


class Method(PairMethod):
    """FF on texts and their corrupted twins, and a readout of words.

    Batches: ``x`` (B, T), token ids, ``target`` (B, T + 1), the asked words, and ``clean`` (B, T), the true text; where
    there is none ``x`` is true.

    Raises:
        FfreproError: the task's negatives, of a task that has none.
    """

    def __init__(self, net, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        super().__init__(net, hyperparameters, example, generator, lr)
        if hyperparameters["negatives"] == "task" and "clean" not in example:
            raise FfreproError(
                "this task's texts are true: it has no corrupted ones to learn from",
                where="method.negatives",
                fix="set `negatives` to random, swap or mistakes",
            )
        self.extra = words.readout(net, generator)
        self.add_optimizer(self.extra.parameters(), lr, hyperparameters["weight_decay"])

    def step(self, batch: Batch) -> Batch:
        """One update of every block and of the readout.

        Where no word is asked the blocks learn, and the readout stays as it is.

        Returns:
            ``loss`` of the readout (0 where no word is asked), ``loss_layer<l>``, ``active_layer<l>`` (share of pairs
            with a gradient).
        """
        clean_BT = batch.get("clean", batch["x"])
        asked_first = "clean" not in batch
        other_BT = batch["x"] if self.hp["negatives"] == "task" else self._negatives(clean_BT, batch)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        both_BT = torch.cat([clean_BT, other_BT])
        start_ND, layout = self.net.embed(both_BT)
        z_ND, out = self.learn(both_BT, start_ND, layout)
        half = len(z_ND) // 2
        if self.hp["negatives"] == "task" or asked_first:
            seen_ND = z_ND[:half] if asked_first else z_ND[half:]
            seen = Layout.of(layout.keep_BS[: len(clean_BT)])
        else:
            seen_ND, seen = self._activations(batch["x"])
        rows, true_R = words.asked(batch["target"], seen)
        if not len(rows):
            return {"loss": z_ND.new_zeros(()), **out}
        loss = F.cross_entropy(self.extra(seen_ND[rows]), true_R)
        loss.backward()
        self.optimizers[-1].step()
        return {"loss": loss.detach(), **out}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """As ``words.measured``, and ``loss`` (B, 1), the mean of each sample's asked words."""
        z_ND, layout = self._activations(batch["x"])
        rows, true_R = words.asked(batch["target"], layout)
        out = words.measured(self.extra, z_ND, rows, true_R, layout, self.net.length)
        return out | {"loss": (out["loss_sum"] / out["count"].clamp(min=1)).unsqueeze(1)}

    @torch.no_grad()
    def next_word(self, x_BT: Tensor) -> Tensor:
        """Logits (B, words) of the word behind every sequence."""
        return words.next_word(self.extra, *self._activations(x_BT))

    @torch.no_grad()
    def _activations(self, x_BT: Tensor) -> tuple[Tensor, Layout]:
        start_ND, layout = self.net.embed(x_BT)
        z_ND = start_ND
        for index, block in enumerate(self.net.blocks):
            z_ND = block(start_ND if index and self.hp["pass_on"] == "nothing" else z_ND, layout)
        return z_ND, layout

    @torch.no_grad()
    def _negatives(self, clean_BT: Tensor, batch: Batch) -> Tensor:
        if self.hp["negatives"] in ("swap", "random"):
            out = clean_BT
            for kind, own_BT in enumerate(self.net.sentences(clean_BT)):
                words_BT = torch.where(own_BT, clean_BT, PAD)
                where_BT = token_negatives.chosen_positions(words_BT, self.hp["corrupted"], self.generator)
                if self.hp["negatives"] == "swap":
                    out = token_negatives.swap_positions(out, where_BT, self.generator)
                else:
                    out = token_negatives.random_tokens(
                        out, where_BT, self.pool(own_BT, clean_BT, kind), self.generator
                    )
            return out
        where_BT = token_negatives.chosen_positions(clean_BT, self.hp["corrupted"], self.generator)
        z_ND, layout = self._activations(batch["x"])
        rows, true_R = words.asked(batch["target"], layout)
        logits = self.extra(z_ND[rows])
        logits.scatter_(1, true_R.unsqueeze(1), -torch.inf)
        logits[:, PAD] = -torch.inf
        likely_RK = logits.topk(min(LIKELIEST, logits.shape[1] - 1)).indices
        pick_R = torch.randint(likely_RK.shape[1], (len(rows),), generator=self.generator).to(rows.device)
        place_R = layout.place_N[rows]
        length = layout.keep_BS.shape[1]
        # What position p foretells stands at p for restored texts, at p + 1 for the next word.
        shift = 0 if "clean" in batch else 1
        sample_R, position_R = place_R // length, place_R % length - 1 + shift
        chosen = where_BT[sample_R, position_R] if shift else torch.ones_like(true_R, dtype=torch.bool)
        out = clean_BT.clone()
        out[sample_R[chosen], position_R[chosen]] = likely_RK.gather(1, pick_R.unsqueeze(1)).squeeze(1)[chosen]
        return out
