"""What a process does with its group of layers: a stage of each method whose updates stay within layers or blocks.

A stage takes what the group below passes on, lets its own layers learn exactly as ``method.step`` does, and gives what
the group above needs. All of it is in a dictionary of tensors, which is what crosses between processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ffrepro.base.errors import FfreproError
from ffrepro.core import losses, updates
from ffrepro.methods import cwc, ff, ff_rnn, local_cuts
from ffrepro.methods.base import BaseMethod, Batch
from ffrepro.methods.cuts import HEAD
from ffrepro.methods.local_cuts import LocalCuts, layer
from ffrepro.training.parallel.partition import partition

READ = "read"  # the name, with a layer's number behind it, of activations that the head reads


class Stage:
    """Some consecutive layers of a method's net.

    Args:
        method: on the whole net; only the stage's layers change.
        layers: of this stage.
        example: a batch.

    Attributes:
        first, last: whether there is no stage below, above.
    """

    def __init__(self, method: Any, layers: range, example: Batch):
        self.method, self.layers = method, layers
        self.first, self.last = layers.start == 0, layers.stop == method.layers

    def begin(self, batch: Batch) -> Batch:
        """What the first layer takes, of a batch; called in the first stage alone."""
        raise NotImplementedError

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """One update of every layer of the stage that learns in this phase.

        Returns:
            the losses by name, without their sum; what the next stage takes, empty in the last one.
        """
        raise NotImplementedError

    def owns(self, name: str) -> bool:
        """Whether a tensor of ``method.weights()`` changes in this stage."""
        place = name.removeprefix("extra.")
        for prefix in ("blocks.", "auxiliary"):
            if place.startswith(prefix):
                return int(place.removeprefix(prefix).split(".")[0]) in self.layers
        return self.last


def _read(taken: Batch) -> list[Tensor]:
    """The activations for the head, bottom up."""
    found = {int(name.removeprefix(READ)): value for name, value in taken.items() if name.startswith(READ)}
    return [found[index] for index in sorted(found)]


class FFStage(Stage):
    """Of ``methods.ff``: pairs go up and, where the head learns, images with a neutral label beside them.

    The head reads activations from before the update of the blocks, so every stage computes these first.
    """

    def begin(self, batch: Batch) -> Batch:
        """Positive and negative samples in ``x``, those with a neutral label in ``neutral``."""
        method: ff.Method = self.method
        x, label_B = method.images(batch), batch["label"]
        taken = {"label": label_B}
        if method.head_learns:
            with torch.no_grad():
                taken["neutral"] = method.put_neutral(x)
        if learning := method.learning():
            wrong_B = method._wrong_labels(None, label_B)
            with torch.set_grad_enabled(0 in learning):
                taken["x"] = torch.cat([method.put(x, label_B), method.put(x, wrong_B)])
        return taken

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """See ``Stage``; the order is that of ``ff.Method.step``."""
        method: ff.Method = self.method
        out: dict[str, Tensor] = {}
        up = {name: value for name, value in taken.items() if name == "label" or name.startswith(READ)}
        if method.head_learns:
            h = taken["neutral"]
            with torch.no_grad():
                for index in self.layers:
                    h = up[f"{READ}{index}"] = method.normalise(method.net.blocks[index].eval()(h))
            up["neutral"] = h
            if self.last:
                out["loss_head"] = method.learn_head(_read(up), taken["label"])
        learning = method.learning()
        if learning and self.layers.start <= max(learning):
            closed = method.hp["gradient"] == "closed_form"
            up["x"] = self._pairs(taken["x"], learning, method._closed_form if closed else method._autograd, out)
        return out, {} if self.last else up

    def _pairs(self, x: Tensor, learning: list[int], update: Any, out: dict[str, Tensor]) -> Tensor:
        """Every learning layer's update; what the next stage's first layer takes."""
        for index in self.layers:
            block = self.method.net.blocks[index].train(index in learning)
            if index in learning:
                optimizer = self.method.optimizers[index]
                optimizer.zero_grad()
                h, out[f"loss_layer{index}"] = update(index, block, x)
                optimizer.step()
            else:
                with torch.no_grad():
                    h = block(x)
            if index >= max(learning):
                break
            x = self.method.normalise(h)
        return x


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
            out["loss_head"] = method.learn_head(_read(up), label_B)
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


class _StageDone(Exception):
    """The stage's last block has run."""


