"""Shared by the methods that foretell words at given positions: the readout, and what is measured of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.methods.base import Batch
from ffrepro.nets.transformer import Layout

ROWS = 4096
"""Asked words whose logits are there at once in an evaluation: logits of all are vocabulary / width times the rest."""


class WordReadout(nn.Module):
    """Layer norm and a linear map from activations to the vocabulary, at the rows that ask for a word alone."""

    def __init__(self, width: int, vocabulary: int, generator: torch.Generator):
        super().__init__()
        self.norm, self.map = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        with torch.no_grad():
            self.map.weight.normal_(std=0.02, generator=generator)
            self.map.bias.zero_()

    def forward(self, z_ND: Tensor) -> Tensor:
        """Logits (N, vocabulary)."""
        return self.map(self.norm(z_ND))


def readout(net: nn.Module, generator: torch.Generator) -> WordReadout:
    """A fresh readout of the words that a net can answer with: of all, unless it says how many (``answers``)."""
    return WordReadout(net.width, getattr(net, "answers", net.vocabulary), generator).to(net.tokens.weight)


def asked(target_BS: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """Rows of packed activations that a word is asked of, and the word's id.

    Args:
        target_BS: ids, the label token's position first; 0 where nothing is asked.
    """
    target_N = target_BS.flatten()[layout.place_N]
    rows = target_N.nonzero().squeeze(1)
    return rows, target_N[rows]


def next_word(head: nn.Module, z_ND: Tensor, layout: Layout) -> Tensor:
    """Logits (B, words) of the word behind the last token of every sequence."""
    return head(z_ND[layout.count_B.cumsum(0) - 1])


def measured(head: nn.Module, z_ND: Tensor, rows: Tensor, true_R: Tensor, layout: Layout, length: int) -> Batch:
    """What a task makes its metrics of, by sample.

    Args:
        head: words of activations ``z_ND``, of which ``rows`` are asked. length: tokens of a sequence, at most.

    Returns:
        ``loss_sum`` (B,), nats of all asked words; ``count`` (B,) of these; ``right`` (B,) of the most likely words;
        ``prediction`` int32 (B, length + 1), the most likely word where one is asked, 0 elsewhere.
    """
    size = len(layout.count_B)
    sample_R = layout.sample_N[rows]
    pieces = []
    for some, true in zip(rows.split(ROWS), true_R.split(ROWS), strict=True):
        logits_RV = head(z_ND[some])
        pieces.append((logits_RV.argmax(1), F.cross_entropy(logits_RV, true, reduction="none")))
    likely_R, loss_R = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    zero_B = torch.zeros(size, device=z_ND.device)
    prediction = torch.zeros(layout.keep_BS.numel(), dtype=torch.int32, device=z_ND.device)
    prediction[layout.place_N[rows]] = likely_R.int()
    prediction_BS = prediction.view(size, -1)
    return {
        "loss_sum": zero_B.index_add(0, sample_R, loss_R.float()),
        "count": zero_B.index_add(0, sample_R, torch.ones_like(loss_R).float()),
        "right": zero_B.index_add(0, sample_R, (likely_R == true_R).float()),
        "prediction": F.pad(prediction_BS, (0, length + 1 - prediction_BS.shape[1])),
    }
