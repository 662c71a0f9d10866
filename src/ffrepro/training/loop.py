"""The one training loop: every method, every paper.

A run is built from its plan file and nothing else. After each epoch the loop validates, decides on the learning
rate and on stopping, appends a line to metrics.jsonl and, every few seconds, writes a checkpoint; a run that is
killed goes on from there and ends with the same numbers. The test split is read once, at the end, with the weights
of the best validation epoch or, ``final_weights: last``, of the last one.
"""

from __future__ import annotations

import copy
import math
import statistics
import time

import numpy as np
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer, number
from ffrepro.core import schedules, seeds
from ffrepro.training import evaluate, filters, machine, memory
from ffrepro.training.parts import Place, about, load_data, make_method, make_task, now
from ffrepro.training.progress import EpochProgress
from ffrepro.training.record import Record

SETTINGS = {
    "max_epochs": integer("epochs of a phase, at most", 10, minimum=1),
    "batch_size": integer("samples in a batch", 128, minimum=2),
    "lr": number("initial learning rate", 1e-3, above=0),
}
SECONDS_BETWEEN_CHECKPOINTS = 5.0


def run(plan: dict, place: Place, *, force: bool = False, keep_weights: bool = False) -> dict:
    """Train, validate, stop, test, and leave the record.

    Args:
        plan: content of a plan file of kind ``train``.
        force: run again even if a finished record of this plan is there.
        keep_weights: leave ``weights.pt`` in the record.

    Returns:
        The content of result.json.
    """
    record = Record(place.runs / plan["run"], plan)
    done = record.finished()
    if done is not None and not force:
        return done
    device, dtype = machine.use(plan["profile"], place.threads, mixed=True)
    started = now()
    data = load_data(plan, place.prepared)
    task = make_task(plan, data, device, dtype)
    method = make_method(plan, task)
    trainer = _Trainer(plan, task, method, record)
    trainer.resume()
    outcome = trainer.train()
    method.load_weights(trainer.best_weights)
    begin = time.perf_counter()
    seen = {split: trainer.observe(split) for split in task.final_splits}
    final = {split: evaluate.summarise(task.kind, *results, plan) for split, results in seen.items()}
    trainer.refuse_nan({f"{split}/loss": metrics["loss"] for split, (metrics, _) in final.items()})
    lines = record.metrics()
    result = {
        "schema": 1,
        "run": plan["run"],
        **outcome,
        "metrics": {
            f"{split}/{name}": value for split, (metrics, _) in final.items() for name, value in metrics.items()
        }
        | evaluate.early_exit_metrics(seen["val"][0], seen["test"][0]),
        "time": {
            "train_s": sum(line["seconds"] for line in lines),
            "epoch_s_median": statistics.median(line["seconds"] for line in lines),
            "epoch_s_mean": statistics.fmean(line["seconds"] for line in lines),
            "evaluate_s": time.perf_counter() - begin,
        },
        "memory": memory.of_process(device),
    }
    arrays = {f"test_{name}": value for name, value in final["test"][1].items()}
    if task.kind == "classification":
        arrays |= filters.of_first_layer(method, task.inputs)
    facts = about(plan, record, data, place, device, started)
    facts["data"]["counts"] = task.counts()
    record.finish(facts, result, arrays, method.weights() if keep_weights else None)
    return result


def evaluate_again(plan: dict, place: Place, split: str) -> dict[str, float]:
    """Metrics of a finished run's kept weights on a split.

    Raises:
        FfreproError: the run kept no weights.
    """
    record = Record(place.runs / plan["run"], plan)
    device, dtype = machine.use(plan["profile"], place.threads, mixed=True)
    weights = record.load_weights()
    task = make_task(plan, load_data(plan, place.prepared), device, dtype)
    method = make_method(plan, task)
    method.load_weights(weights)
    return _Trainer(plan, task, method, record).evaluate(split)[0]


