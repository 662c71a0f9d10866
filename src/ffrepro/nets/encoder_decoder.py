"""An encoder-decoder transformer as a list of blocks: one reads a sentence, the other foretells its translation.

All activations of a pair are packed together (``nets.transformer.Layout``), the source's in front of the target's. A
block of the encoder changes the source's rows alone; one of the decoder the target's, which see the source's and those
in front of them. So blocks are run one after the other as those of any net, and what a block gets is detached, or not,
in one place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import only
from ffrepro.nets import transformer
from ffrepro.nets.transformer import PAD, Attention, FeedForward, Layout, Sublayer, initialise

SETTINGS = {
    name: transformer.SETTINGS[name]
    for name in ("layers", "width", "heads", "feedforward", "activation", "dropout", "embedding_std")
} | {"positions": only(transformer.SETTINGS["positions"], "learnt", default="learnt")}


class CrossAttention(Sublayer):
    """Attention of the target's tokens to those of their source."""

    kind = "attention"

    def __init__(self, width: int, heads: int):
        super().__init__(width, first=False)
        self.heads = heads
        self.norm_source = nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def across(self, z_ND: Tensor, layout: Layout, source: tuple[Tensor, Layout], drop: Tensor | None) -> Tensor:
        """Activations (N, D) -> (N, D).

        Args:
            source: activations and layout of the sentences that are read. drop: see ``Sublayer.forward``.
        """
        x_ND = self.norm_in(z_ND)
        m_MD, beside = source
        q = layout.pad(self.query(x_ND)).unflatten(2, (self.heads, -1)).transpose(1, 2)
        both = beside.pad(self.key_value(self.norm_source(m_MD))).unflatten(2, (2, self.heads, -1))
        k, v = both.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=beside.keep_BS[:, None, None, :])
        y_ND = self.out(layout.pack(mixed.transpose(1, 2).flatten(2)))
        return x_ND + y_ND if drop is None else torch.addcmul(x_ND, y_ND, drop)


class Block(transformer.Block):
    """What learns by itself: a layer of the encoder, or of the decoder, which reads the encoder's rows.

    Args:
        source: columns of the source, with that in front of them.
    """

    def __init__(self, sublayers: list[Sublayer], dropout: float, source: int, *, decoder: bool):
        super().__init__(sublayers, dropout)
        self.source, self.decoder = source, decoder

    def rows(self, layout: Layout) -> Tensor:
        """The rows that this block computes, int64."""
        return ((layout.position_N >= self.source) == self.decoder).nonzero().squeeze(1)

    def forward(self, z_ND: Tensor, layout: Layout, drops: list[Tensor | None] | None = None) -> Tensor:
        """Activations (N, D) -> (N, D), changed in this block's rows; ``drops``: one a sublayer, see ``draw``."""
        rows = self.rows(layout)
        of_source = Layout.of(layout.keep_BS[:, : self.source])
        own = Layout.of(layout.keep_BS[:, self.source :]) if self.decoder else of_source
        h_nD = z_ND[rows]
        for index, sublayer in enumerate(self.sublayers):
            drop = None if drops is None or drops[index] is None else drops[index][rows]
            if isinstance(sublayer, CrossAttention):
                other = (layout.position_N < self.source).nonzero().squeeze(1)
                h_nD = sublayer.across(h_nD, own, (z_ND[other], of_source), drop)
            else:
                h_nD = sublayer(h_nD, own, drop)
        return z_ND.index_copy(0, rows, h_nD)


