"""A made-up project: plans and records as docs/ARCHITECTURE.md describes them, with numbers a test can choose."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
from helpers.plan_head import plan_head, run_json

from ffrepro.base.files import dump_json, sha256_file
from ffrepro.claims import load

PAPER = "chikhachev2025_rnn"
PROJECT = Path(__file__).parents[2]
DATASETS = ("dollar", "mobiletouch", "mcyt", "raton")
TREATMENTS = ("corrected", "as_published")
VARIANTS = ("bptt", "ff_rms", "ff_std")
SEEDS = {"smoke": 2, "lite": 3, "paper": 5}
MAX_EPOCHS = {"smoke": 2, "lite": 60, "paper": 200}
LENGTH = {"dollar": 70, "mobiletouch": 40, "mcyt": 100, "raton": 100}


def write(path, text):
    """Plainly: a made-up project needs no flush to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class World:
    """A project folder under ``root`` and the plans that params.yaml would have given."""

    def __init__(self, root):
        self.root, self.plans = root, []
        schema = root / load.SCHEMA
        schema.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / load.SCHEMA, schema)

    def train_plan(self, family, dataset, treatment, variant, seed, scale, hardware="cpu", theta=7.0):
        ff = not variant.startswith("bptt")
        corrected = treatment == "corrected"
        experiment = f"{family}_{dataset}_{treatment}"
        plan = plan_head(PAPER, "train", experiment, variant, seed, scale, hardware) | {
            "schema": 1,
            "protocol": {"treatment": treatment, "task": "classify", "inference": "ensemble"},
            "dataset": dataset,
            "data": {
                "features": "velocity" if corrected or dataset == "dollar" else "published_columns",
                "length": LENGTH[dataset],
                "split": [0.7, 0.1, 0.2] if corrected else [0.72, 0.08, 0.2],
            },
            "net": {"name": "rnn", "hidden": 96, "layers": 3},
            "method": {"name": "ff_rnn" if ff else "backprop_rnn"},
            "training": {
                "max_epochs": MAX_EPOCHS[scale],
                "batch_size": 60 if scale == "smoke" else 600,
                "lr": 0.001,
                "plateau_epochs": 5 if corrected else 6,
                "early_stop_epochs": 10,
            },
            "origin": {"net.hidden": "paper, Sec. 3.5"},
            "tags": {"tables": ["table1", "table2", "table3"] if family == "rnn" else []},
        }
        if ff:
            plan["method"] |= {
                "theta": theta,
                "goodness": "sum" if corrected else "mean",
                "norm_statistics": "sample" if corrected else "batch",
            }
        return plan

    def bench_plan(self, family, dataset, treatment, scale, hardware="cpu", process=0):
        plan = self.train_plan(family, dataset, treatment, "interleaved", process, scale, hardware)
        for key in ("training", "net", "method"):
            del plan[key]
        return plan | {
            "kind": "bench",
            "bench": {"name": "rnn", "bench_batch": 600, "bench_rounds": 3 if scale == "smoke" else 30},
            "variants": {name: {"net": {}, "method": {}} for name in VARIANTS},
            "tags": {"tables": ["table3"]},
        }

    def add_plans(
        self,
        *scales,
        datasets=DATASETS,
        treatments=TREATMENTS,
        hardware="cpu",
        families=("rnn", "theta", "bench"),
        processes=1,
    ):
        """All runs of the paper at some scales; each bench in so many processes."""
        for scale in scales:
            for treatment in treatments:
                for dataset in datasets if "rnn" in families else ():
                    self.plans += [
                        self.train_plan("rnn", dataset, treatment, variant, seed, scale, hardware)
                        for variant in VARIANTS
                        for seed in range(SEEDS[scale])
                    ]
                if "theta" in families:
                    self.plans += [
                        self.train_plan(
                            "theta", "mcyt", treatment, f"{variant}_theta{theta:g}", seed, scale, hardware, theta
                        )
                        for variant in ("ff_rms", "ff_std")
                        for theta in (0.1, 0.5, 2.0, 4.0, 10.0)
                        for seed in range(SEEDS[scale])
                    ]
            for process in range(processes if "bench" in families else 0):
                place = (scale, hardware, process)
                self.plans += [self.bench_plan("bench", dataset, "corrected", *place) for dataset in datasets]
                self.plans.append(self.bench_plan("bench_published", "dollar", "as_published", *place))
        return self.plans

    def find(self, experiment, variant, scale="lite"):
        """Plans by experiment and variant."""
        chosen = [p for p in self.plans if (p["experiment"], p["variant"], p["scale"]) == (experiment, variant, scale)]
        assert chosen, f"no plan of {experiment}/{variant} at {scale}"
        return chosen

    def record(self, plan, *, folder="runs", accuracy=0.85, auc=0.93, epochs=None, ratio=None, arrays=True, **about):
        """Leave a finished record of a plan. ``epochs``: None runs into the limit."""
        place = self.root / folder / plan["run"]
        run = run_json(
            plan,
            {"train": 350, "val": 50, "test": 100},
            provenance={"source": plan["source"], "file": "archive.tar.gz", "sha256": "a" * 64},
            versions={"ffrepro": "0.1.0", "python": "3.11.2", "torch": "2.8.0", "numpy": "2.0.0"},
            machine={"cpu": "Test CPU", "cores": 2, "threads": 1, "device": "Test CPU", "platform": "Linux x86_64"},
        )
        write(place / "run.json", dump_json(run | about))
        if plan["kind"] == "bench":
            write(place / "result.json", dump_json(self._bench_result(plan, ratio or {})))
            return place
        if plan["kind"] == "sklearn_baseline":
            np.savez(place / "arrays.npz", **self._arrays(plan, 0, auc))
            write(place / "result.json", dump_json(self._baseline_result(plan, accuracy, auc)))
            return place
        ran = plan["training"]["max_epochs"] if epochs is None else epochs
        layers = plan["net"]["layers"] if plan["method"]["name"] == "ff_rnn" else 0
        best = max(1, ran - 10)
        lines = [self._line(epoch, accuracy, auc, layers, best) for epoch in range(1, ran + 1)]
        write(place / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        result = self._result(plan, ran, best, early=epochs is not None) | {
            "metrics": {"test/accuracy": accuracy, "test/auc": auc, "test/loss": 0.4}
            | {f"test/accuracy_layer{layer}": accuracy - 0.01 * layer for layer in range(layers)}
            | {name: value for name, value in lines[best - 1].items() if name.startswith("val/")},
        }
        if arrays:
            np.savez(place / "arrays.npz", **self._arrays(plan, layers, auc))
        write(place / "result.json", dump_json(result))
        return place

    def record_all(self, scale, **numbers):
        """Records of all planned runs of a scale; seeds differ a little."""
        for plan in [p for p in self.plans if p["scale"] == scale]:
            shift = 0.002 * (plan["seed"] - 1)
            self.record(plan, **{"accuracy": 0.85 + shift, "auc": 0.93 + shift / 2, "epochs": 2, **numbers})

    def commit_records(self, plans, **numbers):
        """Put records under reports/reference with their index."""
        index_path = self.root / "reports/reference/index.json"
        index = json.loads(index_path.read_text()) if index_path.is_file() else {}
        for plan in plans:
            place = self.record(plan, folder="reports/reference", **numbers)
            index[plan["run"]] = {path.name: sha256_file(path) for path in sorted(place.iterdir())}
        write(index_path, dump_json(index))

    def claims(self):
        return load.load(self.root, PAPER)

    @staticmethod
    def _baseline_result(plan, accuracy, auc):
        return {
            "schema": 1,
            "run": plan["run"],
            "metrics": {"test/accuracy": accuracy, "test/auc": auc},
            "time": {"train_s": 1.0, "evaluate_s": 0.0},
            "memory": {"peak_bytes": 300_000_000, "how": "resident set"},
        }

    @staticmethod
    def _result(plan, ran, best, *, early):
        """A training's result.json without its metrics."""
        return {
            "schema": 1,
            "run": plan["run"],
            "epochs": ran,
            "best_epoch": best,
            "max_epochs": plan["training"]["max_epochs"],
            "stopped_by": "early_stopping" if early else "max_epochs",
            "time": {"train_s": 0.5 * ran, "epoch_s_median": 0.5, "epoch_s_mean": 0.5, "evaluate_s": 0.1},
            "memory": {"peak_bytes": 300_000_000, "how": "resident set"},
        }

    @staticmethod
    def _line(epoch, accuracy, auc, layers, best):
        rise = 1 - math.exp(-epoch / 5)
        line = {
            "epoch": epoch,
            "phase": "train",
            "lr": 0.001,
            "seconds": 0.5,
            "train/loss": 1.4 - 0.9 * rise,
            "val/loss": 0.4 + 0.02 * abs(epoch - best),
            "val/accuracy": 0.5 + (accuracy - 0.5) * rise,
            "val/auc": 0.5 + (auc - 0.5) * rise,
        }
        for layer in range(layers):
            line[f"val/accuracy_layer{layer}"] = line["val/accuracy"] - 0.01 * layer
        return line

    @staticmethod
    def _bench_result(plan, ratio):
        rows, names = [], ["BPTT, fused Adam", "BPTT, foreach Adam", "BPTT, checkpointed"]
        names += ["FF-Norm", "FF-Std", "FF-Norm, plain autograd", "FF-Std, plain autograd"]
        for name in names:
            r = ratio.get(name, 1.0)
            rows.append(
                {
                    "name": name,
                    "ms_median": 20.0 * r,
                    "ms_min": 19.0 * r,
                    "ms_max": 22.0 * r,
                    "ratio_to_bp": r,
                    "ratio_low": 0.98 * r,
                    "ratio_high": 1.02 * r,
                    "peak_bytes": int(1e8 * r),
                    "peak_ratio_to_bp": r,
                }
            )
        return {
            "schema": 1,
            "run": plan["run"],
            "bench": "rnn",
            "baseline": names[0],
            "config": {"threads": 1},
            "rows": rows,
        }

    @staticmethod
    def _arrays(plan, layers, auc):
        rng = np.random.default_rng(plan["seed"])
        label = np.repeat([1, 0], 50)
        logit = rng.normal(size=100) + 3 * auc * label - 1.5
        arrays = {"test_logit": logit, "test_loss": np.abs(logit)[:, None]}
        if layers:
            good = np.where(label[:, None] == 1, rng.normal(8, 1, (100, layers)), rng.exponential(2, (100, layers)))
            arrays |= {"test_goodness": good, "test_layer_logit": good - plan["method"]["theta"]}
        if plan["kind"] != "train":
            del arrays["test_loss"]
        found = {name: value.astype(np.float32) for name, value in arrays.items()}
        return found | {"test_label": label, "test_index": np.arange(100)}
