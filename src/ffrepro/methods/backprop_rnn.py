"""Backpropagation through time, the RNN paper's baseline (Sec. 3.6.1): PyTorch's nn.RNN, BCE, fused Adam.

The readout is not stated in the paper; as in its released code it is one linear map over the states of all steps.
``gradient: closed_form`` is the same method written by hand with the means that the FF methods have (the bench shows
both, so that nobody can say the baseline was slow); ``checkpoint`` and ``micro_batches`` are what one would use to
save memory without leaving backpropagation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ffrepro.base.settings import choice, number
from ffrepro.core import recurrent
from ffrepro.core.buffers import Buffers
from ffrepro.methods import backprop
from ffrepro.methods.base import BaseMethod, Batch, require_two_classes
from ffrepro.nets import rnn

VERSION = 1  # of its numbers: tests/golden/backprop_rnn.json
SETTINGS = {
    "readout": choice("what the linear map reads", "all_steps", default="all_steps"),
    "clip_norm": number("largest norm of the gradient", 1.0, above=0),
    "gradient": choice("written by hand, or PyTorch's nn.RNN", "closed_form", "autograd", default="autograd"),
    "checkpoint": backprop.SETTINGS["checkpoint"],
    "micro_batches": backprop.SETTINGS["micro_batches"],
    "weight_decay": backprop.SETTINGS["weight_decay"],
}


class Method(BaseMethod):
    """BPTT on an ``nets.rnn.Rnn``.

    Batches: ``x`` (T, B, I) time-major, ``label`` (B,) in {0, 1}, ``mask`` (T, B) 1 where a step counts or absent
    (states of padded steps do not reach the readout).
    """

    recurrent = True

    def __init__(self, net: rnn.Rnn, hyperparameters: dict, example: Batch, generator: torch.Generator, lr: float):
        require_two_classes(net)
        if hyperparameters["gradient"] == "closed_form":
            rnn.require_relu(net, "backprop_rnn with gradient: closed_form")
        super().__init__(net, hyperparameters)
        steps = example["x"].shape[0]
        bound = (steps * net.hidden) ** -0.5  # nn.Linear's initial range
        for name, shape in (("readout", (steps, net.hidden, 1)), ("bias", ())):
            value = torch.empty(shape).uniform_(-bound, bound, generator=generator)
            self.extra[name] = nn.Parameter(value.to(example["x"]))
        self.parameters = [*net.parameters(), *self.extra.parameters()]
        self.add_optimizer(self.parameters, lr, hyperparameters["weight_decay"])
        self._buffers = Buffers()
        self._grads = [rnn.gradient_buffers(block) for block in net.blocks]

    def step(self, batch: Batch) -> Batch:
        """One update; ``loss`` is the batch's mean BCE."""
        loss = self._closed_form(batch) if self.hp["gradient"] == "closed_form" else self._autograd(batch)
        nn.utils.clip_grad_norm_(self.parameters, self.hp["clip_norm"])
        self.optimizers[0].step()
        return {"loss": loss}

    @torch.no_grad()
    def evaluate_batch(self, batch: Batch) -> Batch:
        """``logit`` (B,) and ``loss`` (B, 1), each sample's BCE."""
        logit_B = self._logit(batch)
        loss_B = F.binary_cross_entropy_with_logits(logit_B, batch["label"].to(logit_B.dtype), reduction="none")
        return {"logit": logit_B, "loss": loss_B.unsqueeze(1)}

    def scores(self, inputs: Batch, inference: str) -> Tensor:
        """(B,) logits, whatever the inference scheme."""
        return self.evaluate_batch(inputs)["logit"]

    def _logit(self, batch: Batch) -> Tensor:
        h_TBH = batch["x"]
        for block in self.net.blocks:
            if self.hp["checkpoint"] and torch.is_grad_enabled():
                h_TBH = checkpoint(lambda x, block=block: block(x)[0], h_TBH, use_reentrant=False)
            else:
                h_TBH, _ = block(h_TBH)
        return self._read(h_TBH, batch)

    def _read(self, h_TBH: Tensor, batch: Batch) -> Tensor:
        by_step_TB = torch.matmul(h_TBH, self.extra["readout"]).squeeze(-1)
        if "mask" in batch:
            by_step_TB = by_step_TB * batch["mask"]
        return by_step_TB.sum(0) + self.extra["bias"]

    def _autograd(self, batch: Batch) -> Tensor:
        self.optimizers[0].zero_grad()
        total = len(batch["label"])
        loss = batch["x"].new_zeros(())
        for part in _split(batch, self.hp["micro_batches"]):
            logit_B = self._logit(part)
            part_loss = (
                F.binary_cross_entropy_with_logits(logit_B, part["label"].to(logit_B.dtype), reduction="sum") / total
            )
            part_loss.backward()
            loss += part_loss.detach()
        return loss

    @torch.no_grad()
    def _closed_form(self, batch: Batch) -> Tensor:
        inputs = [batch["x"]]
        for index, block in enumerate(self.net.blocks):
            out = self._buffers.get(index, (*inputs[0].shape[:2], self.net.hidden), inputs[0])
            inputs.append(recurrent.forward(inputs[-1], *rnn.weights(block), out))
        logit_B = self._read(inputs[-1], batch)
        label_B = batch["label"].to(logit_B.dtype)
        dlogit_TB = ((logit_B.sigmoid() - label_B) / len(label_B)).expand(inputs[0].shape[:2])
        if "mask" in batch:
            dlogit_TB = dlogit_TB * batch["mask"]
        self.extra["bias"].grad = dlogit_TB[0].sum() if "mask" not in batch else (logit_B.sigmoid() - label_B).mean()
        self.extra["readout"].grad = torch.matmul(inputs[-1].transpose(1, 2), dlogit_TB.unsqueeze(-1))
        dh_TBH = self._buffers.get("dh", inputs[-1].shape, inputs[-1])
        torch.mul(dlogit_TB.unsqueeze(-1), self.extra["readout"].transpose(1, 2), out=dh_TBH)
        for index in reversed(range(len(self.net.blocks))):
            block, grads = self.net.blocks[index], self._grads[index]
            # states of the layer above are spent: its buffer takes this layer's input gradient
            dx_TBI = (
                (inputs[index + 2] if index + 2 < len(inputs) else self._buffers.get("dx", dh_TBH.shape, dh_TBH))
                if index
                else None
            )
            recurrent.backward(
                inputs[index],
                inputs[index + 1],
                block.weight_ih_l0,
                block.weight_hh_l0,
                grads,
                dh_TBH=dh_TBH,
                dx_TBI=dx_TBI,
            )
            rnn.set_gradients(block, *grads)
            dh_TBH = dx_TBI
        return F.binary_cross_entropy_with_logits(logit_B, label_B)


def _split(batch: Batch, parts: int) -> list[Batch]:
    if parts == 1:
        return [batch]
    axis = {"x": 1, "mask": 1}
    chunks = {name: value.chunk(parts, axis.get(name, 0)) for name, value in batch.items()}
    return [{name: chunk[i] for name, chunk in chunks.items()} for i in range(len(chunks["label"]))]
