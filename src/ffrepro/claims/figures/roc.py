"""ROC curves on the test set: a panel for each data set, a curve for each run."""

from __future__ import annotations

import numpy as np

from ffrepro.claims import formats
from ffrepro.claims.figures.style import Drawn, Scene, canvas, caption, plain, png
from ffrepro.claims.records import Record
from ffrepro.core.statistics import roc_curve, summarize

_POINTS = 400  # of a drawn curve: the eye sees no more


def draw(scene: Scene, spec: dict) -> list[Drawn]:
    """A picture for each treatment."""
    return [_draw(scene, spec, treatment) for treatment in scene.claims.treatments]


def _draw(scene: Scene, spec: dict, treatment: str) -> Drawn:
    datasets = scene.claims.content["datasets"]
    figure, axes = canvas(2.55 * len(datasets), 2.9, 1, len(datasets), sharey=True)
    used: list[Record] = []
    for ax, (dataset, label) in zip(axes[0], datasets.items(), strict=True):
        ax.set(title=plain(label), xlabel="false positive rate", xlim=(0, 1), ylim=(0, 1.02))
        ax.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=0.8)
        absent = []
        for variant in scene.variants(spec["experiment"]):
            evidence = scene.evidence(spec["experiment"], treatment, dataset, variant)
            curves = [(r, a) for r in evidence.records if "test_logit" in (a := r.arrays())] if evidence else []
            if not curves:
                absent.append(scene.label(variant))
                continue
            used += [record for record, _ in curves]
            aucs = [value for record, _ in curves if (value := record.value("test/auc")) is not None]
            text = f"{scene.label(variant)} {formats.mean_std(summarize(aucs) if aucs else None, 3)}"
            for index, (_, arrays) in enumerate(curves):
                false, true = roc_curve(arrays["test_logit"], arrays["test_label"])
                keep = np.unique(np.linspace(0, len(false) - 1, _POINTS).astype(int))
                ax.plot(
                    false[keep], true[keep], color=scene.colour(variant), linewidth=1, alpha=0.8,
                    label=text if index == 0 else None,
                )  # fmt: skip
        if absent:
            text = "\n".join(["no runs of", *absent, f"at scale {scene.scale}"])
            ax.text(0.98, 0.5, text, ha="right", fontsize=7, color="#808080", in_layout=False)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="lower right", fontsize=7, title="AUC", title_fontsize=7)
    axes[0, 0].set_ylabel("true positive rate")
    text = caption(scene, used, [f"{treatment}. One curve for each seed."])
    name = f"{spec['name']}_{treatment}"
    return Drawn(name, f"{spec['title']} ({treatment})", spec.get("shows", ""), png(figure), text)