class EncoderDecoder(nn.Module):
    """An encoder and a decoder of so many layers each.

    Args:
        answers: ids of the target's vocabulary, padding included; the id behind them ends a translation, and the next
            one begins it. sources: ids of the source's, which come behind those. length: words of either.
        settings: see ``SETTINGS``. generator: source of the initial weights.

    Attributes:
        blocks: the encoder's, then the decoder's. width: of the activations. vocabulary: all ids.
        answers: ids that a readout can give. length: columns of a batch, at most.
    """

    kind = "translations"

    def __init__(self, answers: int, sources: int, length: int, settings: dict, generator: torch.Generator):
        super().__init__()
        width, heads, hidden = settings["width"], settings["heads"], settings["feedforward"]
        if width % heads:
            raise FfreproError(
                f"a width of {width} does not divide into {heads} heads", where="net.heads", fix="change one of the two"
            )
        self.offset, self.source = answers + 2, length + 1
        self.vocabulary, self.answers, self.width = self.offset + sources, answers + 1, width
        self.length = 2 * length + 2
        self.source_tokens, self.target_tokens = nn.Embedding(sources, width), nn.Embedding(self.offset, width)
        self.source_positions, self.target_positions = nn.Embedding(length + 1, width), nn.Embedding(length + 2, width)
        blocks: list[Block] = []
        for decoder in (False, True):
            for index in range(settings["layers"]):
                parts: list[Sublayer] = [Attention(width, heads, causal=decoder, window=None, first=index == 0)]
                parts += [CrossAttention(width, heads)] if decoder else []
                parts += [FeedForward(width, hidden, settings["activation"])]
                blocks.append(Block(parts, settings["dropout"], self.source, decoder=decoder))
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        initialise(self, settings["embedding_std"], generator)

    @property
    def tokens(self) -> nn.Embedding:
        """The target's embedding: of the type and on the device of the net."""
        return self.target_tokens

    def embed(self, x_BT: Tensor) -> tuple[Tensor, Layout]:
        """Embedded tokens of both sentences, packed; in front of the source stands an id that no word has.

        Args:
            x_BT: ids, the source's in the first ``length`` columns; 0 where there is none.
        """
        id_BS = F.pad(x_BT, (1, 0), value=self.offset)
        layout = Layout.of(id_BS != PAD)
        id_N = id_BS.flatten()[layout.place_N]
        place_N = layout.position_N
        behind_N = place_N >= self.source
        token_ND = self.source_tokens((id_N - self.offset).masked_fill(behind_N, 0))
        token_ND = token_ND + self.source_positions(place_N.masked_fill(behind_N, 0))
        other_ND = self.target_tokens(id_N.masked_fill(~behind_N, 0))
        other_ND = other_ND + self.target_positions((place_N - self.source).masked_fill(~behind_N, 0))
        return torch.where(behind_N.unsqueeze(1), other_ND, token_ND), layout

    def entering(self, index: int) -> list[nn.Parameter]:
        """The parameters of ``embed`` that learn with a block: those of the sentence that it is the first to change."""
        sides = {0: ("source_tokens", "source_positions"), len(self.blocks) // 2: ("target_tokens", "target_positions")}
        return [getattr(self, name).weight for name in sides.get(index, ())]

    def enter(self, index: int, z_ND: Tensor, x_BT: Tensor) -> Tensor:
        """What a block gets: ``z_ND``; the decoder's first one the target's tokens embedded anew, with a graph."""
        if index != len(self.blocks) // 2:
            return z_ND
        embedded_ND, layout = self.embed(x_BT)
        return torch.where((layout.position_N >= self.source).unsqueeze(1), embedded_ND, z_ND)

    def rows(self, index: int, layout: Layout) -> Tensor:
        """The rows that a block computes."""
        return self.blocks[index].rows(layout)  # type: ignore[operator]  # torch types modules loosely

    def sentences(self, x_BT: Tensor) -> list[Tensor]:
        """bool (B, T): the words of the source, and those of the target."""
        return [x_BT >= self.offset, (x_BT != PAD) & (x_BT < self.answers - 1)]


def build(settings: dict, inputs: tuple[int, int, int], classes: int | None, generator: torch.Generator):
    """The net of a plan file's ``net`` section.

    Args:
        inputs: ids of the target's and of the source's vocabulary, words of a sentence. classes: none.
    """
    return EncoderDecoder(*inputs, settings, generator)
