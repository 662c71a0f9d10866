"""What is kept of a wrapped model: submodules that stay still, the model itself, a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.training import saved
from ffrepro.training.library import user_model
from ffrepro.training.library.saving import Saving
from ffrepro.training.library.wrapped_base import WrappedBase


class WrappedSaving(WrappedBase, Saving):
    """The part of a wrapped learner that freezes, unwraps, saves and loads."""

    def freeze(self, *names: str) -> Self:
        """Stop submodules from learning: their weights and their BatchNorms' statistics stay as they are.

        Raises:
            FfreproError: no such submodule.
        """
        for module in self._named(names, "freeze"):
            module.requires_grad_(False)
            module.eval()
            self.cut.still += module.modules()
        return self

    def unfreeze(self, *names: str) -> Self:
        """Have submodules learn, their BatchNorms' statistics too, from the next ``fit`` or ``step`` on.

        Raises:
            FfreproError: no such submodule.
        """
        self.cut.read_modes()  # else what is in evaluation mode now would be found still later
        for module in self._named(names, "unfreeze"):
            module.requires_grad_(True)
            again = set(map(id, module.modules()))
            self.cut.still = [other for other in self.cut.still if id(other) not in again]
        return self

    def _named(self, names: Sequence[str], where: str) -> list[nn.Module]:
        known = dict(self.model.named_modules())
        for name in names:
            if name not in known:
                raise unknown("submodule", name, [name for name in known if name], where=where)
        return [known[name] for name in names]

    def unwrap(self, *, norms: bool = False) -> nn.Module:
        """The model itself, in evaluation mode; this learner ends here.

        Args:
            norms: leave the layer norms between the blocks, as hooks: the outputs are then those of the head that was
                trained. Without them it is the plain model, whose head has not seen such activations.

        Raises:
            FfreproError: with norms, the model has a head of its own, and another one, or none, was trained.
        """
        head = self.hyperparameters.get("head", "own")
        if norms and head != "own" and self.method is not None and self.method.anatomy.parameters[-1]:
            raise FfreproError(
                f"the model's own last layers have not learnt (head: {head}): its outputs would say nothing",
                where="unwrap",
                fix="wrap with head='own'; or unwrap() without norms, and use the activations of its blocks",
            )
        self.model.eval()
        if norms and self.hyperparameters["norm"] != "none":
            user_model.keep_norms(self.cut.blocks, self.hyperparameters["norm_epsilon"])
        self._unwrapped = True
        return self.model

    def save(self, path: str | Path) -> None:
        """Write weights and settings into a file for ``WrappedLearner.load``.

        Raises:
            FfreproError: nothing was learnt; a loss of one's own, which no file can hold; the file cannot be written.
        """
        self._require_fitted()
        if self._custom is not None:
            raise FfreproError(
                "a loss of one's own cannot be saved",
                where="save",
                fix="save the model's weights: torch.save(learner.unwrap().state_dict(), path)",
            )
        own: dict[str, Any] = {"at": self.at, "precision": self.precision, "superclasses": self.cut.superclass_of}
        own["features"] = self.cut.features
        still = set(map(id, self.cut.still))
        own["still"] = [name for name, module in self.model.named_modules() if id(module) in still]
        own["frozen"] = [name for name, parameter in self.model.named_parameters() if not parameter.requires_grad]
        saved.write(path, self._content() | own)

    @classmethod
    def load(cls, path: str | Path, net: nn.Module, *, device: str | None = None) -> Self:
        """A learner as it was saved, around a model of the same architecture; what was frozen is frozen again.

        Raises:
            FfreproError: as ``Learner.load``.
        """
        content = saved.read(path)
        if "at" not in content:
            raise FfreproError("a learner that wraps no model", where=path, fix="load it by ffrepro.Learner.load")
        own = {"at": content["at"], "precision": content["precision"], "superclasses": content.get("superclasses")}
        own["features"] = content.get("features", "auto")
        return cls._restored(path, content, net, device=device, **own)

    def _prepare(self, content: dict[str, Any]) -> None:
        """Freeze what was frozen when it was saved."""
        modules, parameters = dict(self.model.named_modules()), dict(self.model.named_parameters())
        # Of another net's names some are not there: its weights are refused with a message of their own.
        self.cut.still += [modules[name] for name in content.get("still", []) if name in modules]
        for name in content.get("frozen", []):
            if name in parameters:
                parameters[name].requires_grad_(False)
