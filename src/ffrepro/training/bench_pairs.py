"""``ffrepro bench pairs``: a pair step of the original algorithm and multi-pass inference, with what they could cost.

The classic net (784 inputs, three layers of 1000 units, SGD with momentum; Hinton 2022) takes a step by itself, with
its readout, and with wrong labels drawn from the readout's mistakes; each with the first layer's product shared among
an image's samples and not (``first_layer`` of the method ``ff``). Beside it stand backpropagation on the same layers
with the same optimizer in PyTorch's three forms and in micro-batches, the fastest of which is 1, and a plain autograd
script of the shape in which public code has the algorithm: positive and negative samples written out, one sum of all
layers' losses, one backward pass, one optimizer, a pass of neutral samples for the readout.
It computes the same function as the step with a readout and uniformly drawn wrong labels.

Inference is timed of the classic net and of 784-500-100: multi-pass (ten labels) beside one-pass.

Multiply-adds are counted in what each way really multiplies (PyTorch's counter of matrix products), not derived; their
ratio is what the time's could be at best.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from ffrepro import methods
from ffrepro.base import files
from ffrepro.base.settings import complete
from ffrepro.core import seeds
from ffrepro.data import label_negatives
from ffrepro.methods.base import BaseMethod, Batch
from ffrepro.nets.mlp import Mlp
from ffrepro.training import facts, timing
from ffrepro.training.fresh_processes import on_cpu, repeated, together
from ffrepro.training.timing import Column

SHAPE, CLASSES = (1, 28, 28), 10
CLASSIC, SMALL = (1000, 1000, 1000), (500, 100)
BATCHES = (100, 512)
LR, MOMENTUM = 1e-4, 0.9
FORMS = ("separate", "shared")
SGDS: dict[str, dict[str, bool]] = {"single-tensor": {"foreach": False}, "foreach": {"foreach": True}}
SGDS["fused"] = {"fused": True}
MICRO = (2, 4)
SCRIPT = "FF, plain script, readout"
WAYS: dict[str, dict[str, str]] = {
    "blocks alone": {"head": "after"},
    "readout": {},
    "readout, hard negatives": {"negatives": "hard"},
}
Step = Callable[[], object]


def main(args: argparse.Namespace) -> None:
    """Measure in fresh processes, print the tables, and write them to ``args.out``."""
    jobs: list[tuple] = [(measure_steps, batch, args.rounds) for batch in BATCHES]
    jobs += [(measure_inference, layers, batch, args.rounds) for layers in (CLASSIC, SMALL) for batch in BATCHES]
    found = []
    for job in jobs:
        found.append(together(repeated(on_cpu, args.threads, *job)))
        print(describe(found[-1]), flush=True)
    if args.out:
        made = facts.made_on("cpu", args.threads)
        files.write_json(args.out, {"schema": 1, "bench": "pairs", **made, "tables": found})
        print(args.out)


def measure_steps(batch: int, rounds: int, layers: tuple[int, ...] = CLASSIC) -> dict[str, Any]:
    """A row for each way of a training step; ratios to the fastest backpropagation, and to the plain script."""
    steps, baselines = ways(make_batch(batch), layers)
    return _table("a training step", steps, baselines, SCRIPT, batch, layers, rounds)


def measure_inference(layers: tuple[int, ...], batch: int, rounds: int) -> dict[str, Any]:
    """A row for each scheme of inference, with and without sharing; ratios to one-pass inference."""
    samples, steps = make_batch(batch), {}
    for form in FORMS:
        method = ff(layers, samples, first_layer=form)
        for scheme in ("one_pass", "multi_pass"):
            name = f"{scheme.replace('_', '-')}, {form}"
            steps[name] = lambda method=method, scheme=scheme: method.scores(samples, scheme)
    del steps["one-pass, shared"]  # the same computation
    return _table("inference", steps, ["one-pass, separate"], None, batch, layers, rounds)


def make_batch(size: int, dtype: torch.dtype = torch.float32) -> Batch:
    """Random images: no time depends on what they show."""
    generator = seeds.generator("bench", "pairs")
    x = torch.rand(size, *SHAPE, generator=generator, dtype=dtype)
    label_B = torch.randint(CLASSES, (size,), generator=generator)
    return {"x": x, "label": label_B, "index": torch.arange(size)}


def ways(samples: Batch, layers: tuple[int, ...]) -> tuple[dict[str, Step], list[str]]:
    """Steps by name, and the names of those that are backpropagation."""
    steps: dict[str, Step] = {}
    for name, form in SGDS.items():
        steps[f"BP, {name} SGD"] = _backprop(samples, layers, form, 1)
    for parts in MICRO:
        steps[f"BP, fused SGD, {parts} micro-batches"] = _backprop(samples, layers, SGDS["fused"], parts)
    baselines = list(steps)
    steps[SCRIPT] = script(mlp(layers, samples["x"]), samples)
    for form in FORMS:
        for name, changed in WAYS.items():
            method = ff(layers, samples, first_layer=form, **changed)
            if changed.get("head") == "after":
                method.begin_phase(method.phases()[0])
            steps[f"FF, {form}, {name}"] = lambda method=method: method.step(samples)
    return steps, baselines


def mlp(layers: tuple[int, ...], x: Tensor) -> Mlp:
    """The layers, from the same weights each time."""
    net = Mlp(
        SHAPE, list(layers), input_norm="none", bias=True, groups=None, init="lecun_normal",
        generator=seeds.generator("bench", "init"),
    )  # fmt: skip
    net.classes = CLASSES
    return net.to(x)


def ff(layers: tuple[int, ...], samples: Batch, **changed: Any) -> BaseMethod:
    """The method ``ff`` on these layers, with the classic net's settings."""
    given = {"gradient": "closed_form", "optimizer": "sgd", "momentum": MOMENTUM, "normalise_samples": True}
    given["theta"] = 1.0
    module = methods.module("ff")
    settings = complete(module.SETTINGS, given | changed, what="method ff")
    net = mlp(layers, samples["x"])
    return module.Method(net, settings, samples, seeds.generator("bench", "method"), LR)


