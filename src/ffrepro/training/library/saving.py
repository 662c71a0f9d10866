"""A learner in a file, and a learner from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from torch import nn

from ffrepro.base.errors import FfreproError
from ffrepro.core import schedules
from ffrepro.training import saved
from ffrepro.training.library.learner_base import LearnerBase


class Saving(LearnerBase):
    """The part of a learner that is saved and loaded."""

    def save(self, path: str | Path) -> None:
        """Write weights and settings into a file for ``Learner.load``.

        Raises:
            FfreproError: nothing was fitted; the file cannot be written.
        """
        self._require_fitted()
        saved.write(path, self._content())

    def _content(self) -> dict[str, Any]:
        """What ``save`` writes."""
        return {
            "method": self.method_name, "classes": self.classes, "inference": self.inference, "seed": self.seed,
            "hyperparameters": self.hyperparameters, "training": self.training, "example": self._example,
            "weights": {name: value.cpu() for name, value in self.method.weights().items()},
        }  # fmt: skip

    @classmethod
    def load(cls, path: str | Path, net: nn.Module, *, device: str | None = None) -> Self:
        """A learner as it was saved, on a net of the same architecture.

        Raises:
            FfreproError: no such file, not one of ``save``, another architecture.
        """
        content = saved.read(path)
        if "at" in content:
            raise FfreproError("a learner that wraps a model", where=path, fix="load it by ffrepro.WrappedLearner.load")
        return cls._restored(path, content, net, device=device)

    @classmethod
    def _restored(cls, path: str | Path, content: dict[str, Any], net: nn.Module, **own: Any) -> Self:
        """A learner from a file's content; ``own``: further arguments."""
        training, example = content["training"], content["example"]
        shown = {name: training[name] for name in ("batch_size", "lr", "schedule")}
        scheduled = {name: training[name] for name in schedules.SETTINGS[training["schedule"]]}
        learner = cls(
            net, method=content["method"], classes=content["classes"], inference=content["inference"],
            seed=content["seed"], **own, **shown, **scheduled, **content["hyperparameters"],
        )  # fmt: skip
        learner._prepare(content)
        learner._begin_as(example, content["classes"])
        try:
            learner.method.load_weights(content["weights"])
        except (RuntimeError, KeyError) as error:
            raise FfreproError(
                f"the weights are of another net: {str(error).splitlines()[-1].strip()}",
                where=path,
                fix="build the net with the sizes that it was saved with",
            ) from None
        return learner

    def _prepare(self, content: dict[str, Any]) -> None:
        """What a file says of the net beside its weights; here nothing."""
