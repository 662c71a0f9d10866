"""Transformer encoders on token ids: an embedding, and blocks of attention and feed-forward sublayers.

Only real tokens are computed: activations are packed, a row a token (N, width), and ``Layout`` says which token of
which sample a row is. Attention alone works on padded sequences, with PyTorch's kernel and with padding masked. The
first position of every sequence is a label token: a class's, or the neutral one.

A sublayer is x + dropout(f(x)), where x is the layer norm of what the sublayer below gave; so the layer norm that the
paper applies after a sublayer belongs to the one above it, and what a block gives has its length. ``norm`` is that of
the last one, for readouts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, number, or_none
from ffrepro.core import attention, token_map

PAD = 0
"""The token id of padding."""

SETTINGS = {
    "layers": integer("transformer layers; 0: the embedding alone", 2, minimum=0),
    "width": integer("of the activations", 128, minimum=1),
    "heads": integer("of attention", 4, minimum=1),
    "feedforward": integer("units of the feed-forward sublayer's hidden layer", 256, minimum=1),
    "activation": choice("of that hidden layer", "relu", "gelu", "sigmoid", default="relu"),
    "dropout": number("share of a sublayer's outputs that is dropped in training", 0.1, minimum=0, below=1),
    "positions": choice("learnt, or sines and cosines", "learnt", "sinusoidal", default="learnt"),
    "causal": choice("whether a token sees later ones", "yes", "no", default="no"),
    "window": or_none(integer("tokens that a token sees to either side; None: all", minimum=1), None),
    "blocks": choice("what learns by itself: a layer, or a sublayer", "layer", "sublayer", default="layer"),
    "embedding_std": number("standard deviation of the initial embeddings", 0.02, above=0),
}
_ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "sigmoid": torch.sigmoid}


@dataclass(frozen=True)
class Layout:
    """Which token a row of packed activations is.

    Attributes:
        keep_BS: bool (B, S), real tokens of the padded batch.
        place_N: int64 (N,), a row's place in the flattened padded batch.
        sample_N: int64 (N,), a row's sample. position_N: its position in the sequence.
        count_B: rows of each sample.
    """

    keep_BS: Tensor
    place_N: Tensor
    sample_N: Tensor
    position_N: Tensor
    count_B: Tensor

    @classmethod
    def of(cls, keep_BS: Tensor) -> Layout:
        """The layout of a padded batch."""
        place_N = keep_BS.flatten().nonzero().squeeze(1)
        length = keep_BS.shape[1]
        return cls(keep_BS, place_N, place_N // length, place_N % length, keep_BS.sum(1))

    def pad(self, x_ND: Tensor) -> Tensor:
        """(B, S, D) with zeros at padding."""
        zeros = x_ND.new_zeros(self.keep_BS.numel(), x_ND.shape[1])
        return zeros.index_copy(0, self.place_N, x_ND).view(*self.keep_BS.shape, -1)

    def pack(self, x_BSD: Tensor) -> Tensor:
        """(N, D): the rows of real tokens."""
        return x_BSD.flatten(0, 1).index_select(0, self.place_N)

    def mean(self, x_N: Tensor) -> Tensor:
        """Mean over each sample's tokens of (N, ...): (B, ...)."""
        total = x_N.new_zeros(len(self.count_B), *x_N.shape[1:]).index_add(0, self.sample_N, x_N)
        return total / self.count_B.to(x_N.dtype).view(-1, *[1] * (x_N.ndim - 1))

    def some(self, which: Tensor) -> tuple[Layout, Tensor]:
        """The layout of some samples (B' indices), and the rows of this one that are theirs, in its order."""
        chosen = torch.zeros_like(self.count_B, dtype=torch.bool)
        chosen[which] = True
        rows = chosen[self.sample_N].nonzero().squeeze(1)
        return Layout.of(self.keep_BS[chosen]), rows


class Sublayer(nn.Module):
    """Layer norm (but on the embedding), a function f, dropout, and the residual; see the module.

    f begins with a linear map, ``entry``.
    """

    def __init__(self, width: int, first: bool):
        super().__init__()
        self.norm_in = nn.Identity() if first else nn.LayerNorm(width)

    def forward(self, z_ND: Tensor, layout: Layout, drop: Tensor | None = None) -> Tensor:
        """Activations (N, D) -> (N, D).

        Args:
            drop: (N, D), 0 where an output of f is dropped, else 1 / (1 - dropout); None: nothing is.
        """
        norm, entry = self.norm_in, self.entry
        if isinstance(norm, nn.LayerNorm) and torch.is_grad_enabled() and not z_ND.requires_grad:
            # Where the gradient ends. The norm's weights are folded into the map behind it, so that their gradients
            # are read off that of the folded weight, and the product of the map's gradient with its weight, which
            # would lead to the norm's output, is spared (as in core.token_map).
            n_ND, x_ND = normalised(norm, z_ND)
            entered_NE = F.linear(n_ND, *token_map.folded(entry.weight, entry.bias, norm.weight, norm.bias))
        else:
            x_ND = norm(z_ND)
            entered_NE = entry(x_ND)
        y_ND = self.behind(entered_NE, layout)
        return x_ND + y_ND if drop is None else torch.addcmul(x_ND, y_ND, drop)

    @property
    def entry(self) -> nn.Linear:
        """The map that f begins with."""
        raise NotImplementedError

    def behind(self, entered_NE: Tensor, layout: Layout) -> Tensor:
        """What f makes of the output of its ``entry``."""
        raise NotImplementedError


