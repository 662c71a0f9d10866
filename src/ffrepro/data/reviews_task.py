"""Task of telling the classes of texts apart, with a linear probe beside the method's own inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ffrepro.data import review_batches
from ffrepro.data.classification import Classification
from ffrepro.data.record_form import Form
from ffrepro.data.review_batches import Reviews
from ffrepro.data.reviews import ReviewSet
from ffrepro.data.task import Arrays, Batch

SETTINGS = review_batches.SETTINGS
PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the probe's L2 penalty, of which validation chooses."""

_PROBE = "prediction_probe"


class Task(Classification):
    """Classification of labelled texts.

    Batches hold ``x`` int64 (B, T), token ids with 0 behind the end, ``label`` (B,) and ``index`` (B,), the place in
    the prepared set. The split ``test`` is as large as the paper's, ``rest`` what is left of upstream's test part.

    Args:
        data: the prepared set. settings: the plan's ``data`` section. seed: the run's.
        batch_size: texts in a batch; the last one of a split may be smaller.
        device, dtype: where batches live, and of what type the net is.
        evaluation: see ``Classification``.

    Attributes:
        inputs: size of the vocabulary, length of a text. pools: the known words of the training texts, as one pool.
    """

    watch = ("accuracy", "max")
    final_splits = ("val", "rest", "test")
    finish_forms: Mapping[str, Form] = {
        "rest_label": Form("i", "R", below="C", needed=True),
        "rest_index": Form("i", "R", below=2**40, distinct=True, needed=True),
        "rest_prediction_*": Form("u", "R", below="C", needed=True),
    }

    def __init__(
        self,
        data: ReviewSet,
        settings: dict,
        seed: int,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        super().__init__(evaluation)
        self.reviews = Reviews(data, settings, seed, device)
        self.batch_size, self.device, self.dtype = batch_size, device, dtype
        self.classes = self.reviews.classes
        self.pools = [self.reviews.pool_P]
        self.inputs = (len(self.reviews.vocabulary), settings["length"])

    def counts(self) -> dict[str, int]:
        """Texts in each split."""
        return {name: len(index) for name, index in self.reviews.index.items() if len(index)}

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """Training batches in random order."""
        yield from map(self._batch, self.reviews.shuffled(self.batch_size, generator))

    def in_order(self, split: str) -> Iterator[Batch]:
        """The batches of a split, the longest texts first."""
        yield from map(self._batch, self.reviews.in_order(split, self.batch_size))

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """Accuracy of a linear probe on the method's features, and what the record keeps of ``rest``."""
        metrics, arrays = super().finish(method, seen)
        features = {name: self._features(method, name) for name in ("train", "val", "test")}
        found, prediction = probe(features)
        arrays = arrays | {f"test_{_PROBE}": prediction}
        rest = self.kept(seen["rest"])
        arrays |= {f"rest_{name}": rest[name] for name in rest if name in ("label", "index") or "prediction_" in name}
        return metrics | found, arrays

    @classmethod
    def remeasure(cls, arrays: Arrays, evaluation: Mapping[str, Any], batch_size: int) -> dict[str, float]:
        """Metrics of the inference schemes, and the linear probe's accuracy."""
        others = {name: array for name, array in arrays.items() if name != _PROBE}
        found = super().remeasure(others, evaluation, batch_size)
        return found | {"accuracy_probe": float((arrays[_PROBE] == arrays["label"]).mean())}

    def _features(self, method: Any, split: str) -> tuple[np.ndarray, np.ndarray]:
        batches = list(self.in_order(split))
        found = torch.cat([method.features(batch).cpu() for batch in batches])
        return found.double().numpy(), torch.cat([batch["label"].cpu() for batch in batches]).numpy()

    def _batch(self, index_B: Tensor) -> Batch:
        where = index_B.to(self.device)
        return {"x": self.reviews.tokens(index_B), "label": self.reviews.label_N[where], "index": where}


def probe(features: dict[str, tuple[np.ndarray, np.ndarray]]) -> tuple[dict[str, float], np.ndarray]:
    """Logistic regression on standardised features, its penalty chosen on validation.

    Args:
        features: (S, F) and labels (S,) of ``train``, ``val`` and ``test``.

    Returns:
        ``val/accuracy_probe``, ``test/accuracy_probe``; and the predicted classes uint8 of the test samples.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features["train"][0])
    x = {name: scaler.transform(found) for name, (found, _) in features.items()}
    best: tuple[float, np.ndarray] = (-1.0, np.array([]))
    for penalty in PENALTIES:
        fitted = LogisticRegression(C=penalty, max_iter=1000).fit(x["train"], features["train"][1])
        accuracy = float(fitted.score(x["val"], features["val"][1]))
        if accuracy > best[0]:
            best = accuracy, fitted.predict(x["test"])
    prediction = best[1].astype(np.uint8)
    right = float((prediction == features["test"][1]).mean())
    return {"val/accuracy_probe": best[0], "test/accuracy_probe": right}, prediction
