"""Plans and records of a classification paper's experiments, with errors that a test can choose."""

import json

import numpy as np
from helpers.plan_head import plan_head, run_json

from ffrepro.base.files import dump_json
from ffrepro.claims import load, tables
from ffrepro.claims.compare import best_pick, compare, scale_pick
from ffrepro.claims.figures import draw_all
from ffrepro.claims.figures.style import Scene
from ffrepro.claims.records import Store

PAPER = "ortiz2025_advancements"
EPOCHS = {"smoke": 1, "lite": 12, "paper": 60}
SCHEMES = ("multi_pass", "last1", "last3", "all", "one_pass")


class Nets:
    """A project folder with plans and records of this paper's experiments."""

    def __init__(self, world):
        self.root, self.plans = world.root, []
        self.claims = load.load(self.root, PAPER)

    @property
    def store(self):
        return Store(self.root, self.plans)

    def run(
        self,
        experiment,
        variant,
        seed,
        *,
        errors,
        scale="paper",
        epochs=None,
        part=None,
        milestones=(30, 45, 54),
        precision="float32",
    ):
        """Plan and record one run. ``errors``: inference scheme -> test error; "" is the run's only one."""
        dataset = next(part for part in experiment.split("_") if part in self.claims.content["datasets"])
        epochs = epochs or EPOCHS[scale]
        bp = variant.endswith("_bp")
        plan = plan_head(PAPER, "train", experiment, variant, seed, scale, precision=precision) | {
            "schema": 2,
            "protocol": {"treatment": "as_published", "task": "classify", "inference": "multi_pass"},
            "dataset": dataset,
            "data": {"name": "images", "train_samples": part, "split_seed": "run"},
            "net": {"name": "cnn", "model": "ff_tiny"},
            "method": {"name": "backprop" if bp else "cwc" if "_cwc" in variant else "ff"},
            "training": {"max_epochs": epochs, "milestones": list(milestones), "gamma": 0.2},
            "tags": {"tables": []},
        }
        self.plans.append(plan)
        metrics = self._metrics(errors, epochs, bp)
        result = {
            "schema": 1,
            "run": plan["run"],
            "epochs": epochs,
            "best_epoch": epochs,
            "max_epochs": epochs,
            "stopped_by": "max_epochs",
            "metrics": metrics,
            "time": {"train_s": 1.0 * epochs, "epoch_s_median": 1.0, "epoch_s_mean": 1.0, "evaluate_s": 0.1},
            "memory": {"peak_bytes": 1, "how": "resident set"},
        }
        val = {name: value for name, value in metrics.items() if name.startswith("val/")}
        lines = [
            {"epoch": epoch, "phase": "train", "lr": 0.001, "seconds": 1.0} | val | {"val/loss": 1 / epoch}
            for epoch in range(1, epochs + 1)
        ]
        place = self._write(plan, result)
        (place / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        label = np.repeat(np.arange(10), 10)
        wrong = np.where(label == 3, 5, label)
        arrays = {"test_label": label, "test_index": np.arange(len(label))}
        np.savez(place / "arrays.npz", **arrays, test_prediction_multi_pass=wrong.astype(np.uint8))

    def tiny(self, one_pass, *, bp=None, **options):
        """FF_tiny on CIFAR-10, a run for each error; its twin where it has errors too."""
        for seed, error in enumerate(one_pass):
            errors = dict.fromkeys(SCHEMES, error + 0.01) | {"one_pass": error}
            self.run("light_cifar10_as_published", "tiny_cwc", seed, errors=errors, **options)
        for seed, error in enumerate(bp or []):
            self.run("light_cifar10_as_published", "tiny_bp", seed, errors={"": error}, **options)

    def bench(self, dataset, times, *, scale="paper", rounds=7, images=1000, process=0):
        """A record of an inference bench. ``times``: row -> (median ms, ratio to one-pass, its interval)."""
        experiment = f"inference_bench_{dataset}_as_published"
        plan = plan_head(PAPER, "bench", experiment, "interleaved", process, scale) | {
            "schema": 2,
            "protocol": {"treatment": "as_published"},
            "dataset": dataset,
            "data": {"name": "images", "train_samples": None},
            "bench": {"name": "inference", "bench_images": images, "bench_rounds": rounds},
            "variants": {},
            "tags": {"tables": ["table1", "table2"]},
        }
        self.plans.append(plan)
        rows = []
        for name, (ms, ratio, low, high) in times.items():
            row = {"name": name, "ms_median": ms, "ms_min": 0.9 * ms, "ms_max": 1.2 * ms, "images": images}
            row |= {"ratio_to_bp": 1.0, "ratio_low": 1.0, "ratio_high": 1.0}
            row |= {"ms_per_image": ms / images, "layers_used": None}
            rows.append(row | {"ratio_to_one_pass": ratio, "one_pass_low": low, "one_pass_high": high})
        config = {"images": images, "singles": 50, "batch": 100, "rounds": rounds, "weights": "untrained"}
        result = {"schema": 1, "run": plan["run"], "baseline": rows[0]["name"], "config": config, "rows": rows}
        self._write(plan, result)

    @staticmethod
    def _metrics(errors, epochs, bp):
        """Of every split: errors by scheme, accuracies by layer (none of BP), loss."""
        layers = 0 if bp else 2
        metrics = {}
        for split, easier in (("train", 0.5), ("val", 0.9), ("test", 1.0)):
            metrics |= {f"{split}/error_{s or 'one_pass'}": easier * error for s, error in errors.items()}
            metrics[f"{split}/error"] = metrics[f"{split}/error_{'one_pass' if bp else 'multi_pass'}"]
            metrics[f"{split}/accuracy"] = 1 - metrics[f"{split}/error"]
            metrics |= {f"{split}/accuracy_layer{layer}": 0.3 + 0.1 * layer for layer in range(layers)}
            metrics[f"{split}/loss"] = 1 / epochs
        return metrics

    def _write(self, plan, result):
        """run.json and result.json of a record; its folder."""
        counts = {"train": 900, "val": 100, "test": 100}
        run = run_json(plan, counts, versions={"torch": "2.8.0"}, machine={"cpu": "Test CPU", "cores": 2})
        place = self.root / "runs" / plan["run"]
        place.mkdir(parents=True)
        (place / "run.json").write_text(dump_json(run))
        (place / "result.json").write_text(dump_json(result))
        return place

    def compare(self, short):
        store = self.store
        return compare(self.claims, store, self.claims.claim(short), "as_published", best_pick(store))

    def table(self, name, scale="paper"):
        store = self.store
        return tables.build(self.claims, store, name, scale_pick(store, scale), f"scale {scale}")

    def figures(self, scale="paper"):
        return {drawn.name: drawn for drawn in draw_all(Scene(self.claims, self.store, scale))}