def normalised(norm: nn.LayerNorm, z_ND: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer norm makes of activations, before and after its weights."""
    n_ND = F.layer_norm(z_ND, norm.normalized_shape, eps=norm.eps)
    return n_ND, torch.addcmul(norm.bias, n_ND, norm.weight)


class Attention(Sublayer):
    """Multi-head self-attention."""

    kind = "attention"

    def __init__(self, width: int, heads: int, *, causal: bool, window: int | None, first: bool):
        super().__init__(width, first)
        self.heads, self.causal, self.window = heads, causal, window
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    @property
    def entry(self) -> nn.Linear:
        """Queries, keys and values."""
        return self.qkv

    def behind(self, entered_NE: Tensor, layout: Layout) -> Tensor:
        """Attention among the tokens of each sample, and its output map."""
        return self.out(self.between(entered_NE, layout))

    def between(self, qkv_NE: Tensor, layout: Layout) -> Tensor:
        """What the output map gets, (N, D), of queries, keys and values (N, 3 D)."""
        padded = layout.pad(qkv_NE)
        q, k, v = padded.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.window is None:
            mask = layout.keep_BS[:, None, None, :]
            if self.causal:
                length = mask.shape[3]
                mask = mask & torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        else:
            mixed = attention.local(q, k, v, layout.keep_BS, self.window, self.causal)
        return layout.pack(mixed.transpose(1, 2).flatten(2))


class FeedForward(Sublayer):
    """Two linear maps with a non-linearity between them."""

    kind = "feedforward"

    def __init__(self, width: int, hidden: int, activation: str):
        super().__init__(width, first=False)
        self.activation = _ACTIVATIONS[activation]
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    @property
    def entry(self) -> nn.Linear:
        """The map to the hidden layer."""
        return self.up

    def behind(self, entered_NE: Tensor, layout: Layout) -> Tensor:
        """Of every token by itself."""
        return self.down(self.between(entered_NE, layout))

    def between(self, hidden_NH: Tensor, layout: Layout) -> Tensor:
        """The hidden layer's activations."""
        return self.activation(hidden_NH)


class Block(nn.Module):
    """What learns by itself: one or more sublayers."""

    def __init__(self, sublayers: list[Sublayer], dropout: float):
        super().__init__()
        self.sublayers = nn.ModuleList(sublayers)
        self.dropout = dropout

    def forward(self, z_ND: Tensor, layout: Layout, drops: list[Tensor | None] | None = None) -> Tensor:
        """Activations (N, D) -> (N, D); ``drops``: one a sublayer, see ``draw``."""
        for index, sublayer in enumerate(self.sublayers):
            z_ND = sublayer(z_ND, layout, None if drops is None else drops[index])
        return z_ND

    def draw(self, z_ND: Tensor, generator: torch.Generator) -> list[Tensor | None]:
        """Dropout factors of each sublayer for activations like ``z_ND``, from a CPU generator."""
        return [draw(z_ND, self.dropout, generator) for _ in self.sublayers]


class Transformer(nn.Module):
    """An encoder of token ids.

    Args:
        vocabulary: token ids, 0 (padding) included. length: tokens of a sequence, at most.
        labels: label tokens beside the neutral one.
        settings: see ``SETTINGS``.
        generator: source of the initial weights.

    Attributes:
        kind: the kind of net, part of the names of the methods for it (``ff_tokens``).
        blocks: see ``Block``. norm: layer norm of the last block's activations. width: of the activations.
    """

    kind = "tokens"

    def __init__(self, vocabulary: int, length: int, labels: int, settings: dict, generator: torch.Generator):
        super().__init__()
        width, heads = settings["width"], settings["heads"]
        if width % heads:
            raise FfreproError(
                f"a width of {width} does not divide into {heads} heads", where="net.heads", fix="change one of the two"
            )
        self.vocabulary, self.length, self.width, self.neutral = vocabulary, length, width, labels
        self.head = None
        self.tokens = nn.Embedding(vocabulary, width)
        self.labels = nn.Embedding(labels + 1, width)
        if settings["positions"] == "learnt":
            self.positions = nn.Embedding(length + 1, width)
        else:
            # Vaswani et al. add waves of amplitude 1 to embeddings of a standard deviation of 1: the same proportion.
            waves = settings["embedding_std"] * _waves(length + 1, width)
            self.register_buffer("waves", waves, persistent=False)
        sublayers: list[Sublayer] = []
        causal = settings["causal"] == "yes"
        for index in range(settings["layers"]):
            sublayers.append(Attention(width, heads, causal=causal, window=settings["window"], first=index == 0))
            sublayers.append(FeedForward(width, settings["feedforward"], settings["activation"]))
        size = {"layer": 2, "sublayer": 1}[settings["blocks"]]
        parts = [sublayers[start : start + size] for start in range(0, len(sublayers), size)]
        self.blocks = nn.ModuleList(Block(part, settings["dropout"]) for part in parts)
        self.norm = nn.LayerNorm(width)
        initialise(self, settings["embedding_std"], generator)

    def embed(self, x_BT: Tensor, label_B: Tensor | None = None, *, everywhere: bool = False) -> tuple[Tensor, Layout]:
        """Embedded tokens behind a label token, packed.

        Args:
            x_BT: token ids, 0 where there is none.
            label_B: classes; None: the neutral label.
            everywhere: add the label's embedding to every token's as well.
        """
        layout = self.layout(x_BT)
        if label_B is None:
            label_B = torch.full((len(x_BT),), self.neutral, device=x_BT.device)
        label_BD = self.labels(label_B)
        token_ND = self.tokens(F.pad(x_BT, (1, 0)).flatten()[layout.place_N])
        first_N1 = (layout.position_N == 0).unsqueeze(1)
        label_ND = label_BD.index_select(0, layout.sample_N)
        z_ND = torch.where(first_N1, label_ND, token_ND + label_ND if everywhere else token_ND)
        where = self.positions.weight if hasattr(self, "positions") else self.waves.to(z_ND.dtype)
        return z_ND + where.index_select(0, layout.position_N), layout

    def layout(self, x_BT: Tensor) -> Layout:
        """Where real tokens are: the label token, and ids that are no padding."""
        return Layout.of(F.pad(x_BT != PAD, (1, 0), value=True))

    def embedding(self) -> list[nn.Parameter]:
        """The parameters of ``embed``."""
        found = [*self.tokens.parameters(), *self.labels.parameters()]
        return [*found, *self.positions.parameters()] if hasattr(self, "positions") else found

    def entering(self, index: int) -> list[nn.Parameter]:
        """The parameters of ``embed`` that learn with a block."""
        return self.embedding() if index == 0 else []

    def enter(self, index: int, z_ND: Tensor, x_BT: Tensor) -> Tensor:
        """What a block gets: what the one below gave."""
        return z_ND

    def rows(self, index: int, layout: Layout) -> Tensor | None:
        """The rows that a block computes; None: all."""
        return None

    def sentences(self, x_BT: Tensor) -> list[Tensor]:
        """bool (B, T): the words of each kind of text that a sample is made of."""
        return [x_BT != PAD]

    def forward(self, x_BT: Tensor) -> Tensor:
        """Mean activations (B, D) of the last block, normalised."""
        z_ND, layout = self.embed(x_BT)
        for block in self.blocks:
            z_ND = block(z_ND, layout)
        return layout.mean(self.norm(z_ND))


def build(settings: dict, inputs: tuple[int, int], classes: int | None, generator: torch.Generator) -> Transformer:
    """The net of a plan file's ``net`` section.

    Args:
        inputs: size of the vocabulary and length of a sequence.
        classes: as many label tokens; None: the neutral one alone.
    """
    return Transformer(*inputs, classes or 0, settings, generator)


def draw(z_ND: Tensor, share: float, generator: torch.Generator) -> Tensor | None:
    """Factors of ``z_ND``'s shape: 0 for the given share of places at random, 1 / (1 - share) else; None for no share.

    From 16 random bits a place: six times faster on a CPU than Bernoulli draws, and the share exact to 1e-5.
    """
    if share == 0:
        return None
    numel = z_ND.numel()
    bits = torch.randint(-(2**63), 2**63 - 1, (-(-numel // 4),), generator=generator).view(torch.int16)[:numel]
    kept = bits >= round(share * 2**16) - 2**15
    return (kept.view(z_ND.shape).to(z_ND.dtype) * (1 / (1 - share))).to(z_ND.device)


@torch.no_grad()
def initialise(net: nn.Module, embedding_std: float, generator: torch.Generator) -> None:
    """Xavier-uniform weights and zero biases of linear maps, normal embeddings."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            bound = math.sqrt(6 / sum(module.weight.shape))
            module.weight.uniform_(-bound, bound, generator=generator)
            module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(std=embedding_std, generator=generator)


def _waves(length: int, width: int) -> Tensor:
    """Sines and cosines of positions (Vaswani et al. 2017, Sec. 3.5)."""
    position, place = torch.arange(length).unsqueeze(1), torch.arange(width)
    angle = position / 10000 ** ((place - place % 2) / width)
    return torch.where(place % 2 == 0, angle.sin(), angle.cos())
