"""What a process does with its group of layers: a stage of each method whose updates stay within layers or blocks.

A stage takes what the group below passes on, lets its own layers learn exactly as ``method.step`` does, and gives what
the group above needs. All of it is in a dictionary of tensors, which is what crosses between processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ffrepro.core import losses, updates
from ffrepro.methods import cwc, cwc_tokens, ff, ff_rnn, ff_tokens, local_cuts
from ffrepro.methods.base import BaseMethod, Batch
from ffrepro.methods.local_cuts import LocalCuts
from ffrepro.methods.unlabelled import Unlabelled
from ffrepro.training.parallel.cut_stage import CutStage
from ffrepro.training.parallel.partition import partition
from ffrepro.training.parallel.stage import READ, Stage, read_activations, refused
from ffrepro.training.parallel.token_stage import TokenPairStage, TokenStage


class BlockStage(Stage):
    """Of blocks that learn one by one from the normalised activations below; what the head reads goes up beside these.

    The head reads activations from before the update of the blocks, so every stage computes these first.
    """

    def begin(self, batch: Batch) -> Batch:
        """What the first block learns from in ``x``, what the head reads of in ``seen``."""
        method, x = self.method, self.method.images(batch)
        taken = {"label": batch["label"]}
        if method.head_learns:
            with torch.no_grad():
                taken["seen"] = self._seen(x)
        if learning := method.learning():
            taken["x"] = self._samples(x, batch["label"], learning)
        return taken

    def _seen(self, x: Tensor) -> Tensor:
        return self.method.as_seen(x)

    def _samples(self, x: Tensor, label_B: Tensor, learning: list[int]) -> Tensor:
        return self.method.samples(x)

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """See ``Stage``; the order is that of the method's ``step``."""
        method = self.method
        out: dict[str, Tensor] = {}
        up = {name: value for name, value in taken.items() if name == "label" or name.startswith(READ)}
        if method.head_learns:
            h = taken["seen"]
            with torch.no_grad():
                for index in self.layers:
                    h = up[f"{READ}{index}"] = method.normalise(method.net.blocks[index].eval()(h))
            up["seen"] = h
            if self.last:
                out["loss_head"] = method.learn_head(read_activations(up), taken["label"])
        learning = method.learning()
        if learning and self.layers.start <= max(learning):
            up["x"] = self._blocks(taken["x"], learning, out)
        return out, {} if self.last else up

    def _blocks(self, x: Tensor, learning: list[int], out: dict[str, Tensor]) -> Tensor:
        """Every learning block's update; what the next stage's first block takes."""
        for index in self.layers:
            block = self.method.net.blocks[index].train(index in learning)
            if index in learning:
                optimizer = self.method.optimizers[index]
                optimizer.zero_grad()
                h, out[f"loss_layer{index}"] = self.method.update(index, block, x)
                optimizer.step()
            else:
                with torch.no_grad():
                    h = block(x)
            if index >= max(learning):
                break
            x = self.method.normalise(h)
        return x


class FFStage(BlockStage):
    """Of ``methods.ff``: pairs go up and, where the head learns, images with a neutral label beside them."""

    def _seen(self, x: Tensor) -> Tensor:
        return self.method.put_neutral(x)

    def _samples(self, x: Tensor, label_B: Tensor, learning: list[int]) -> Tensor:
        method: ff.Method = self.method
        wrong_B = method._wrong_labels(None, label_B)
        with torch.set_grad_enabled(0 in learning):  # of the labels, where they are learnt
            return torch.cat([method.put(x, label_B), method.put(x, wrong_B)])


class CwCStage(Stage):
    """Of ``methods.cwc``: maps go up, those that the head reads beside them."""

    def begin(self, batch: Batch) -> Batch:
        """The images in ``x``."""
        return {"x": self.method.images(batch), "label": batch["label"]}

    @torch.enable_grad()
    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """See ``Stage``; the order is that of ``cwc.Method.step``."""
        method: cwc.Method = self.method
        x, label_B = taken["x"], taken["label"]
        learning, top = method.learning(), method._top(method.learning())
        up = {name: value for name, value in taken.items() if name != "x"}
        out: dict[str, Tensor] = {}
        blocks = [block for _, block in method.modes(learning)]
        for group in _cwc_groups(method):
            if group[0] not in self.layers or group[0] > top:
                continue
            hs = method._run(blocks, group, x, learning, again=0)
            for index, h in zip(group, hs, strict=True):
                loss = method._loss(method._goodness(h), label_B).mean()
                if method.phase != updates.HEAD:
                    out[f"loss_layer{index}"] = loss.detach()
                if index >= method.layers - method.head.layers:
                    up[f"{READ}{index}"] = h.detach()
                if index == group[-1] and loss.requires_grad:
                    method._backward(group, hs, loss, label_B)
            for index in group:
                if index in learning:
                    method.optimizers[index].step()
                method.optimizers[index].zero_grad()
            x = hs[-1].detach()
        if self.last and method.head_learns:
            out["loss_head"] = method.learn_head(read_activations(up), label_B)
        return out, {} if self.last else up | {"x": x}