def _backprop(samples: Batch, layers: tuple[int, ...], form: dict[str, bool], micro: int) -> Step:
    module = methods.module("backprop")
    settings = complete(module.SETTINGS, {"micro_batches": micro}, what="method backprop")
    net = mlp(layers, samples["x"])
    method = module.Method(net, settings, samples, seeds.generator("bench", "method"), LR)
    method.optimizers[:] = [torch.optim.SGD(method.parameters, lr=LR, momentum=MOMENTUM, **form)]
    return lambda: method.step(samples)


def script(net: Mlp, samples: Batch, theta: float = 1.0, epsilon: float = 1e-5) -> Step:
    """Forward-Forward on the net's layers in words of torch alone, with a readout of its own.

    The wrong labels are drawn, and the samples made, in the step, as in all other ways.
    """
    maps, x, label_B = [block.linear for block in net.blocks], samples["x"], samples["label"]
    readout = nn.Linear(sum(one.out_features for one in maps[1:]), CLASSES).to(x)
    optimizer = torch.optim.SGD([*net.parameters(), *readout.parameters()], lr=LR, momentum=MOMENTUM)
    generator = seeds.generator("bench", "wrong")

    def directions(h: Tensor) -> Tensor:
        return h / (h.square().mean(-1, keepdim=True).sqrt() + epsilon)

    def step() -> None:
        wrong_B = label_negatives.wrong_labels(label_B, CLASSES, generator)
        positive, negative = (label_negatives.overlay(x, some, CLASSES, 1.0) for some in (label_B, wrong_B))
        neutral = label_negatives.overlay_neutral(x, CLASSES, 1.0)
        sign_N = torch.cat([x.new_ones(len(x)), -x.new_ones(len(x))])
        optimizer.zero_grad()
        h, loss = directions(torch.cat([positive, negative]).flatten(1)), x.new_zeros(())
        for one in maps:
            h = one(h).relu()
            excess_N = h.square().sum(-1) - theta * h.shape[1]
            loss = loss + 2 * F.softplus(-sign_N * excess_N).mean()  # of a pair, the sum of both
            h = directions(h.detach())
        seen = []
        with torch.no_grad():
            h = directions(neutral.flatten(1))
            for one in maps:
                h = directions(one(h).relu())
                seen.append(h)
        loss = loss + F.cross_entropy(readout(torch.cat(seen[1:], 1)), label_B)
        loss.backward()
        optimizer.step()

    return step


def _table(
    what: str, steps: dict[str, Step], baselines: list[str], second: str | None, batch: int, layers: tuple[int, ...],
    rounds: int,
) -> dict[str, Any]:  # fmt: skip
    seconds = timing.interleave(steps, rounds)
    baseline, rows = timing.rows(seconds, baselines)
    beside = {row["name"]: row["ratio_to_bp"] for row in timing.rows(seconds, [second])[1]} if second else {}
    counts = {name: multiply_adds(step) for name, step in steps.items()}
    for row in rows:
        row["multiply_adds"] = counts[row["name"]]
        row["multiply_adds_ratio"] = counts[row["name"]] / counts[baseline]
        row["ratio_to_script"] = beside.get(row["name"])
    config = {"batch": batch, "layers": [*layers], "rounds": rounds, "threads": torch.get_num_threads()}
    return {"what": what, "baseline": baseline, "config": config, "rows": rows}


def multiply_adds(step: Step) -> int:
    """Multiply-adds of the matrix products of one step."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops() // 2  # it counts a multiplication and an addition


def describe(found: dict[str, Any]) -> str:
    """The rows as a plain table."""
    config = found["config"]
    lines = [
        f"{found['what']} of {'-'.join(map(str, (28 * 28, *config['layers'])))}: batch {config['batch']}, "
        f"{config['threads']} thread(s), {config['rounds']} interleaved rounds; ratios to: {found['baseline']}",
    ]
    columns = [
        Column("ms", 9, "ms_median", 2), *timing.ratio_columns(), Column("M mult-adds", 13, "multiply_adds", 1, 1e-6),
        Column("ratio", 8, "multiply_adds_ratio", 3), Column("to script", 11, "ratio_to_script", 3),
    ]  # fmt: skip
    return "\n".join([*lines, *timing.table(found["rows"], 40, columns)])
