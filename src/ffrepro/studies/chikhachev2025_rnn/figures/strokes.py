"""The stroke plans behind our own negatives: how well they give movements back, and one movement taken apart.

Both are drawn from ``data/plans`` of the scale's source, where it is; no record holds a plan.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ffrepro.base.files import read_json
from ffrepro.claims import formats
from ffrepro.claims.blocks import Table
from ffrepro.claims.figures import movement
from ffrepro.claims.figures.style import PALETTE, POSITIVE, Drawn, Scene, canvas, plain, png
from ffrepro.data import npz
from ffrepro.studies.chikhachev2025_rnn.difficulty import plans_file

_SNR = {"snr_v": "SNRv, dB", "snr_t": "SNRt, dB"}
_HEADER = ["Data set", "Plans", "Without", "Strokes (mean)", "SNRv median", "SNRv 5 %", "SNRt median", "SNRt 5 %"]
_REFERENCE = "Both on the reference signal: 200 Hz, 15 Hz zero-phase low-pass."
_STANDIN = " STAND-IN DATA: not a result."


def snr(scene: Scene, spec: dict) -> list[Drawn]:
    """Histograms of SNRv and SNRt, a colour for each data set; nothing where there are no plans."""
    found = _plans(scene)
    if not found:
        return []
    figure, axes = canvas(8.6, 3.0, 1, 2)
    rows = []
    for number, (dataset, path) in enumerate(found.items()):
        again = f"extract them again: ffrepro kinematics plan {dataset} --source {path.parent.name}"
        values = npz.load(path, (*_SNR, "offsets"), fix=again)
        strokes = np.diff(values["offsets"])
        label = scene.claims.content["datasets"][dataset]
        for ax, name in zip(axes[0], _SNR, strict=True):
            colour = PALETTE[number % len(PALETTE)] if number else POSITIVE
            weights = np.full(len(values[name]), 1 / len(values[name]))
            ax.hist(values[name], 40, weights=weights, histtype="step", color=colour, label=plain(label), linewidth=1.4)
        without = len(read_json(path.with_suffix(".json"))["bad"])
        numbers = [np.percentile(values[name], percent) for name in _SNR for percent in (50, 5)]
        rows.append([
            label, str(len(strokes)), str(without), formats.number(float(strokes.mean()), 1),
            *(formats.number(float(number), 1) for number in numbers),
        ])  # fmt: skip
    for ax, label in zip(axes[0], _SNR.values(), strict=True):
        ax.set(xlabel=label, ylabel="share of the plans")
    axes[0, 0].legend(loc="upper right")
    text = _REFERENCE + (_STANDIN if _source(scene) == "standin" else "")
    table = Table(_HEADER, rows, frozenset(range(1, len(_HEADER))))
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), png(figure), text, [table])]


def one(scene: Scene, spec: dict) -> list[Drawn]:
    """A human movement, its reconstruction, its strokes and duplicates; nothing where there are no plans of the set.

    Shown is the plan with the median SNRv, so that nobody chose it.
    """
    path = _plans(scene).get(spec["dataset"])
    source = _source(scene)
    prepared = scene.store.root / "data/prepared" / str(source) / f"{spec['dataset']}.npz"
    if path is None or not prepared.is_file():
        return []
    import torch

    from ffrepro.data import trajectory_set
    from ffrepro.data.negatives import duplicates, planning, plans
    from ffrepro.kinematics import reference
    from ffrepro.kinematics.extraction import Extracted
    from ffrepro.kinematics.quality import Quality

    data = trajectory_set.load(prepared)
    known = plans.load(path, data)
    number = int(np.argsort(known.snr_v, kind="stable")[len(known) // 2])
    sample, copies = known.index[number], spec["copies"]
    (recording,) = planning.recordings(data, known.index[number : number + 1])
    made = duplicates.duplicates(
        data, known, duplicates.measure_device(data), spec["level"], copies, 0, np.array([number])
    )
    name = f"{spec['dataset']}/{data.names[sample]}"
    signal = reference.reference(*recording)
    quality = Quality(float(known.snr_v[number]), float(known.snr_t[number]), int(known.strokes[number]))
    found = Extracted(known.plan(number), torch.from_numpy(known.start[number]), signal.seconds, quality)
    picture = movement.draw(name, signal, found, list(made), spec["flip_y"])
    text = f"{name}, the plan with the median SNRv, with {copies} duplicates ({spec['level']}). {_REFERENCE}"
    text += _STANDIN if source == "standin" else ""
    return [Drawn(spec["name"], spec["title"], spec.get("shows", ""), picture, text)]


def _source(scene: Scene) -> str | None:
    return next((plan["source"] for plan in scene.store.plans.values() if plan["scale"] == scene.scale), None)


def _plans(scene: Scene) -> dict[str, Path]:
    """Data set -> its file of plans, of those that runs of the scale take negatives from."""
    wanted = {
        plan["dataset"]
        for plan in scene.store.plans.values()
        if plan["scale"] == scene.scale and plan["data"].get("name") == "matched"
    }
    source = str(_source(scene))
    datasets = [name for name in scene.claims.content["datasets"] if name in wanted]
    return {name: path for name in datasets if (path := plans_file(scene.store, source, name)) is not None}
