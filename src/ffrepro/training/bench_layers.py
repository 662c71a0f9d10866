"""Layers in parallel: an epoch by two processes against one, two threads, data-parallel backpropagation and the bound.

Random data of the shapes of MNIST (an MLP of four layers) and of the $1 gestures (the RNN paper's net, Sec. 3.5). Every
way starts anew in every round, makes an epoch that is not counted and then one that is; the ways take turns, in each of
three fresh processes. The bound is what a pipeline of these groups could reach without any cost of its own: the work of
all over that of the slowest.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro.base.files import write_json
from ffrepro.core import seeds
from ffrepro.data.in_memory import ArrayTask, sequence_task
from ffrepro.data.task import Task
from ffrepro.nets import sizes
from ffrepro.training import facts, fresh_processes, machine, timing
from ffrepro.training.learner import Learner
from ffrepro.training.parallel import pipeline
from ffrepro.training.parallel.partition import bound
from ffrepro.training.parallel.workers import Workers
from ffrepro.training.timing import Column
from ffrepro.training.trainer import Trainer

PROCESSES = 2
LR = 1e-3
NETS = ("mlp", "rnn")
SAMPLES = {"mlp": 128 * 20, "rnn": 600 * 8}
BATCH = {"mlp": 128, "rnn": 600}
LAYERS, UNITS, HIDDEN, STEPS_T = 4, 1000, 96, 70


class Case:
    """A net, its data and its twin by backpropagation."""

    def __init__(self, name: str):
        self.name = name
        generator = seeds.generator("bench", "layers", name)
        count = SAMPLES[name]
        if name == "mlp":
            self.x_N = torch.rand(count, 1, 28, 28, generator=generator)
            self.label_N = torch.arange(count) % 10
        else:
            self.x_N = torch.randn(count, STEPS_T, 2, generator=generator)
            self.label_N = torch.arange(count) % 2

    def learner(self) -> Learner:
        """A learner whose method is made for the data."""
        if self.name == "mlp":
            net: nn.Module = sizes.MLP((1, 28, 28), [UNITS] * LAYERS, seed=0)
            made = Learner(net, "ff", gradient="closed_form", batch_size=BATCH["mlp"], classes=10, device="cpu")
        else:
            made = Learner(sizes.RNN(2, HIDDEN, 3, seed=0), "ff_rnn", batch_size=BATCH["rnn"], device="cpu")
        made._begin((self.x_N, self.label_N), 10 if self.name == "mlp" else 2)
        return made

    def task(self) -> Task:
        """The data in batches."""
        parts = {"train": (self.x_N, self.label_N)}
        if self.name == "mlp":
            return ArrayTask(parts, 10, BATCH["mlp"], "cpu", "multi_pass")
        return sequence_task(parts, BATCH["rnn"], "cpu", "per_class")

    def twin(self) -> nn.Module:
        """The same layers with a linear readout."""
        torch.manual_seed(0)
        return _Mlp() if self.name == "mlp" else _Rnn()


class _Mlp(nn.Sequential):
    def __init__(self) -> None:
        layers: list[nn.Module] = [nn.Flatten(), nn.Linear(784, UNITS), nn.ReLU()]
        for _ in range(LAYERS - 1):
            layers += [nn.Linear(UNITS, UNITS), nn.ReLU()]
        super().__init__(*layers, nn.Linear(UNITS, 10))


class _Rnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stack = nn.RNN(2, HIDDEN, 3, nonlinearity="relu", batch_first=True)
        self.readout = nn.Linear(HIDDEN, 2)

    def forward(self, x_BTI: Tensor) -> Tensor:
        """Logits (B, 2), off the last state."""
        return self.readout(self.stack(x_BTI)[0][:, -1])


def backprop_epoch(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer, rank: int, count: int) -> None:
    """An epoch of backpropagation, on this rank's share of every batch."""
    pieces = zip(case.x_N.split(BATCH[case.name]), case.label_N.split(BATCH[case.name]), strict=True)
    for x_B, label_B in pieces:
        optimizer.zero_grad()
        F.cross_entropy(model(x_B[rank::count]), label_B[rank::count]).backward()
        optimizer.step()


def data_parallel(name: str, rank: int, count: int) -> float:
    """Seconds of the second of two epochs of backpropagation, each process with its share of every batch."""
    case = Case(name)
    model = nn.parallel.DistributedDataParallel(case.twin())
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    seconds = 0.0
    for _ in range(2):
        dist.barrier()
        begin = time.perf_counter()
        backprop_epoch(case, model, optimizer, rank, count)
        dist.barrier()
        seconds = time.perf_counter() - begin
    return seconds


def in_worker(name: str, rank: int, count: int) -> None:
    """What the other process does of ``data_parallel``."""
    data_parallel(name, rank, count)


def ways(case: Case) -> dict[str, Callable[[], tuple[float, dict[str, Any]]]]:
    """By name, what gives the seconds of an epoch and facts about it."""
    return {
        "FF, 1 process, 1 thread": lambda: _local(case, 1),
        f"FF, {PROCESSES} processes, layers in parallel": lambda: _pipelined(case),
        f"FF, 1 process, {PROCESSES} threads": lambda: _local(case, PROCESSES),
        "BP, 1 process, 1 thread": lambda: _backprop(case, 1),
        f"BP, 1 process, {PROCESSES} threads": lambda: _backprop(case, PROCESSES),
        f"BP, {PROCESSES} processes, data parallel": lambda: _data_parallel(case),
    }


