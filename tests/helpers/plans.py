"""Plan files and prepared stand-in sets for tests of the training core, without the pipeline."""

from ffrepro import data as datasets
from ffrepro.data import archives
from ffrepro.data.fetch import fetch

DATA = {
    "name": "trajectories",
    "features": "velocity", "stamps": "merge", "length": 20, "input_scaling": "train_statistics", "padding": "masked",
    "split": [0.7, 0.1, 0.2], "split_seed": "run", "batches": "balanced",
}  # fmt: skip
MATCHED = {
    "name": "matched", "negatives": "released", "control": "none", "grid": 1.0, "rate_hz": 100.0, "lowpass_hz": 10.0,
    "rest_speed": 0.05, "length": 40, "split": [0.7, 0.1, 0.2], "batches": "balanced",
}  # fmt: skip
IMAGES = {
    "name": "images", "validation": 0.2, "split_seed": "run", "train_samples": None, "normalisation": "none",
    "augmentation": "none", "crop_padding": 0,
}  # fmt: skip
MLP = {
    "name": "mlp", "layers": [20, 20, 20], "input_norm": "none", "bias": True, "groups": None, "init": "torch_default",
}  # fmt: skip
REVIEWS = {
    "train_samples": 120, "validation": 40, "test_samples": 40, "split_seed": "run", "length": 24, "vocabulary": 60,
}  # fmt: skip
TRANSFORMER = {
    "name": "transformer", "layers": 2, "width": 16, "heads": 4, "feedforward": 16, "activation": "relu",
    "dropout": 0.1, "positions": "learnt", "causal": "no", "window": None, "blocks": "layer", "embedding_std": 0.02,
}  # fmt: skip
TRAINING = {
    "schedule": "plateau",
    "max_epochs": 6, "batch_size": 60, "lr": 1e-3, "plateau_on": "train", "plateau_epochs": 5, "plateau_factor": 0.5,
    "plateau_threshold": 1e-4, "early_stop_epochs": 10, "metric_average": "sample", "auc_scores": "logit",
}  # fmt: skip


def make_plan(method, hyperparameters, *, seed=0, data=None, net=None, **training):
    """A plan of kind train on the stand-in $1 set."""
    init = "torch_default" if method.startswith("backprop") else "xavier_normal"
    return {
        "schema": 2,
        "run": f"smoke/cpu/test_dollar_corrected/{method}/seed{seed}",
        "kind": "train", "paper": "chikhachev2025_rnn", "experiment": "test_dollar_corrected", "variant": method,
        "seed": seed, "scale": "smoke", "hardware": "cpu",
        "profile": {"device": "cpu", "precision": "float32", "memory_cap_gb": None},
        "protocol": {"treatment": "corrected", "task": "classify", "inference": "ensemble"},
        "dataset": "dollar", "source": "standin",
        "data": {**DATA, **(data or {})},
        "net": net or {"name": "rnn", "hidden": 16, "layers": 3, "init": init},
        "method": {"name": method, **hyperparameters},
        "training": {**TRAINING, **training},
        "origin": {}, "tags": {"tables": []}, "code": "0",
    }  # fmt: skip


def make_baseline_plan(settings, *, seed=0, **data):
    """A plan of kind sklearn_baseline on the matched stand-in $1 set."""
    run = f"smoke/cpu/test_dollar_matched/{settings['name']}/seed{seed}"
    plan = make_plan("backprop_rnn", {}, seed=seed)
    head = {key: value for key, value in plan.items() if key not in ("net", "method", "training")}
    return head | {
        "run": run, "kind": "sklearn_baseline", "experiment": "test_dollar_matched", "variant": settings["name"],
        "protocol": {"treatment": "matched"}, "data": {**MATCHED, **data}, "classifier": settings,
    }  # fmt: skip


def make_image_plan(method, hyperparameters, *, seed=0, net=None, inference="one_pass", **training):
    """A plan of kind train on the stand-in MNIST set."""
    return make_plan(method, hyperparameters, seed=seed) | {
        "run": f"smoke/cpu/test_mnist_as_published/{method}/seed{seed}",
        "experiment": "test_mnist_as_published",
        "protocol": {"treatment": "as_published", "task": "classify", "inference": inference},
        "dataset": "mnist",
        "data": IMAGES,
        "net": net or MLP,
        "training": {
            "schedule": "multistep", "max_epochs": 2, "batch_size": 50, "lr": 1e-3, "milestones": [], "gamma": 0.1,
            "final_weights": "last", **training,
        },
    }  # fmt: skip


def prepare_standin(folder, name="dollar"):
    """Prepare a stand-in set below ``folder``; returns the folder of prepared data."""
    module = datasets.module(name)
    found = archives.find_all(name)
    raw = [fetch(archive.name, "standin", folder / "raw") for archive in found]
    datasets.family(name).prepare(module.SPEC, *raw, out=folder / "prepared" / "standin" / f"{name}.npz")
    return folder / "prepared"


def make_text_plan(
    method, hyperparameters, *, seed=0, net=None, view="reviews", data=None, task="sentiment", **training
):
    """A plan of kind train on the stand-in IMDB set."""
    inference = "one_pass" if method.startswith(("backprop", "hybrid")) else "goodness"
    return make_plan(method, hyperparameters, seed=seed) | {
        "run": f"smoke/cpu/test_imdb_corrected/{method}/seed{seed}",
        "experiment": "test_imdb_corrected",
        "protocol": {"treatment": "corrected", "task": task, "inference": inference},
        "dataset": "imdb",
        "data": {"name": view, **REVIEWS, **(data or {})},
        "net": net or TRANSFORMER,
        "training": {
            "schedule": "multistep", "max_epochs": 2, "batch_size": 50, "lr": 3e-3, "milestones": [], "gamma": 0.1,
            "final_weights": "best", **training,
        },
    }  # fmt: skip
