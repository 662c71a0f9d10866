"""Histograms of test goodness by layer and class, with fitted distributions and how well they fit."""

from __future__ import annotations

import numpy as np

from ffrepro.claims import distributions, formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.style import NEGATIVE, POSITIVE, Drawn, Scene, canvas, caption, png, say

BINS = 40
_FAR = 10  # ratio of the classes' 90 % quantiles from which one axis in equal steps cannot show both
_TINY = 1e-9
_CLASSES = {"positive": (1, POSITIVE, "real"), "negative": (0, NEGATIVE, "synthetic")}
_HEADER = ["Layer", "Class", "Samples", "Mean", "Std", "KS to normal", "KS to exponential", "Closer", "Paper says"]


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """Three panels, one for each layer, a picture for each treatment; the lowest seed's model is shown."""
    return [_draw(scene, spec, treatment) for treatment in scene.claims.treatments]


def bin_edges(values_S: np.ndarray, label_S: np.ndarray) -> np.ndarray:
    """Edges of the bins, from 0; logarithmic where one class lies so far from the other that it would be a line."""
    top = max(float(np.quantile(values_S, 0.995)), _TINY)
    scales = sorted(float(np.quantile(values_S[label_S == label], 0.9)) for label, _, _ in _CLASSES.values())
    if scales[1] > _FAR * max(scales[0], _TINY):
        bottom = max(float(np.quantile(values_S, 0.005)), top * 1e-5, _TINY)
        return np.geomspace(bottom, top, BINS + 1)
    return np.linspace(0, top, BINS + 1)


def _draw(scene: Scene, spec: dict, treatment: str) -> Drawn:
    evidence = scene.evidence(spec["experiment"], treatment, spec["dataset"], spec["variant"])
    record = evidence.records[0] if evidence else None
    arrays = record.arrays() if record else {}
    name, title = f"{spec['name']}_{treatment}", f"{spec['title']} ({treatment})"
    if "test_goodness" not in arrays:
        figure, axes = canvas(6.0, 1.6)
        say(axes[0, 0], scene.missing(spec["experiment"], treatment, spec["dataset"], spec["variant"]))
        return Drawn(name, title, spec.get("shows", ""), png(figure), caption(scene, [], ["No goodness to show."]))
    goodness_SL, label_S = arrays["test_goodness"].astype(float), arrays["test_label"] > 0.5
    layers = goodness_SL.shape[1]
    figure, axes = canvas(3.1 * layers, 2.7, 1, layers)
    rows: list[list[str]] = []
    for layer, ax in enumerate(axes[0]):
        ax.set(title=f"layer {layer}", xlabel="goodness")
        values_S = goodness_SL[:, layer]
        edges = bin_edges(values_S, label_S)
        if edges[0] > 0:
            ax.set(xscale="log", xlabel="goodness (logarithmic)")
        for kind, (label, colour, word) in _CLASSES.items():
            values = values_S[label_S == label]
            ax.stairs(
                np.histogram(values, edges)[0] / len(values), edges, fill=True, color=colour, alpha=0.45, label=word
            )
            middle = np.sqrt(edges[:-1] * edges[1:]) if edges[0] > 0 else (edges[:-1] + edges[1:]) / 2
            ax.plot(
                middle,
                np.diff(distributions.fitted(values, spec["fits"][kind]).cdf(edges)),
                color=colour,
                linewidth=1.5,
            )
            rows.append(_row(layer, word, values, spec["fits"][kind]))
        ax.axvline(record.plan["method"]["theta"], color="black", linewidth=0.8, linestyle=":", label="θ")
    axes[0, 0].set_ylabel("share of the class")
    axes[0, -1].legend(loc="upper right")
    said = ", ".join(f"{_CLASSES[kind][2]} {law}" for kind, law in spec["fits"].items())
    dataset = scene.claims.content["datasets"][spec["dataset"]]
    parts = [f"{dataset}, {treatment}, test set, seed {record.plan['seed']}. Lines: fitted as in the paper ({said})."]
    text = caption(scene, [record], parts)
    table = Table(_HEADER, rows, frozenset(range(2, 7)))
    return Drawn(name, title, spec.get("shows", ""), png(figure), text, [table])


def _row(layer: int, word: str, values: np.ndarray, law: str) -> list[str]:
    distances = {law: distributions.ks_distance(values, law) for law in ("normal", "exponential")}
    closer = min(distances, key=distances.get)
    return [
        str(layer), word, str(len(values)), formats.number(float(values.mean()), 3),
        formats.number(float(values.std(ddof=1)), 3), formats.number(distances["normal"], 3),
        formats.number(distances["exponential"], 3), closer, law,
    ]  # fmt: skip
