"""What a fitted learner says of samples: scores, classes, accuracy, metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ffrepro.data import arrays
from ffrepro.data.classification import check_labels
from ffrepro.training import evaluate, explain
from ffrepro.training.library.learner_base import LearnerBase


class Prediction(LearnerBase):
    """The part of a learner that predicts and evaluates."""

    def scores(self, X: Any) -> np.ndarray:
        """What the class is read off: (N, classes), or (N,) logits of class 1 from recurrent methods."""
        x_N = arrays.inputs(X, "inputs")
        self._require_shape(x_N)
        with explain.errors(self.method_name, self.device, x_N):
            batches = (self._batch(some) for some in x_N.split(self.training["batch_size"]))
            return torch.cat([self.method.scores(batch, self._scheme) for batch in batches]).cpu().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The class of every sample, int64 (N,)."""
        scores = self.scores(X)
        return (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(1)

    def score(self, X: Any, y: Any = None) -> float:
        """Accuracy on a user's data: (X, y), a data set or a loader.

        Raises:
            FfreproError: labels that are none of the classes.
        """
        x_N, label_N = arrays.samples(X if y is None else (X, y), "score")
        if self.classes:
            check_labels(int(label_N.min()), int(label_N.max()), self.classes, "score")
        return float((self.predict(x_N) == label_N.cpu().numpy()).mean())

    def evaluate(self, X: Any, y: Any = None) -> dict[str, float]:
        """All metrics that the task declares: losses by layer, errors by inference scheme."""
        data = arrays.samples(X if y is None else (X, y), "evaluate")
        self._require_shape(data[0])
        with explain.errors(self.method_name, self.device, data[0]):
            task = self._task({"train": data})
            return task.metrics(evaluate.evaluate_split(self.method, task, "train"))