class RnnStage(Stage):
    """Of ``methods.ff_rnn``: normalised states of all time steps go up."""

    def begin(self, batch: Batch) -> Batch:
        """The sequences in ``x``, time-major."""
        x_TBI, mask_TB, _, _ = self.method._unpack(batch)
        return {"x": x_TBI, "label": batch["label"]} | ({} if mask_TB is None else {"mask": mask_TB})

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """See ``Stage``; the order is that of ``ff_rnn.Method.step``."""
        method: ff_rnn.Method = self.method
        x_TBI, mask_TB, label_B = taken["x"], taken.get("mask"), taken["label"]
        count_B = x_TBI.new_full((x_TBI.shape[1],), x_TBI.shape[0]) if mask_TB is None else mask_TB.sum(0)
        sign_B = label_B.to(x_TBI.dtype) * 2 - 1
        weight_B = losses.step_weights(label_B, count_B, method.hp["loss_reduction"])
        learn = method._learn_closed_form if method.hp["gradient"] == "closed_form" else method._learn_autograd
        out = {}
        for index in self.layers:
            h_TBH, out[f"loss_layer{index}"] = learn(index, x_TBI, mask_TB, sign_B, weight_B)
            method.optimizers[index].step()
            if index + 1 < method.layers:
                x_TBI = method._normalise(h_TBH, mask_TB)
        return out, {} if self.last else taken | {"x": x_TBI}


def kind_of(method: BaseMethod) -> type[Stage]:
    """The class of a method's stages.

    Raises:
        FfreproError: its layers do not learn each by itself, or not with these settings.
    """
    hp = method.hp
    if type(method) is ff.Method:
        if hp["negatives"] == "hard":
            raise refused("negatives from the head's mistakes, which need the whole net before a layer learns,",
                           "set `negatives` to uniform, or `processes` to 1")  # fmt: skip
        return FFStage
    if isinstance(method, Unlabelled):
        if hp.get("cell") == "gan":
            raise refused("cells whose noise is drawn one after the other", "set `cell` to autoencoder, "
                           "or `processes` to 1")  # fmt: skip
        return BlockStage
    if type(method) is ff_tokens.Method:
        return TokenPairStage
    if type(method) is cwc_tokens.Method:
        return TokenStage
    if type(method) is cwc.Method:
        shared = hp["update"] in ("overlapping", "alternating")
        if shared or hp["ilt_patience"] is not None or method._layers:
            what = f"update {hp['update']}, whose groups share layers," if shared else "this form of cwc"
            raise refused(what, "set `update` to simultaneous or chunked, `gradient` to autograd and "
                                 "`ilt_patience` to None, or `processes` to 1")  # fmt: skip
        return CwCStage
    if type(method) is ff_rnn.Method:
        return RnnStage
    if isinstance(method, LocalCuts):
        if local_cuts.SHARED in method.parts:
            raise refused("auxiliary maps that several blocks share", "set `aux_sharing` to none")
        return CutStage
    name = type(method).__module__.rpartition(".")[2]
    raise refused(
        f"method {name}",
        "choose a method whose layers learn one by one (docs/LIBRARY.md, Layers in parallel), wrap a model with sff, "
        "cwc or a loss, or set `processes` to 1",
    )


def plan(method: BaseMethod, example: Batch, processes: int) -> list[range]:
    """The layers of each process, balanced by counted multiplications; layers that learn together stay together.

    Raises:
        FfreproError: see ``kind_of`` and ``partition``.
    """
    kind = kind_of(method)
    units = _cwc_groups(method) if kind is CwCStage else [[index] for index in range(method.layers)]
    costs = _costs(method, kind, example)
    groups = partition([sum(costs[index] for index in unit) for unit in units], processes)
    return [range(units[group[0]][0], units[group[-1]][-1] + 1) for group in groups]


def _cwc_groups(method: Any) -> list[list[int]]:
    return updates.groups(method.hp["update"], method.layers, method.hp["block_layers"], 0)


@torch.no_grad()
def _costs(method: Any, kind: type[Stage], example: Batch) -> Sequence[float]:
    """Multiplications of each layer's forward pass; a local update costs about three times as much everywhere."""
    if kind is RnnStage:
        return [float(block.weight_ih_l0.numel() + block.weight_hh_l0.numel()) for block in method.net.blocks]
    counts: list[float] = []
    with FlopCounterMode(display=False) as counter:
        if kind is CutStage:
            method.forward(example, lambda index, h: counts.append(counter.get_total_flops()) or h, head=False)
            counts = [b - a for a, b in zip([0.0, *counts[:-1]], counts, strict=True)]
        else:
            tokens = issubclass(kind, TokenStage)
            x, *layout = method.net.embed(example["x"].long()) if tokens else (method.images(example),)
            for block in method.net.blocks:
                before = counter.get_total_flops()
                x = block.eval()(x, *layout)
                counts.append(counter.get_total_flops() - before)
    return [max(count, 1.0) for count in counts]


def stage(method: BaseMethod, layers: range, example: Batch) -> Stage:
    """The stage of a method's layers.

    Raises:
        FfreproError: see ``kind_of``.
    """
    return kind_of(method)(method, layers, example)
