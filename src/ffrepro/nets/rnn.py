"""A stack of recurrent layers: plain ReLU ones (the RNN paper, Sec. 3.5), or others (``nets/recurrent.py``)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer

SETTINGS = {
    "hidden": integer("units of every layer", 96, minimum=1),
    "layers": integer("layers", 3, minimum=1),
    "init": choice("distribution of the initial weights", "torch_default", "xavier_normal", default="xavier_normal"),
}


class LSTM(nn.LSTM):
    """``nn.LSTM`` that stays in float32 under autocast on a CPU: PyTorch fails where there is no bfloat16 LSTM."""

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """As ``nn.LSTM``."""
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input, hx)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float(), hx)


CELLS = {  # name -> its layer of so many inputs and units
    "rnn": lambda inputs, hidden: nn.RNN(inputs, hidden, nonlinearity="relu"),
    "gru": nn.GRU,
    "lstm": LSTM,
}


class Rnn(nn.Module):
    """A list of one-layer recurrent blocks (``nn.RNN``, ``nn.GRU`` or ``nn.LSTM``), time-major: x_TBI -> h_TBH.

    Blocks are separate modules so that a local method can run one after the other; chained, they are what
    ``nn.RNN(num_layers=...)`` computes, in the same time.

    Args:
        inputs: features of a time step.
        hidden: units of every layer.
        layers: number of layers.
        init: ``torch_default`` (uniform within 1/sqrt(hidden)) or ``xavier_normal`` (each gate's weights; biases zero).
        generator: source of the initial weights.
        cell: ``rnn`` (ReLU), ``gru`` or ``lstm``; the states of an LSTM are its outputs, not its memory.
    """

    def __init__(self, inputs: int, hidden: int, layers: int, init: str, generator: torch.Generator, cell: str = "rnn"):
        super().__init__()
        self.hidden, self.cell = hidden, cell
        sizes = [inputs] + [hidden] * layers
        self.blocks = nn.ModuleList(CELLS[cell](i, hidden) for i in sizes[:-1])
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if init == "torch_default":
                    parameter.uniform_(-(hidden**-0.5), hidden**-0.5, generator=generator)
                elif "weight" in name:
                    for gate in parameter.split(hidden):  # PyTorch stacks the matrices of the gates
                        nn.init.xavier_normal_(gate, generator=generator)
                else:
                    parameter.zero_()

    def forward(self, x_TBI: Tensor) -> Tensor:
        """States of the last layer."""
        for block in self.blocks:
            x_TBI, _ = block(x_TBI)
        return x_TBI


def build(settings: dict, inputs: int, classes: int | None, generator: torch.Generator) -> Rnn:
    """Build the net of a plan file's ``net`` section; nothing in it depends on the classes."""
    return Rnn(inputs, settings["hidden"], settings["layers"], settings["init"], generator)


def require_relu(net: Rnn, method: str) -> None:
    """Refuse a net of gated cells where the gradient of plain ReLU cells is written by hand.

    Raises:
        FfreproError: it is one.
    """
    if net.cell != "rnn":
        raise FfreproError(
            f"{method} is written by hand for plain ReLU cells, this net has {net.cell} cells",
            where="net.cell",
            fix="choose ff_recurrent, or backprop_rnn with gradient: autograd; or cell: rnn",
        )


def weights(block: nn.RNN) -> tuple[Tensor, Tensor, Tensor]:
    """(W_ih, W_hh, b_ih + b_hh) of a block."""
    return block.weight_ih_l0, block.weight_hh_l0, block.bias_ih_l0 + block.bias_hh_l0


def set_gradients(block: nn.RNN, d_ih: Tensor, d_hh: Tensor, d_bias: Tensor) -> None:
    """Store closed-form gradients where an optimizer looks for them; both biases have the same one."""
    block.weight_ih_l0.grad, block.weight_hh_l0.grad = d_ih, d_hh
    block.bias_ih_l0.grad = block.bias_hh_l0.grad = d_bias


def gradient_buffers(block: nn.RNN) -> tuple[Tensor, Tensor, Tensor]:
    """Buffers for (dW_ih, dW_hh, db)."""
    return (
        torch.empty_like(block.weight_ih_l0),
        torch.empty_like(block.weight_hh_l0),
        torch.empty_like(block.bias_ih_l0),
    )