def measure(name: str, rounds: int) -> dict[str, Any]:
    """Rows and the bound of one net, the ways in turn."""
    case = Case(name)
    seconds: dict[str, list[float]] = {}
    bounds, stages = [], []
    for _ in range(rounds):
        for name, way in ways(case).items():
            took, seen = way()
            seconds.setdefault(name, []).append(took)
            if "stages_s" in seen:
                stages.append(seen["stages_s"])
                bounds.append(bound(seen["stages_s"]))
    base = next(iter(seconds.values()))
    rows = []
    for name, found in seconds.items():
        ratios = [one / other for one, other in zip(base, found, strict=True)]
        rows.append({
            "name": name, "epoch_s": found, "epoch_s_median": statistics.median(found),
            "speedup": statistics.median(ratios), "speedup_low": min(ratios), "speedup_high": max(ratios),
        })  # fmt: skip
    return {
        "net": case.name, "processes": PROCESSES, "rounds": rounds, "rows": rows,
        "stages_s": stages, "bound": statistics.median(bounds),
    }  # fmt: skip


def together(results: list[dict[str, Any]]) -> dict[str, Any]:
    """One net's result of those of several fresh processes: medians, the least and the most; all under ``fresh``."""
    rows = []
    for same in zip(*(result["rows"] for result in results), strict=True):
        rows.append({
            "name": same[0]["name"],
            "epoch_s_median": statistics.median(row["epoch_s_median"] for row in same),
            "speedup": statistics.median(row["speedup"] for row in same),
            "speedup_low": min(row["speedup_low"] for row in same),
            "speedup_high": max(row["speedup_high"] for row in same),
        })  # fmt: skip
    about = {key: results[0][key] for key in ("net", "processes", "rounds")}
    bounds = [result["bound"] for result in results]
    return about | {"rows": rows, "bound": statistics.median(bounds), "fresh": results}


def describe(found: dict[str, Any]) -> str:
    """A table of one net's rows."""
    lines = [
        f"{found['net']}: an epoch, {found['rounds']} rounds in each of {len(found['fresh'])} processes, medians; "
        "speed-up within the round, least and most"
    ]
    columns = [
        Column("s", 8, "epoch_s_median", 3), Column("speed-up", 10, "speedup", 2),
        Column("from", 7, "speedup_low", 2), Column("to", 7, "speedup_high", 2),
    ]  # fmt: skip
    bound = {"name": "bound (all stages / slowest stage)", "speedup": found["bound"]}
    return "\n".join([*lines, *timing.table([*found["rows"], bound], 42, columns)])


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench layers``: measure, print and, with ``--out``, write JSON."""
    found = []
    for name in [args.net] if args.net else NETS:
        found.append(together(fresh_processes.repeated(measure, name, args.rounds)))
        print(describe(found[-1]), flush=True)
    if args.out:
        made = facts.made_on("cpu", PROCESSES)
        write_json(args.out, {"schema": 1, "bench": "layers", **made, "nets": found})
        print(args.out)


def _local(case: Case, threads: int) -> tuple[float, dict[str, Any]]:
    learner = case.learner()
    trainer = Trainer(learner.method, case.task(), learner.training, order=torch.Generator().manual_seed(0))
    learner.method.begin_phase(trainer.phases[0])
    with machine.threads(threads):
        return _second(trainer.learn), {}


def _pipelined(case: Case) -> tuple[float, dict[str, Any]]:
    learner = case.learner()
    with machine.threads(PROCESSES), pipeline.opened(learner._recipe(), learner.method, PROCESSES) as pipe:
        trainer = pipeline.PipelineTrainer(
            pipe, learner.method, case.task(), learner.training, order=torch.Generator().manual_seed(0)
        )
        learner.method.begin_phase(trainer.phases[0])
        seconds = _second(trainer.learn)
        pipe.stop({}, [])
    return seconds, {"stages_s": pipe.seconds}


def _backprop(case: Case, threads: int) -> tuple[float, dict[str, Any]]:
    model = case.twin()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    with machine.threads(threads):
        return _second(lambda: backprop_epoch(case, model, optimizer, 0, 1)), {}


def _data_parallel(case: Case) -> tuple[float, dict[str, Any]]:
    with machine.threads(1):
        workers = Workers(in_worker, case.name, PROCESSES, ["BP"] * PROCESSES)
        try:
            workers.join()
            seconds = data_parallel(case.name, 0, PROCESSES)
            workers.finish()
        finally:
            workers.end()
            if dist.is_initialized():
                dist.destroy_process_group()
    return seconds, {}


def _second(epoch: Callable[[], object]) -> float:
    """Seconds of the second of two epochs."""
    seconds = 0.0
    for _ in range(2):
        begin = time.perf_counter()
        epoch()
        seconds = time.perf_counter() - begin
    return seconds
