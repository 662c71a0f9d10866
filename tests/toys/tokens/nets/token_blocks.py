"""An embedding, and blocks that each see the token's features alone."""

from itertools import pairwise

import torch
from torch import nn

from ffrepro.base.settings import integer, list_of
from ffrepro.nets.layers import initialise

SETTINGS = {"widths": list_of(integer("", minimum=1), "units of each block", [16, 16], shortest=1)}


class TokenBlocks(nn.Module):
    """``blocks``: the first one embeds. ``readouts``: logits of the next token on each block."""

    def __init__(self, classes, widths, generator):
        super().__init__()
        first = nn.Embedding(classes, widths[0])
        self.blocks = nn.ModuleList([first, *(nn.Sequential(nn.Linear(i, o), nn.ReLU()) for i, o in pairwise(widths))])
        self.readouts = nn.ModuleList(nn.Linear(width, classes) for width in widths)
        with torch.no_grad():
            first.weight.normal_(generator=generator)
        initialise(self, "torch_default", generator)


def build(settings, inputs, classes, generator):
    """The net of a plan file's ``net`` section."""
    return TokenBlocks(classes, settings["widths"], generator)
