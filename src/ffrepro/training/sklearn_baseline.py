"""Fit a scikit-learn classifier on a view's table of features and leave its record: a run without epochs.

The same samples, labels and splits as the nets of the same seed see. The validation part takes no part in the fit:
nothing is selected.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ffrepro import data as datasets
from ffrepro.core import seeds
from ffrepro.core.detection import auc
from ffrepro.data.record_form import Form
from ffrepro.data.task import Arrays
from ffrepro.data.trajectory_batches import DETECTOR_FORMS, DETECTOR_RANGES
from ffrepro.training import classifiers, facts, machine, memory, parts
from ffrepro.training.record import Record


def run(plan: dict, place: parts.Place, *, force: bool = False) -> dict:
    """Fit, test, and leave the record.

    Args:
        plan: content of a plan file of kind ``sklearn_baseline``.
        force: run again even if a finished record of this plan is there.

    Returns:
        The content of result.json.
    """
    record = Record(place.runs / plan["run"], plan)
    return record.once(lambda: _run(plan, place, record), again=force)


def _run(plan: dict, place: parts.Place, record: Record) -> dict:
    device, _ = machine.use(plan["profile"], place.threads)
    started = facts.now()
    data = parts.load_data(plan, place.prepared)
    table = datasets.view(plan["data"]["name"]).Table(data, plan["data"], parts.split_seed(plan))
    begin = time.perf_counter()
    # Below 2^32 for scikit-learn; the label "fit" is part of what committed records were made with.
    seed = seeds.derive("fit", plan["dataset"], plan["seed"]) % 2**32
    x, label = table.features, table.label
    others = {name: x[name] for name in x if name != "train"}
    logit = classifiers.logits(plan["classifier"], x["train"], label["train"], others, seed, place.threads)
    metrics = {f"{name}/{key}": value for name in others for key, value in measure(logit[name], label[name]).items()}
    result = {
        "schema": 1,
        "run": plan["run"],
        "shown": ["accuracy", "auc"],
        "metrics": metrics,
        "time": {"train_s": time.perf_counter() - begin, "evaluate_s": 0.0},
        "memory": memory.of_process("cpu"),
    }
    kept = [name for name in others if name != "val"]
    arrays = {f"{name}_logit": logit[name] for name in kept} | {f"{name}_label": label[name] for name in kept}
    arrays |= {f"{name}_index": table.index[name] for name in kept}
    about = facts.about(plan, record, data, place, device, started)
    about["data"]["counts"] = table.counts()
    record.finish(about, result, arrays)
    return result


def measure(logit_N: np.ndarray, label_N: np.ndarray) -> dict[str, float]:
    """Log loss, accuracy at a logit of 0, and AUC."""
    sign = np.where(label_N == 1, -1.0, 1.0)
    return {
        "loss": float(np.logaddexp(0.0, sign * logit_N).mean()),
        "accuracy": float(((logit_N > 0) == (label_N == 1)).mean()),
        "auc": auc(logit_N, label_N),
    }


class Measured:
    """What a record of such a run holds, as ``data.task.Task`` says it of a net's."""

    split = "test"
    ranges = DETECTOR_RANGES
    kept_forms: Mapping[str, Form] = {
        name: replace(form, kinds="iu" if form.kinds == "i" else "f") for name, form in DETECTOR_FORMS.items()
    }
    finish_forms: Mapping[str, Form] = {  # of a further split of the view's
        f"*_{name}": replace(form, axes=form.axes.replace("S", "R"), needed=False) for name, form in kept_forms.items()
    }
    not_kept = ()

    @staticmethod
    def remeasure(arrays: Arrays, evaluation: Mapping[str, Any], batch_size: int) -> dict[str, float]:
        """All metrics, see ``measure``."""
        return measure(arrays["logit"], arrays["label"])
