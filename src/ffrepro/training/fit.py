"""Runs without epochs: a classifier fitted at once on a view's table of features, and its record.

The same samples, labels and splits as the nets of the same seed see. The validation part takes no part in the fit:
nothing is selected.
"""

from __future__ import annotations

import time

import numpy as np

from ffrepro import data as datasets
from ffrepro.core import seeds
from ffrepro.core.detection import auc
from ffrepro.training import classifiers, facts, machine, memory, parts
from ffrepro.training.record import Record

_SPLITS = ("val", "test")


def run(plan: dict, place: parts.Place, *, force: bool = False) -> dict:
    """Fit, test, and leave the record.

    Args:
        plan: content of a plan file of kind ``fit``.
        force: run again even if a finished record of this plan is there.

    Returns:
        The content of result.json.
    """
    record = Record(place.runs / plan["run"], plan)
    return record.once(lambda: _fit(plan, place, record), again=force)


def _fit(plan: dict, place: parts.Place, record: Record) -> dict:
    device, _ = machine.use(plan["profile"], place.threads)
    started = facts.now()
    data = parts.load_data(plan, place.prepared)
    table = datasets.view(plan["data"]["name"]).Table(data, plan["data"], parts.split_seed(plan))
    begin = time.perf_counter()
    seed = seeds.derive("fit", plan["dataset"], plan["seed"]) % 2**32  # what scikit-learn takes
    others = {name: table.features[name] for name in _SPLITS}
    logit = classifiers.logits(plan["fit"], table.features["train"], table.label["train"], others, seed, place.threads)
    metrics = {
        f"{name}/{key}": value for name in _SPLITS for key, value in measure(logit[name], table.label[name]).items()
    }
    result = {
        "schema": 1,
        "run": plan["run"],
        "shown": ["accuracy", "auc"],
        "metrics": metrics,
        "time": {"train_s": time.perf_counter() - begin, "evaluate_s": 0.0},
        "memory": memory.of_process("cpu"),
    }
    arrays = {"test_logit": logit["test"], "test_label": table.label["test"], "test_index": table.index["test"]}
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
