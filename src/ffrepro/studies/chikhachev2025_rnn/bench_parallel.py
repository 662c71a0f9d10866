"""Throughput of one training process, of two at once, and so on: one thread each, steps counted for a fixed time."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import suppress

import torch

from ffrepro.base.errors import FfreproError
from ffrepro.core import seeds
from ffrepro.methods import ff_rnn
from ffrepro.nets.rnn import Rnn

# What a worker trains: FF-Norm on random sequences of the $1 shape (paper, Sec. 3.2 and 3.5)
HYPERPARAMETERS = {
    "norm": "rms", "norm_statistics": "sample", "norm_epsilon": 1e-5, "rms_epsilon": "inside_root",
    "input_norm": "none", "goodness": "sum", "theta": 7.0, "loss_reduction": "per_class", "log_epsilon": 0.0,
    "gradient": "closed_form", "weight_decay": 0.0,
}  # fmt: skip
STEPS_T, BATCH_B, HIDDEN, LAYERS = 70, 600, 96, 3


def worker(seconds: float, batch_size: int) -> float:
    """Steps per second of one process with one thread, measured for about ``seconds`` after a line on stdin."""
    torch.set_num_threads(1)
    generator = seeds.generator("bench", "parallel")
    batch = {
        "x": torch.randn(STEPS_T, batch_size, 2, generator=generator),
        "label": torch.arange(batch_size) % 2,
    }
    net = Rnn(2, HIDDEN, LAYERS, "xavier_normal", generator)
    method = ff_rnn.Method(net, HYPERPARAMETERS, batch, generator, 1e-3)
    for _ in range(3):
        method.step(batch)
    print("ready", flush=True)
    sys.stdin.readline()
    begin, steps = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        method.step(batch)
        steps += 1
    return steps / (time.perf_counter() - begin)


def together(processes: int, seconds: float, batch_size: int = BATCH_B) -> float:
    """Steps per second of ``processes`` workers that start at the same time, added up."""
    module = "ffrepro.studies.chikhachev2025_rnn.bench_parallel"
    command = [sys.executable, "-c", f"from {module} import worker; print(worker({seconds}, {batch_size}))"]
    workers: list[subprocess.Popen] = []
    try:
        for _ in range(processes):
            # in a group of its own: a Ctrl-C is for this process, which then ends its workers
            workers.append(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", process_group=0
                )
            )
        for process in workers:
            process.stdout.readline()
        for process in workers:
            _start(process)
        return sum(_answer(process) for process in workers)
    finally:
        for process in workers:
            process.kill()
            process.wait()


def _start(process: subprocess.Popen) -> None:
    with suppress(BrokenPipeError):  # one that has ended gives no answer either
        process.stdin.write("go\n")
        process.stdin.flush()


def _answer(process: subprocess.Popen) -> float:
    """The steps per second that a worker prints.

    Raises:
        FfreproError: it ended without.
    """
    text = process.communicate()[0]
    if process.returncode:
        raise FfreproError(
            f"a worker process ended with {process.returncode} instead of a measurement",
            where=f"process {process.pid}",
            fix="what it printed says why; without a word it was ended from outside, by a full memory maybe",
        )
    return float(text)


def measure(most: int, seconds: float, rounds: int, batch_size: int = BATCH_B) -> list[dict]:
    """Throughput of 1 .. ``most`` processes in turn, ``rounds`` times.

    Returns:
        A row for each count: ``processes``, ``steps_per_s`` (median over rounds), ``ratio`` to one process (median over
        rounds of the ratio within the round).
    """
    values: dict[int, list[float]] = {n: [] for n in range(1, most + 1)}
    for _ in range(rounds):
        for n in values:
            values[n].append(together(n, seconds, batch_size))
    middle = rounds // 2
    return [
        {
            "processes": n,
            "steps_per_s": sorted(found)[middle],
            "ratio": sorted(b / a for a, b in zip(values[1], found, strict=True))[middle],
        }
        for n, found in values.items()
    ]


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench parallel``: measure one to four processes, as many as there are cores, and print their rows."""
    rows = measure(min(os.cpu_count() or 1, 4), args.seconds, rounds=3)
    print(f"FF-Norm training steps at once, one thread each, {args.seconds:g} s each, median of 3 rounds")
    for row in rows:
        print(f"{row['processes']} process(es): {row['steps_per_s']:7.2f} steps/s, {row['ratio']:.2f}x")
