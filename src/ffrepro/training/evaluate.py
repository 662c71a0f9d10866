"""From a method's per-sample results on a split to metrics: sums over samples, or the released code's batch means."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ffrepro.base.errors import FfreproError
from ffrepro.core import early_exit
from ffrepro.core.detection import auc


def observe(method, batches: Iterable[dict[str, Tensor]]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A split's per-sample results, in order.

    Returns:
        Arrays by name (what ``method.observe`` gives, and ``label``, ``index``), and int64 (S,) batch numbers.
    """
    collected: dict[str, list[np.ndarray]] = {}
    numbers = []
    for number, batch in enumerate(batches):
        out = {**method.observe(batch), "label": batch["label"], "index": batch["index"]}
        for name, value in out.items():
            collected.setdefault(name, []).append(value.detach().cpu().numpy())
        numbers.append(np.full(len(batch["label"]), number))
    return {name: np.concatenate(parts) for name, parts in collected.items()}, np.concatenate(numbers)


def summarise(
    kind: str, arrays: dict[str, np.ndarray], batch_S: np.ndarray, plan: dict
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Metrics of what ``observe`` gave, and the arrays that are worth keeping in a record.

    Args:
        kind: the task's, ``detection`` or ``classification``.
    """
    training = plan["training"]
    if kind == "classification":
        kept = _predictions(arrays)
        if "layer_scores" in arrays:
            kept["goodness_by_class"] = goodness_by_class(arrays["layer_scores"], arrays["label"])
        return classification_metrics(arrays, plan["protocol"]["inference"]), kept
    metrics = detection_metrics(
        arrays,
        batch_S,
        average=training["metric_average"],
        reduction=plan["method"].get("loss_reduction", "joint"),
        auc_scores=training["auc_scores"],
    )
    return metrics, arrays


def classification_metrics(arrays: dict[str, np.ndarray], inference: str) -> dict[str, float]:
    """Metrics of a classifier that may have several ways to read off a class.

    Args:
        arrays: from ``observe``: ``label`` (S,), ``loss`` (S, L), ``scores_<scheme>`` (S, C) for each scheme, maybe
            ``layer_scores`` (S, L, C).
        inference: the scheme that ``accuracy`` and ``error`` stand for.

    Returns:
        ``loss`` (summed over layers), ``accuracy`` and ``error``, ``error_<scheme>`` for each scheme; ``loss_layer<l>``
        and ``accuracy_layer<l>`` where the method has layer-wise ones.
    """
    label_S = arrays["label"]
    by_layer = arrays["loss"].mean(0, dtype=np.float64)
    errors = {
        f"error_{name.removeprefix('scores_')}": float((scores_SC.argmax(-1) != label_S).mean())
        for name, scores_SC in arrays.items()
        if name.startswith("scores_")
    }
    # Backpropagation has one way to infer, whatever the experiment asks of the methods that have several.
    name = f"error_{inference}" if len(errors) > 1 else next(iter(errors))
    if name not in errors:
        raise FfreproError(
            f"inference {inference!r} cannot be measured yet: there is {', '.join(errors)}",
            where="protocol.inference",
            fix="a head that learns afterwards has no say before: set the experiment's `inference` to multi_pass, or "
            "`head` to concurrent",
        )
    error = errors[name]
    out = {"loss": float(by_layer.sum()), "accuracy": 1 - error, "error": error, **errors}
    if "layer_scores" in arrays:
        right_SL = arrays["layer_scores"].argmax(-1) == label_S[:, None]
        for layer, accuracy in enumerate(right_SL.mean(0)):
            out[f"loss_layer{layer}"] = float(by_layer[layer])
            out[f"accuracy_layer{layer}"] = float(accuracy)
    return out


def early_exit_metrics(val: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, float]:
    """What inference that stops at the first layer that is sure enough would cost and give (``core.early_exit``).

    The threshold is the one that uses fewest layers on the validation part without an error above that of all layers
    there; the test part has no say in it.

    Args:
        val, test: from ``observe``.

    Returns:
        ``val/error_early_exit``, ``val/layers_early_exit`` (mean number used) and the same of test; nothing where the
        method has no scores of its layers.
    """
    if "layer_scores" not in val:
        return {}
    scores, label = ([torch.from_numpy(part[name]) for part in (val, test)] for name in ("layer_scores", "label"))
    threshold = early_exit.choose_threshold(scores[0], label[0], tolerance=0.0)
    out = {}
    for split, scores_BLC, label_B in zip(("val", "test"), scores, label, strict=True):
        error_1, layers_1 = early_exit.trade_off(scores_BLC, label_B, [threshold])
        out |= {f"{split}/error_early_exit": float(error_1), f"{split}/layers_early_exit": float(layers_1)}
    return out


def _predictions(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """uint8 classes instead of scores: a record stays small."""
    kept = {name: arrays[name] for name in ("label", "index")}
    for name, value in arrays.items():
        if name.startswith("scores_") or name == "layer_scores":
            kept[name.replace("scores", "prediction")] = value.argmax(-1).astype(np.uint8)
    return kept


def goodness_by_class(scores_SLC: np.ndarray, label_S: np.ndarray) -> np.ndarray:
    """Mean goodness of every class in every layer, over the samples of each true class.

    Args:
        scores_SLC: goodness by sample, layer and class (``layer_scores`` of ``observe``).
        label_S: true classes.

    Returns:
        float32 (L, C, C): layer, true class, class that the goodness speaks for; NaN for a true class without samples.
    """
    layers, classes = scores_SLC.shape[1:]
    out_LCC = np.full((layers, classes, classes), np.nan, np.float32)
    for label in np.unique(label_S):
        out_LCC[:, label] = scores_SLC[label_S == label].mean(0, dtype=np.float64)
    return out_LCC


def detection_metrics(
    arrays: dict[str, np.ndarray], batch_S: np.ndarray, *, average: str, reduction: str, auc_scores: str
) -> dict[str, float]:
    """Metrics of a two-class detector.

    Args:
        arrays: from ``observe``: ``logit`` (S,), ``label`` (S,), ``loss`` (S, L), maybe ``layer_logit`` (S, L).
        average: ``sample``, or ``batch``: the unweighted mean of the batches' means (an uneven last batch then
            counts as much as a full one).
        reduction: ``per_class`` (mean over positives plus mean over negatives) or ``joint``, of the loss.
        auc_scores: ``logit``, or ``sigmoid``: float32 probabilities, which tie where they saturate.

    Returns:
        ``loss`` (summed over layers), ``accuracy``, ``auc``; ``loss_layer<l>`` and ``accuracy_layer<l>`` where the
        method has layer-wise ones.
    """
    label_S = arrays["label"] > 0.5

    def mean(values_S: np.ndarray) -> float:
        if average == "sample":
            return float(values_S.mean(dtype=np.float64))
        counts = np.bincount(batch_S)
        return float((np.bincount(batch_S, weights=values_S) / counts).mean())

    def loss(values_S: np.ndarray) -> float:
        if reduction == "joint":
            return mean(values_S)
        return float(sum(values_S[m].mean(dtype=np.float64) for m in (label_S, ~label_S) if m.any()))

    logit_S = arrays["logit"]
    by_layer = [loss(arrays["loss"][:, layer]) for layer in range(arrays["loss"].shape[1])]
    scores_S = torch.from_numpy(logit_S).sigmoid().numpy() if auc_scores == "sigmoid" else logit_S
    out = {"loss": sum(by_layer), "accuracy": mean((logit_S > 0) == label_S), "auc": auc(scores_S, label_S)}
    if "layer_logit" in arrays:
        for layer, layer_loss in enumerate(by_layer):
            out[f"loss_layer{layer}"] = layer_loss
            out[f"accuracy_layer{layer}"] = mean((arrays["layer_logit"][:, layer] > 0) == label_S)
    return out
