"""A stack of recurrent layers of a named cell: ReLU, GRU or LSTM.

The RNN paper (Sec. 5) names GRU and LSTM as cells that FF should be tried on, and says nothing of how: each layer is
PyTorch's own, and its states (outputs within -1 and 1) take the place of the ReLU's.
"""

from __future__ import annotations

import torch

from ffrepro.base.settings import choice
from ffrepro.nets import rnn

SETTINGS = {
    "cell": choice("of every layer", "rnn", "gru", "lstm", default="rnn"),
    "hidden": rnn.SETTINGS["hidden"],
    "layers": rnn.SETTINGS["layers"],
    "init": rnn.SETTINGS["init"],
}


def build(settings: dict, inputs: int, classes: int | None, generator: torch.Generator) -> rnn.Rnn:
    """Build the net of a plan file's ``net`` section; nothing in it depends on the classes."""
    names = ("hidden", "layers", "init")
    return rnn.Rnn(inputs, *(settings[name] for name in names), generator, settings["cell"])
