"""Histograms of test goodness by layer and class, with fitted distributions and how well they fit."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures.style import NEGATIVE, POSITIVE, Drawn, Scene, canvas, caption, png, say

BINS = 40
_CLASSES = {"positive": (1, POSITIVE, "real"), "negative": (0, NEGATIVE, "synthetic")}
_HEADER = ["Layer", "Class", "Samples", "Mean", "Std", "KS to normal", "KS to exponential", "Closer", "Paper says"]


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """Three panels, one for each layer, a picture for each treatment; the lowest seed's model is shown."""
    return [_draw(scene, spec, treatment) for treatment in scene.claims.treatments]


def ks_distances(values: np.ndarray) -> dict[str, float]:
    """Kolmogorov-Smirnov distances to the normal and the exponential fitted by mean and std.

    The parameters come from the same sample, so these are descriptive: no p-value follows from them.
    """
    mean, std = float(values.mean()), float(values.std(ddof=1))
    return {
        "normal": float(stats.kstest(values, "norm", args=(mean, std)).statistic) if std > 0 else 1.0,
        "exponential": float(stats.kstest(values, "expon", args=(0, mean)).statistic) if mean > 0 else 1.0,
    }


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
        edges = np.linspace(0, max(float(np.quantile(values_S, 0.995)), 1e-6), BINS + 1)
        for kind, (label, colour, word) in _CLASSES.items():
            values = values_S[label_S == label]
            ax.hist(values, edges, density=True, color=colour, alpha=0.45, label=word)
            _fit(ax, values, edges, spec["fits"][kind], colour)
            rows.append(_row(layer, word, values, spec["fits"][kind]))
        ax.axvline(record.plan["method"]["theta"], color="black", linewidth=0.8, linestyle=":", label="θ")
    axes[0, 0].set_ylabel("density")
    axes[0, -1].legend(loc="upper right")
    said = ", ".join(f"{_CLASSES[kind][2]} {law}" for kind, law in spec["fits"].items())
    dataset = scene.claims.content["datasets"][spec["dataset"]]
    parts = [f"{dataset}, {treatment}, test set, seed {record.plan['seed']}. Lines: fitted as in the paper ({said})."]
    text = caption(scene, [record], parts)
    table = Table(_HEADER, rows, frozenset(range(2, 7)))
    return Drawn(name, title, spec.get("shows", ""), png(figure), text, [table])


def _fit(ax: Axes, values: np.ndarray, edges: np.ndarray, law: str, colour: str) -> None:
    x = np.linspace(edges[0], edges[-1], 300)
    mean, std = float(values.mean()), float(values.std(ddof=1))
    if law == "normal" and std > 0:
        ax.plot(x, stats.norm.pdf(x, mean, std), color=colour, linewidth=1.5)
    elif law == "exponential" and mean > 0:
        ax.plot(x, stats.expon.pdf(x, 0, mean), color=colour, linewidth=1.5)


def _row(layer: int, word: str, values: np.ndarray, law: str) -> list[str]:
    distances = ks_distances(values)
    closer = min(distances, key=distances.get)
    return [
        str(layer), word, str(len(values)), formats.number(float(values.mean()), 3),
        formats.number(float(values.std(ddof=1)), 3), formats.number(distances["normal"], 3),
        formats.number(distances["exponential"], 3), closer, law,
    ]  # fmt: skip
