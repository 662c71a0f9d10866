"""Search for settings on validation images alone: trials of one run with other values, by Optuna, and their record.

A trial trains the run of the plan with values of the search's space, from the same initial weights, on the same split,
in the same order; its value is the task's watched metric in the best epoch. The test split is never read. Optuna's
journal is in the partial folder, so that a search that is killed goes on after its last whole trial. What is tried next
follows from the trials before it and the run's seed alone: an interrupted search ends with the same trials.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.reading import parse_json
from ffrepro.base.searches import COMPLETE, DIVERGED, best_of, points
from ffrepro.base.settings import choice, integer
from ffrepro.core import seeds
from ffrepro.training import machine, memory
from ffrepro.training.evaluate import NotFinite
from ffrepro.training.facts import about, now
from ffrepro.training.parts import Place, load_data, make_method, make_task, make_trainer, start_weights
from ffrepro.training.record import Record

SETTINGS = {
    "trials": integer("trainings with other values; at most as many as there are combinations", 20, minimum=1),
    "sampler": choice(
        "what is tried next: Optuna's tree-structured Parzen estimator, or a combination drawn at random",
        "tpe",
        "random",
        default="tpe",
    ),
}
JOURNAL = "journal.log"


def run(plan: dict, place: Place, *, force: bool = False) -> dict:
    """Search, and leave the record.

    Args:
        plan: content of a plan file of kind ``search``.
        force: search again even if a finished record of this plan is there.

    Returns:
        The content of result.json.

    Raises:
        FfreproError: no trial came to its end with a finite loss.
    """
    record = Record(place.runs / plan["run"], plan)
    return record.once(lambda: _run(plan, place, record), again=force)


def _run(plan: dict, place: Place, record: Record) -> dict:
    device, dtype = machine.use(plan["profile"], place.threads, mixed=True)
    started = now()
    data = load_data(plan, place.prepared)
    task = make_task(plan, data, device, dtype)
    start = start_weights(plan, place)
    record.partial.mkdir(parents=True, exist_ok=True)
    journal = _Journal(record.partial / JOURNAL, plan, task.watch[1])
    total = min(plan["search"]["trials"], len(points(plan["search"]["space"])))
    while len(journal.done) < total:
        values = journal.next()
        tried = _with(plan, values)
        trial = _train(tried, make_task(tried, data, device, dtype), start)
        journal.end(trial)
        _say(plan["run"], len(journal.done), total, values, trial, task.watch[0])
    trials = journal.done
    best = best_of(trials, task.watch[1])
    if best is None:
        raise FfreproError(
            f"none of {total} trials ended with a finite loss",
            where=plan["run"],
            fix="give `space` smaller learning rates, then remove the run's partial folder",
        )
    seconds = sum(trial["seconds"] for trial in trials)
    result = {
        "schema": 1,
        "run": plan["run"],
        "watch": list(task.watch),
        "shown": list(task.shown),
        "trials": trials,
        "best": best["number"],
        "metrics": {f"val/{task.watch[0]}": best["value"]},
        "time": {"train_s": seconds, "evaluate_s": 0.0},
        "memory": memory.of_process(device),
    }
    facts = about(plan, record, data, place, device, started)
    facts["data"]["counts"] = {split: task.counts()[split] for split in ("train", "val")}
    facts["versions"] |= {"optuna": _optuna().__version__}
    record.finish(facts, result)
    return result


def _train(plan: dict, task: Any, start: dict[str, torch.Tensor] | None) -> dict[str, Any]:
    """A trial's value, epochs, way to end and seconds."""
    begin = time.perf_counter()
    method = make_method(plan, task, start=start)
    trainer = make_trainer(plan, method, task)
    lines: list[dict[str, Any]] = []
    try:
        outcome = trainer.train(lines.append)
    except NotFinite:
        return {
            "state": DIVERGED, "value": None, "epochs": len(lines), "best_epoch": None, "max_epochs": trainer.total,
            "stopped_by": DIVERGED, "seconds": time.perf_counter() - begin,
        }  # fmt: skip
    value = lines[outcome["best_epoch"] - 1][f"val/{task.watch[0]}"]
    kept = {name: outcome[name] for name in ("epochs", "best_epoch", "max_epochs", "stopped_by")}
    return {"state": COMPLETE, "value": value, **kept, "seconds": time.perf_counter() - begin}


