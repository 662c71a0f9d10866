"""What every learner of the library begins with: a net and settings, checked, and the method made of them."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ffrepro import methods
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.settings import choice, complete, integer, or_none
from ffrepro.core import schedules, seeds
from ffrepro.data import arrays
from ffrepro.data.arrays import Samples
from ffrepro.data.in_memory import ArrayTask, sequence_task
from ffrepro.data.task import Batch, Task
from ffrepro.nets import sizes
from ffrepro.training import explain, loop, machine

BATCH_SIZE = 32  # of the library: its users' sets are smaller than those of the papers
OWN = {
    "classes": or_none(integer("how many classes", minimum=2), None),
    "seed": integer("of what the method draws and of the order of the samples", 0, minimum=0, maximum=2**63 - 1),
    "schedule": choice("of the learning rate", *schedules.SETTINGS, default="multistep"),
}


class LearnerBase:
    """A net, its settings, and the method as soon as there are data to make it for.

    Args:
        see ``training.learner.Learner``.

    Attributes:
        history: a dictionary an epoch. method: None before the first data.

    Raises:
        FfreproError: an unknown method, device or setting, a value that is not allowed.
    """

    def __init__(
        self,
        net: nn.Module,
        method: str = "ff",
        *,
        classes: int | None = None,
        batch_size: int = BATCH_SIZE,
        lr: float = loop.SETTINGS["lr"].default,
        schedule: str = OWN["schedule"].default,
        inference: str | None = None,
        device: str | None = None,
        seed: int = 0,
        progress: bool | str = "auto",
        **settings: Any,
    ):
        if not isinstance(net, nn.Module):
            raise FfreproError(f"the net is a {type(net).__name__}", where="net", fix="give a torch.nn.Module")
        method = methods.for_net(method, net)
        module: Any = self._find(method)
        complete(OWN, {"classes": classes, "seed": seed, "schedule": schedule}, what="the library")
        own, scheduled = module.SETTINGS, schedules.SETTINGS[schedule]
        explain.require_known(settings, method, own, schedule, scheduled)
        self.net, self.method_name, self.classes, self.inference = net, method, classes, inference
        chosen: dict[str, Any] = getattr(module, "defaults", lambda net: {})(net)
        chosen |= {name: value for name, value in settings.items() if name in own}
        self.hyperparameters = complete(own, chosen, what=f"method {method}")
        given = {"batch_size": batch_size, "lr": lr, "max_epochs": 1}
        self.training = complete(loop.SETTINGS, given, what="training") | {"schedule": schedule}
        chosen = {"final_weights": "best"} if "final_weights" in scheduled else {}
        chosen |= {name: value for name, value in settings.items() if name in scheduled}
        self.training |= complete(scheduled, chosen, what=f"schedule {schedule}")
        self.device, self.seed, self.progress = machine.choose(device), seed, progress
        self.history: list[dict[str, Any]] = []
        self.method: Any = None
        self._module: Any = module
        self._recurrent: bool = getattr(module.Method, "recurrent", False)
        self._example: Any = None  # inputs of two samples
        self._schemes: list[str] = []
        self._built_for: Any = None  # the batch that the method was made for
        self._steps = 0  # of a loop of one's own

    @property
    def _scheme(self) -> str:
        """The inference scheme in use."""
        return self.inference or self._schemes[0]

    def _stepped(self, batch: Batch) -> dict[str, float]:
        """A step of a loop of one's own; what it draws follows from the learner's seed and the step's number.

        Raises:
            FfreproError: a loss that is not finite.
        """
        self._steps += 1
        with seeds.drawing(self.device, "step", self.seed, self._steps), self._autocast():
            found = self.method.step(batch)
        # All in one copy: a GPU is waited for once.
        values = torch.stack([torch.as_tensor(value, device=self.device).detach() for value in found.values()]).tolist()
        losses = dict(zip(found, values, strict=True))
        broken = [name for name, value in losses.items() if not math.isfinite(value)]
        if broken:
            raise FfreproError(
                f"training diverged: {', '.join(broken)} is not finite in step {self._steps}",
                where="step",
                fix=f"begin anew with a lower `lr` (now {self.training['lr']:g}), or look at the input data",
            )
        return losses

    def _find(self, method: str) -> Any:
        """The method's module."""
        return methods.module(method)

    def _autocast(self) -> AbstractContextManager[Any]:
        """The context of each training step."""
        return nullcontext()

    def _classes_of(self, label_N: Tensor) -> int:
        """How many classes: given, of a net that is built for a number, or as many as there are labels."""
        built = getattr(self.net, "classes", None) if getattr(self.net, "head", None) is not None else None
        known = self.classes or (2 if self._recurrent else built)
        lowest, highest = int(label_N.min()), int(label_N.max())
        if self._recurrent and highest > 1:
            raise FfreproError(
                f"labels are {lowest} to {highest}, and {self.method_name} tells two classes apart",
                where="labels",
                fix="give labels of 0 and 1",
            )
        found = arrays.count_classes(label_N, known)
        if built is not None and found != built:
            raise FfreproError(
                f"the net is built for {built} classes, `classes` is {found}",
                where="classes",
                fix="build the net for as many classes",
            )
        return found

    def _begin(self, data: Samples, classes: int) -> None:
        """Make the method for data like these, with the weights of the one before, if there was one."""
        if self._example is not None:
            self._require_shape(data[0])
        explain.require_kind(self.net, self.method_name, self._recurrent, data[0])
        with explain.errors(self.method_name, self.device, data[0]):
            self._build(self._batch(data[0][:2], data[1][:2]), classes)
        self._example = data[0][:2].cpu().clone()

    def _begin_as(self, example: Any, classes: int) -> None:
        """``_begin`` with the two samples of a saved learner."""
        self._begin((example, torch.zeros(len(example), dtype=torch.int64)), classes)

    def _build(self, example: Batch, classes: int) -> None:
        """Make the method for batches like this one, with the weights of the one before, if there was one."""
        net: Any = sizes.as_net(self.net.to(self.device), example["x"])
        net.classes = classes
        generator = torch.Generator().manual_seed(self.seed)
        with seeds.drawing(self.device, "build", self.seed):  # modules draw weights that the method then replaces
            method = self._module.Method(net, self.hyperparameters, example, generator, self.training["lr"])
            observed = method.evaluate_batch(example)
        self._built_for = example
        if self._recurrent:
            schemes = ["ensemble", "last"] if "layer_logit" in observed else ["one_pass"]
        else:
            schemes = [name.removeprefix("scores_") for name in observed if name.startswith("scores_")]
        if self.inference is not None and self.inference not in schemes:
            raise unknown("inference", self.inference, schemes, where=f"method {self.method_name}")
        if self._example is not None:
            method.load_weights(self.method.weights())
        self.method, self.classes, self._schemes = method, classes, schemes

    def _batch(self, x_B: Tensor, label_B: Tensor | None = None) -> Batch:
        """Samples as methods take them; without labels all are 0."""
        x_B = x_B.to(self.device)
        label_B = torch.zeros(len(x_B), dtype=torch.int64) if label_B is None else label_B
        index_B = torch.arange(len(x_B), device=self.device)
        x = x_B.transpose(0, 1).contiguous() if self._recurrent else x_B
        return {"x": x, "label": label_B.to(self.device), "index": index_B}

    def _task(self, parts: dict[str, Samples], batch_size: int | None = None) -> Task:
        batch_size = batch_size or self.training["batch_size"]
        if self._recurrent:
            return sequence_task(parts, batch_size, self.device, self.hyperparameters.get("loss_reduction", "joint"))
        assert self.classes is not None
        return ArrayTask(parts, self.classes, batch_size, self.device, self._scheme)

    def _require_fitted(self) -> None:
        if self._example is None:
            raise FfreproError("the learner has learnt nothing yet", where="Learner", fix="call fit or step first")

    def _require_shape(self, x_N: Tensor) -> None:
        self._require_fitted()
        if x_N.shape[1:] != self._example.shape[1:]:
            raise FfreproError(
                f"samples have shape {tuple(x_N.shape[1:])}, it learnt from {tuple(self._example.shape[1:])}",
                where="inputs",
                fix="give samples of the shape that it was trained on, even a single one as (1, ...)",
            )
