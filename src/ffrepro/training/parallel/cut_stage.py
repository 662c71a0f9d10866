"""A stage of a cut net (``nets.cut``): what its own ``forward`` computes between two cuts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.core import positions
from ffrepro.methods.base import Batch
from ffrepro.methods.cuts import HEAD
from ffrepro.methods.local_cuts import LocalCuts, layer
from ffrepro.training.parallel.stage import READ, Stage, read_activations, refused


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
            raise refused("a model with several inputs", "wrap a model of one input")
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
                up[f"{READ}{index}"] = positions.mean(method.laid_out(index, passed))
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
                logits = method.extra["head"](torch.cat(read_activations(up), 1)) if all_blocks else out
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
