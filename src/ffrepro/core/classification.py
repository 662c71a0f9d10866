"""Metrics of classifiers from the per-sample results of a split, summed over samples."""

from __future__ import annotations

import numpy as np
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.core import early_exit


def metrics(arrays: dict[str, np.ndarray], inference: str) -> dict[str, float]:
    """Metrics of a classifier that may have several inference schemes.

    Args:
        arrays: ``label`` (S,), ``loss`` (S, L), ``scores_<scheme>`` (S, C) for each scheme, maybe ``layer_scores``
            (S, L, C), or ``layer_loss`` (S, L) of a method whose layers have losses and no scores.
        inference: the scheme that ``accuracy`` and ``error`` stand for.

    Returns:
        ``loss`` (summed over layers), ``accuracy`` and ``error``, ``error_<scheme>`` for each scheme; ``loss_layer<l>``
        and ``accuracy_layer<l>`` where the method has layer-wise ones.
    """
    by_layer = arrays["loss"].mean(0, dtype=np.float64)
    out = {"loss": float(by_layer.sum())} | of_predictions(predictions(arrays) | {"label": arrays["label"]}, inference)
    for layer, loss in enumerate(arrays["layer_loss"].mean(0, dtype=np.float64) if "layer_loss" in arrays else []):
        out[f"loss_layer{layer}"] = float(loss)
    layers = arrays["layer_scores"].shape[1] if "layer_scores" in arrays else 0
    for layer, loss in enumerate(by_layer[:layers]):  # each loss before its accuracy
        name = f"accuracy_layer{layer}"
        out |= {f"loss_layer{layer}": float(loss), name: out.pop(name)}
    return out


def of_predictions(arrays: dict[str, np.ndarray], inference: str) -> dict[str, float]:
    """The metrics that follow from predicted classes alone: accuracies and errors, see ``metrics``.

    Args:
        arrays: ``label`` (S,), ``prediction_<scheme>`` (S,) for each scheme, maybe ``layer_prediction`` (S, L).

    Raises:
        FfreproError: there are several schemes, and ``inference`` is none of them.
    """
    label_S = arrays["label"]
    errors = {
        f"error_{name.removeprefix('prediction_')}": float((prediction_S != label_S).mean())
        for name, prediction_S in arrays.items()
        if name.startswith("prediction_")
    }
    # Backpropagation has one way to infer, whatever the experiment asks of the methods that have several.
    name = f"error_{inference}" if len(errors) > 1 else next(iter(errors))
    if name not in errors:
        raise FfreproError(
            f"inference {inference!r} cannot be measured yet: there is {', '.join(errors)}",
            where="protocol.inference",
            fix="a head that learns afterwards has no say before: set the experiment's `inference` to multi_pass "
            "(of cwc: goodness), or `head` to concurrent",
        )
    error = errors[name]
    out = {"accuracy": 1 - error, "error": error, **errors}
    if "layer_prediction" in arrays:
        right_SL = arrays["layer_prediction"] == label_S[:, None]
        out |= {f"accuracy_layer{layer}": float(accuracy) for layer, accuracy in enumerate(right_SL.mean(0))}
    return out


def predictions(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Predicted classes, in the smallest unsigned type, in place of ``scores_<scheme>`` and ``layer_scores``."""
    return {
        name.replace("scores", "prediction"): value.argmax(-1).astype(np.min_scalar_type(value.shape[-1] - 1))
        for name, value in arrays.items()
        if name.startswith("scores_") or name == "layer_scores"
    }


def early_exit_metrics(val: dict[str, np.ndarray], test: dict[str, np.ndarray]) -> dict[str, float]:
    """Error and mean number of layers of early-exit inference (``core.early_exit``) on val and test.

    The threshold is the one that uses fewest layers on the validation part without an error above that of all layers
    there; the test part has no say in it.

    Args:
        val, test: arrays of each split, as for ``metrics``.

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


def kept(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays to keep: predicted classes in the smallest unsigned type instead of scores, and ``goodness_by_class``."""
    out = {name: arrays[name] for name in ("label", "index")} | predictions(arrays)
    if "layer_scores" in arrays:
        out["goodness_by_class"] = goodness_by_class(arrays["layer_scores"], arrays["label"])
    return out


def goodness_by_class(scores_SLC: np.ndarray, label_S: np.ndarray) -> np.ndarray:
    """Mean goodness of every class in every layer, over the samples of each true class.

    Args:
        scores_SLC: goodness by sample, layer and class (``layer_scores``).
        label_S: true classes.

    Returns:
        float32 (L, C, C): layer, true class, class that the goodness speaks for; NaN for a true class without samples.
    """
    layers, classes = scores_SLC.shape[1:]
    out_LCC = np.full((layers, classes, classes), np.nan, np.float32)
    for label in np.unique(label_S):
        out_LCC[:, label] = scores_SLC[label_S == label].mean(0, dtype=np.float64)
    return out_LCC
