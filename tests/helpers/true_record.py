"""Records that a run of a trajectory plan can have left, made without training."""

import io
import json

import numpy as np
from helpers.plan_head import run_json

from ffrepro.data import trajectories_task

FINGERPRINT = "f00d" * 16
SAMPLES = 40


def files_of(plan, accuracy=0.75, seconds=10.0):
    """The files of a finished record of two epochs, or of a bench, by name."""
    counts = {"train": 3 * SAMPLES, "val": SAMPLES, "test": SAMPLES}
    about = run_json(plan, counts, versions={"torch": "2.8.0"}, machine={"cpu": "Test CPU", "cores": 2}) | {
        "git": {"commit": "abc0" * 10, "dirty": False},
        "started": "2026-01-01T10:00:00+00:00",
        "finished": "2026-01-01T10:01:00+00:00",
    }
    about["data"]["fingerprint"] = FINGERPRINT
    result, others = {"schema": 1, "run": plan["run"]}, {}
    if plan["kind"] == "bench":
        row = {"name": "FF-Std", "ms_median": 2.0, "ms_min": 1.0, "ms_max": 3.0, "peak_bytes": 10}
        row |= {"ratio_to_bp": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "peak_ratio_to_bp": 0.5}
        result |= {"config": {}, "rows": [row]}
    elif plan["kind"] == "sklearn_baseline":
        arrays = {f"test_{name}": value for name, value in _arrays(accuracy).items() if name != "loss"}
        result |= {"metrics": {"test/accuracy": accuracy}, "time": {"train_s": seconds - 1, "evaluate_s": 1.0}}
        result["memory"] = {"peak_bytes": 900 * 2**20, "how": "resident set"}
        others["arrays.npz"] = _npz(arrays)
    else:
        lines, found, others = _trained(plan, accuracy, seconds - 1)
        result |= found
        others["metrics.jsonl"] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return {"run.json": json.dumps(about).encode(), **others, "result.json": json.dumps(result).encode()}


def _trained(plan, accuracy, seconds):
    """Lines of metrics, the rest of the result, and the arrays' file."""
    arrays = _arrays(accuracy)
    settings = {"metric_average": "sample", "auc_scores": "logit"}  # of small projects, which do not have all
    evaluation = settings | plan["method"] | plan["training"] | plan["protocol"]
    measured = trajectories_task.Task.remeasure(arrays, evaluation, SAMPLES)
    lines = [
        {"epoch": n, "phase": "train", "lr": 1e-3, "seconds": seconds / 2}
        | {"val/loss": 0.7 - n / 10, "val/accuracy": 0.5 + n / 10}
        for n in (1, 2)
    ]
    result = {
        "epochs": 2,
        "best_epoch": 2,
        "max_epochs": 2,
        "stopped_by": "max_epochs",
        "metrics": {name: lines[-1][name] for name in ("val/loss", "val/accuracy")}
        | {f"test/{name}": value for name, value in measured.items()},
        "time": {"train_s": seconds, "epoch_s_median": seconds / 2, "epoch_s_mean": seconds / 2, "evaluate_s": 1.0},
        "memory": {"peak_bytes": 900 * 2**20, "how": "resident set"},
    }
    return lines, result, {"arrays.npz": _npz({f"test_{name}": value for name, value in arrays.items()})}


def _npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _arrays(accuracy):
    label_S = np.arange(SAMPLES) % 2
    wrong_S = np.arange(SAMPLES) < round((1 - accuracy) * SAMPLES)
    logit_S = np.where(wrong_S, -1.0, 1.0) * np.where(label_S == 1, 1.0, -1.0)
    loss_SN = np.logaddexp(0, -np.where(wrong_S, -1.0, 1.0))[:, None]
    return {
        "logit": logit_S.astype(np.float32),
        "label": label_S,
        "index": np.arange(SAMPLES),
        "loss": loss_SN.astype(np.float32),
    }
