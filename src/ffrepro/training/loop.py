"""From a plan file to a run's record: every method, every task, by the one trainer (``training.trainer``).

A run is built from its plan file and nothing else. Each epoch appends a line to metrics.jsonl and, every few seconds,
a checkpoint is written; a run that is killed goes on from there and ends with the same numbers. The test split is read
once, at the end, with the weights of the best validation epoch or, ``final_weights: last``, of the last one.
"""

from __future__ import annotations

import statistics
import time

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import sha256_file
from ffrepro.base.plans import start_of
from ffrepro.base.records import WEIGHTS
from ffrepro.base.settings import integer, number
from ffrepro.training import evaluate, machine, memory
from ffrepro.training.facts import about, now
from ffrepro.training.parts import Place, load_data, make_method, make_task, make_trainer, start_weights
from ffrepro.training.progress import EpochProgress
from ffrepro.training.record import Record
from ffrepro.training.trainer import Trainer

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
    keep = keep_weights or plan.get("keep_weights", False)
    lost = bool(plan.get("keep_weights")) and not (record.folder / WEIGHTS).is_file()  # others start from them
    return record.once(lambda: _train(plan, place, record, keep), again=force or lost)


def _train(plan: dict, place: Place, record: Record, keep_weights: bool) -> dict:
    device, dtype = machine.use(plan["profile"], place.threads, mixed=True)
    started = now()
    data = load_data(plan, place.prepared)
    task = make_task(plan, data, device, dtype)
    method = make_method(plan, task, start=start_weights(plan, place))
    trainer = make_trainer(plan, method, task)
    _resume(trainer, record)
    outcome = _run_epochs(trainer, record)
    method.load_weights(trainer.best_weights)
    begin = time.perf_counter()
    seen = {split: trainer.evaluate_split(split) for split in task.final_splits}
    final = {split: task.metrics(arrays) for split, arrays in seen.items()}
    trainer.refuse_nan({k: v for split, metrics in final.items() for k, v in trainer.judged(split, metrics).items()})
    metrics = {f"{split}/{name}": value for split, found in final.items() for name, value in found.items()}
    more_metrics, more_arrays = task.finish(method, seen)
    lines = record.metrics()
    result = {
        "schema": 1,
        "run": plan["run"],
        **outcome,
        "watch": list(task.watch),
        "shown": list(task.shown),
        "metrics": metrics | more_metrics,
        "time": {
            "train_s": sum(line["seconds"] for line in lines),
            "epoch_s_median": statistics.median(line["seconds"] for line in lines),
            "epoch_s_mean": statistics.fmean(line["seconds"] for line in lines),
            "evaluate_s": time.perf_counter() - begin,
        },
        "memory": memory.of_process(device),
    }
    kept = task.final_splits[-1]
    arrays = {f"{kept}_{name}": value for name, value in task.kept(seen[kept]).items()} | more_arrays
    facts = about(plan, record, data, place, device, started)
    facts["data"]["counts"] = task.counts()
    if (start := start_of(plan)) is not None:
        facts["start"] = {"run": start, "sha256": sha256_file(place.runs / start / WEIGHTS)}
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
    return task.metrics(evaluate.evaluate_split(method, task, split))


def _resume(trainer: Trainer, record: Record) -> None:
    """Go on from the checkpoint, or start.

    Raises:
        FfreproError: the checkpoint holds something else than this run's state.
    """
    state = record.resume()
    if state is None:
        return
    try:
        trainer.load_state_dict(state)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise FfreproError(
            f"the checkpoint is not this run's ({type(error).__name__})",
            where=record.partial / "state.pt",
            fix="delete that file: the run then starts from its first epoch",
        ) from error


def _run_epochs(trainer: Trainer, record: Record) -> dict:
    """All phases to their ends, each epoch into the record; what ``Trainer.train`` returns."""
    last_save = time.monotonic()
    progress = EpochProgress(trainer.name, trainer.total, trainer.epoch, trainer.task)

    def on_epoch(line: dict) -> None:
        nonlocal last_save
        record.add_metrics(line)
        progress.advance(line)
        if time.monotonic() - last_save >= SECONDS_BETWEEN_CHECKPOINTS:
            record.save_state(trainer.state_dict())
            last_save = time.monotonic()

    with progress:
        return trainer.train(on_epoch)