class CutStage(Stage):
    """Of ``methods.local_cuts``: what a cut net's own ``forward`` computes between two cuts.

    The net below the stage runs on PyTorch's ``meta`` device, which knows shapes and no numbers and costs next to
    nothing; where its activations cross the cut, those of the stage below take their place.
    """

    def __init__(self, method: LocalCuts, layers: range, example: Batch):
        super().__init__(method, layers, example)
        x = method.take(example)
        if not isinstance(x, Tensor):
            raise _refused("a model with several inputs", "wrap a model of one input")
        self._sample, self._dtype = tuple(x.shape[1:]), x.dtype
        self._parts = [layer(index) for index in layers] + ([HEAD] if self.last and HEAD in method.parts else [])
        ran = self._modules(x)
        below = {id(p) for some in method.anatomy.parameters[: layers.start] for p in some}
        own = {id(p) for some in method.anatomy.parameters[layers.start : layers.stop] for p in some}
        own |= {id(p) for p in method.anatomy.parameters[-1]} if self.last else set()
        self._own = {f"model.{name}" for name, p in method.cut.model.named_parameters() if id(p) in own}
        modules = dict(method.cut.model.named_modules())
        for name, part in ran.items():
            if part in layers or (self.last and part == method.layers):
                buffers = modules[name].named_buffers(recurse=False)
                self._own |= {".".join(filter(None, ["model", name, own_name])) for own_name, _ in buffers}
        for name, module in modules.items():
            for key, parameter in list(module._parameters.items()):
                if parameter is not None and id(parameter) in below:
                    module._parameters[key] = nn.Parameter(parameter.to("meta"), requires_grad=False)
            if ran.get(name, method.layers) < layers.start and not any(True for _ in module.children()):
                for key, buffer in module._buffers.items():
                    module._buffers[key] = None if buffer is None else buffer.to("meta")

    def owns(self, name: str) -> bool:
        """See ``Stage``."""
        if name.startswith("extra.auxiliary."):
            return int(name.split(".")[2]) in self.layers
        return name in self._own or (name.startswith("extra.") and self.last)

    def begin(self, batch: Batch) -> Batch:
        """The images, or whatever the model takes, in ``x``."""
        return {"x": self.method.take(batch), "label": batch["label"]}

    def learn(self, taken: Batch) -> tuple[dict[str, Tensor], Batch]:
        """See ``Stage``; the order is that of ``LocalCuts.step``."""
        method: LocalCuts = self.method
        method.train()
        label_B, found = taken["label"], []
        up = {name: value for name, value in taken.items() if name != "x"}
        all_blocks = method.hp["head"] == "all"

        def on_block(index: int, h: Tensor) -> Tensor:
            if index < self.layers.start - 1:
                return h
            if index < self.layers.start:
                return images_of(method, taken["x"])
            found.append(method.loss(index, h, label_B))
            if not method.fast:
                method._update(index, layer(index), found)
            passed = method._passed(index, h.detach())
            if all_blocks:
                up[f"{READ}{index}"] = local_cuts._pooled(passed)
            if index == self.layers[-1] and not self.last:
                up["x"] = passed
                raise _StageDone
            return passed

        x = taken["x"]
        if not self.first:
            x = torch.empty((len(label_B), *self._sample), dtype=self._dtype, device="meta")
        with torch.enable_grad():
            try:
                out = method.cut.run(x, on_block, head=method.hp["head"] == "own")
            except _StageDone:
                out = None
            if self.last and method.hp["head"] != "none":
                logits = method.extra["head"](torch.cat(_read(up), 1)) if all_blocks else out
                found.append(F.cross_entropy(logits, label_B))
                if not method.fast:
                    method._update(-1, HEAD, found)
        if method.fast:
            self._update_all(found)
        names = [f"loss_{layer(index)}" for index in self.layers] + ["loss_head"]
        return {name: loss.detach() for name, loss in zip(names, found, strict=False)}, {} if self.last else up

    def _update_all(self, found: list[Tensor]) -> None:
        """As ``LocalCuts._update_all``, of this stage's parts: the optimizer passes over those without a gradient."""
        torch.autograd.backward([loss for loss in found if loss.requires_grad])
        for part in self._parts:
            self.method.clip(part)
        self.method.optimizers[0].step()
        self.method.optimizers[0].zero_grad()

    def _modules(self, x: Tensor) -> dict[str, int]:
        """In which block each module runs first, by its name; the head counts as the block behind the last."""
        method, at, found = self.method, [0], {}

        def hook(name: str) -> Any:
            def note(module: nn.Module, inputs: Any) -> None:
                found.setdefault(name, at[0])

            return note

        def on_block(index: int, h: Tensor) -> Tensor:
            at[0] = index + 1
            return h

        handles = [m.register_forward_pre_hook(hook(name)) for name, m in method.cut.model.named_modules()]
        method.cut.eval()
        try:
            with torch.no_grad():
                method.cut.run(x, on_block)
        finally:
            for handle in handles:
                handle.remove()
        return found


def images_of(method: LocalCuts, h: Tensor) -> Tensor:
    """Activations in the memory format of the net."""
    return h.contiguous(memory_format=torch.channels_last) if method.conv and h.ndim == 4 else h


def _refused(what: str, fix: str) -> FfreproError:
    return FfreproError(f"{what} cannot learn in several processes", where="processes", fix=fix)


def kind_of(method: BaseMethod) -> type[Stage]:
    """The class of a method's stages.

    Raises:
        FfreproError: its layers do not learn each by itself, or not with these settings.
    """
    hp = method.hp
    if type(method) is ff.Method:
        if hp["negatives"] == "hard":
            raise _refused("negatives from the head's mistakes, which need the whole net before a layer learns,",
                           "set `negatives` to uniform, or `processes` to 1")  # fmt: skip
        return FFStage
    if type(method) is cwc.Method:
        shared = hp["update"] in ("overlapping", "alternating")
        if shared or hp["ilt_patience"] is not None or method._layers:
            what = f"update {hp['update']}, whose groups share layers," if shared else "this form of cwc"
            raise _refused(what, "set `update` to simultaneous or chunked, `gradient` to autograd and "
                                 "`ilt_patience` to None, or `processes` to 1")  # fmt: skip
        return CwCStage
    if type(method) is ff_rnn.Method:
        return RnnStage
    if isinstance(method, LocalCuts):
        if local_cuts.SHARED in method.parts:
            raise _refused("auxiliary maps that several blocks share", "set `aux_sharing` to none")
        return CutStage
    name = type(method).__module__.rpartition(".")[2]
    raise _refused(
        f"method {name}", "choose ff, ff_rnn or cwc, wrap a model with sff, cwc or a loss, or set `processes` to 1"
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
            x = method.images(example)
            for _, block in method.modes([]):
                before = counter.get_total_flops()
                x = block(x)
                counts.append(counter.get_total_flops() - before)
    return [max(count, 1.0) for count in counts]


def stage(method: BaseMethod, layers: range, example: Batch) -> Stage:
    """The stage of a method's layers.

    Raises:
        FfreproError: see ``kind_of``.
    """
    return kind_of(method)(method, layers, example)