def _with(plan: dict, values: Mapping[str, Any]) -> dict:
    """The plan with a trial's values in place."""
    changed = plan | {name.partition(".")[0]: dict(plan[name.partition(".")[0]]) for name in values}
    for name, value in values.items():
        part, _, setting = name.partition(".")
        changed[part][setting] = value
    return changed


def _say(run: str, done: int, total: int, values: Mapping[str, Any], trial: Mapping[str, Any], metric: str) -> None:
    tried = ", ".join(f"{name.partition('.')[2]} {value}" for name, value in values.items())
    found = "diverged" if trial["value"] is None else f"val {metric} {trial['value']:.4f}"
    print(f"{run}: trial {done} of {total}: {tried}: {found}, {trial['seconds']:.1f} s", file=sys.stderr, flush=True)


class _Journal:
    """The trials of a search so far, in Optuna's journal.

    A combination is a trial's only once. Values that grow are shown to Optuna by their positions, so that it knows
    which are close. A trial that diverged is told as pruned: worse than all others.
    """

    def __init__(self, path: Any, plan: dict, direction: str):
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        self._space: dict[str, list] = plan["search"]["space"]
        self._plan = plan
        lock = JournalFileOpenLock(str(path))
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)  # of a killed process: the run's own lock is ours
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path), lock_obj=lock)),
            study_name=plan["run"],
            direction={"min": "minimize", "max": "maximize"}[direction],
            load_if_exists=True,
        )
        for trial in self._study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # its process was killed
        self._optuna, self._trial, self._values = optuna, None, {}
        self.done = [parse_json(trial.user_attrs["trial"], path) for trial in self._ended()]

    def _ended(self) -> list:
        states = self._optuna.trial.TrialState
        return self._study.get_trials(deepcopy=False, states=[states.COMPLETE, states.PRUNED])

    def next(self) -> dict[str, Any]:
        """Begin a trial; its values by ``part.setting``."""
        plan, tried = self._plan, [trial["values"] for trial in self.done]
        left = [point for point in points(self._space) if point not in tried]
        seed = seeds.derive("search", plan["dataset"], plan["seed"], len(self.done)) % 2**32
        samplers = self._optuna.samplers
        chosen = samplers.TPESampler(seed=seed) if plan["search"]["sampler"] == "tpe" else samplers.RandomSampler(seed)
        self._study.sampler = chosen
        trial = self._study.ask(self._distributions())
        values = {name: self._of(name, trial.params[name]) for name in self._space}
        if values not in left:  # tried before: one of the others instead
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            index = int(torch.randint(len(left), (), generator=torch.Generator().manual_seed(seed)))
            values = left[index]
            self._study.enqueue_trial({name: self._to(name, value) for name, value in values.items()})
            trial = self._study.ask(self._distributions())
        self._trial, self._values = trial, values
        return values

    def end(self, found: dict[str, Any]) -> None:
        """Write a trial's outcome down."""
        states = self._optuna.trial.TrialState
        trial = {"number": len(self.done), "values": self._values, **found}
        self._trial.set_user_attr("trial", json.dumps(trial))
        if found["state"] == COMPLETE:
            self._study.tell(self._trial, found["value"])
        else:
            self._study.tell(self._trial, state=states.PRUNED)
        self.done.append(trial)

    def _distributions(self) -> dict[str, Any]:
        kinds = self._optuna.distributions
        return {
            name: kinds.IntDistribution(0, len(values) - 1) if _grows(values) else kinds.CategoricalDistribution(values)
            for name, values in self._space.items()
        }

    def _of(self, name: str, shown: Any) -> Any:
        return self._space[name][shown] if _grows(self._space[name]) else shown

    def _to(self, name: str, value: Any) -> Any:
        return self._space[name].index(value) if _grows(self._space[name]) else value


def _grows(values: list) -> bool:
    """Whether values are numbers in ascending order."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    return numbers and all(a < b for a, b in pairwise(values))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:  # a bare GPU machine has numpy and torch alone
        raise FfreproError(
            "optuna is not installed: it chooses the values of a search", where="search", fix="pip install optuna"
        ) from None
    return optuna