class _Trainer:
    """Epochs, validation, learning rate, early stop and checkpoints of one run."""

    def __init__(self, plan: dict, task, method, record: Record):
        self.plan, self.task, self.method, self.record = plan, task, method, record
        self.order = seeds.generator("order", plan["dataset"], plan["seed"])
        self.phases = method.phases()
        self.at = {"phase": 0, "epoch": 0}  # epoch: finished epochs of all phases together
        self.best_weights = copy.deepcopy(method.weights())
        self._new_phase()

    def _new_phase(self) -> None:
        training = self.plan["training"]
        self.max_epochs = self.phases[self.at["phase"]].epochs or training["max_epochs"]
        self.schedule = schedules.build(training, self.max_epochs)
        self.early = schedules.EarlyStop(training.get("early_stop_epochs", math.inf))
        self.phase_epoch = 0
        self.method.set_lr(self.schedule.lr)

    def train(self) -> dict:
        """All phases to their ends."""
        total = sum(phase.epochs or self.plan["training"]["max_epochs"] for phase in self.phases)
        progress = EpochProgress(self.plan["run"], total, self.at["epoch"])
        last_save = time.monotonic()
        with progress:
            while True:
                phase = self.phases[self.at["phase"]]
                self.method.begin_phase(phase)
                while self.phase_epoch < self.max_epochs and not self.early.stop:
                    line = self._epoch(phase.name)
                    self.record.add_metrics(line)
                    progress.advance(line)
                    if time.monotonic() - last_save >= SECONDS_BETWEEN_CHECKPOINTS:
                        self.save()
                        last_save = time.monotonic()
                stopped_by = "early_stopping" if self.early.stop else "max_epochs"
                outcome = {
                    "epochs": self.at["epoch"],
                    "best_epoch": self.at["epoch"] - self.phase_epoch + self.early.best_epoch,
                    "max_epochs": total,
                    "stopped_by": stopped_by,
                }
                if self.at["phase"] + 1 == len(self.phases):
                    return outcome
                self.at["phase"] += 1
                self.method.load_weights(self.best_weights)
                self._new_phase()

    def _epoch(self, phase: str) -> dict:
        lr = self.schedule.lr
        by_batch = self.plan["training"].get("metric_average") == "batch"
        self.method.begin_epoch(self.phase_epoch)
        begin = time.perf_counter()
        sums: dict[str, torch.Tensor] = {}
        samples = batches = 0
        for batch in self.task.epoch(self.order):
            n = len(batch["label"])
            weight = 1 if by_batch else n
            with machine.autocast(self.plan["profile"]):
                step = self.method.step(batch)
            for name, value in step.items():
                sums[name] = sums.get(name, 0.0) + value * weight
            samples, batches = samples + n, batches + 1
        total = batches if by_batch else samples
        train = {f"train/{name}": float(value) / total for name, value in sums.items()}
        seconds = time.perf_counter() - begin
        metrics, _ = self.evaluate("val")
        self.at["epoch"] += 1
        self.phase_epoch += 1
        self.refuse_nan({**train, **{f"val/{k}": v for k, v in metrics.items() if k == "loss"}})
        best = self.early.update(metrics["loss"], self.phase_epoch)
        if best or self.plan["training"].get("final_weights") == "last":
            self.best_weights = copy.deepcopy(self.method.weights())
        on_train = self.plan["training"].get("plateau_on") == "train"
        self.method.set_lr(self.schedule.update(train["train/loss"] if on_train else metrics["loss"]))
        val = {f"val/{k}": v for k, v in metrics.items()}
        return {"epoch": self.at["epoch"], "phase": phase, "lr": lr, "seconds": seconds, **train, **val}

    def refuse_nan(self, values: dict[str, float]) -> None:
        """Stop with a message that names the values that are not finite."""
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            raise FfreproError(
                f"training diverged: {', '.join(broken)} is not finite in epoch {self.at['epoch']}",
                where=self.plan["run"],
                fix=f"lower `lr` (now {self.schedule.lr:g}) for this run in params.yaml, or look at its input data; "
                "batch statistics also need more than one sample in the last batch of each split (`batch_size`). "
                "The epochs so far are in the run's partial folder",
            )

    def evaluate(self, split: str) -> tuple[dict, dict]:
        """(metrics, per-sample arrays) of a split."""
        return evaluate.summarise(self.task.kind, *self.observe(split), self.plan)

    def observe(self, split: str) -> tuple[dict, np.ndarray]:
        """(per-sample results, batch numbers) of a split."""
        return evaluate.observe(self.method, self.task.in_order(split))

    def save(self) -> None:
        """Write everything that a resume needs."""
        self.record.save_state({
            "method": self.method.state_dict(),
            "best_weights": self.best_weights,
            "order": self.order.get_state(),
            "schedule": self.schedule.state_dict(),
            "early": self.early.state_dict(),
            "phase_epoch": self.phase_epoch,
            "at": self.at,
        })  # fmt: skip

    def resume(self) -> None:
        """Go on from the checkpoint, or start."""
        state = self.record.load_state()
        self.record.start_metrics(state["at"]["epoch"] if state else 0)
        if state is None:
            return
        self.method.load_state_dict(state["method"])
        self.best_weights = state["best_weights"]
        self.order.set_state(state["order"])
        self.at = state["at"]
        self._new_phase()
        self.schedule.load_state_dict(state["schedule"])
        self.early.load_state_dict(state["early"])
        self.phase_epoch = state["phase_epoch"]
        self.method.set_lr(self.schedule.lr)
