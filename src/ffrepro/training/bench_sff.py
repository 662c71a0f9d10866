"""Step time and memory of local learning on cut nets beside backpropagation.

All ways of a step run on one batch, interleaved; a ratio is to the fastest backpropagation of that process: the method
``backprop_blocks`` and a plain training script, contiguous or channels last, with AdamW fused, by ``foreach`` or one
parameter at a time. Weights are untrained: no time depends on them.

``ffrepro bench sff`` times ResNet18 and MobileNetV3-Small on random images at 32 x 32 (batch 128, first kernel 3 x 3,
strides kept) and at 224 x 224 (batch 64), for ten classes; at 32 x 32 for a hundred as well, with what cuts the cost of
the auxiliary maps; each in three fresh processes. A plan times one net on its own images, each seed in a process of its
own.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro import methods, nets
from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.settings import complete, integer
from ffrepro.core import seeds
from ffrepro.methods.base import Batch
from ffrepro.nets import auto_cut
from ffrepro.nets.cut import Cut
from ffrepro.training import facts, machine, memory, parts, recorded_bench, timing
from ffrepro.training.fresh_processes import PROCESSES, repeated, together
from ffrepro.training.timing import Column

SETTINGS = {
    "bench_batch": integer("images in the batch that is timed", minimum=2),
    "bench_rounds": integer("interleaved rounds", minimum=3),
}
COLUMNS = (
    *timing.COLUMNS,
    "peak_bytes",
    "activation_bytes",
    "activation_ratio_to_bp",
    "total_bytes",
    "total_ratio_to_bp",
    "evaluate_ms",
    "total_ms",
    "total_time_ratio_to_bp",
)
CLASSES, LR = 10, 1e-3
MICRO_BATCHES = 4
EVALUATED = 0.25  # validation images for each training image: a split of 80 to 20
BP = "BP"


@dataclass(frozen=True)
class Case:
    """A net and what it is fed with."""

    net: str
    side: int
    batch: int
    classes: int = CLASSES


@dataclass(frozen=True)
class Subject:
    """What is timed.

    Attributes:
        net: makes the cut net, each time with the same weights. settings: of each method that is timed, by its name;
            a way changes some of them.
    """

    batch: Batch
    classes: int
    net: Callable[[], Cut]
    settings: Mapping[str, dict[str, Any]]


NETS = ("resnet18", "mobilenet_v3_small")
CASES = [Case(net, side, batch) for side, batch in ((32, 128), (224, 64)) for net in NETS]
CASES += [Case(net, 32, 128, classes=100) for net in NETS]
# Ways of a step by a method: its name and settings.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    f"{BP}, channels last": ("backprop_blocks", {}),
    f"{BP}, contiguous": ("backprop_blocks", {"channels_last": False}),
    f"{BP} + checkpointing": ("backprop_blocks", {"checkpoint": True}),
    f"{BP} + accumulation": ("backprop_blocks", {"micro_batches": MICRO_BATCHES}),
    "SFF mean(Z^2), fast": ("sff", {}),
    "SFF mean(Z^2), low memory": ("sff", {"run": "low_memory"}),
    "SFF mean(Z), fast": ("sff", {"goodness": "mean"}),
    "SFF mean(Z), low memory": ("sff", {"goodness": "mean", "run": "low_memory"}),
    "SFF mean(Z^2), fast, contiguous": ("sff", {"channels_last": False}),
    "CwC-mod, fast": ("cwc_blocks", {}),
    "CwC-mod, low memory": ("cwc_blocks", {"run": "low_memory"}),
}
# With a hundred classes there are no groups of channels; what cuts the cost of auxiliary maps stands beside.
PER_SUPERCLASS = 5
COSTS: dict[str, tuple[str, dict[str, Any]]] = {
    "SFF mean(Z^2), fast, shared maps": ("sff", {"aux_sharing": "channels"}),
    "SFF mean(Z^2), fast, maps of half the channels": ("sff", {"aux_keep": 0.5}),
    "SFF mean(Z^2), fast, maps of 1 x 1": ("sff", {"aux_pool": 1}),
    "SFF mean(Z^2), fast, four blocks of superclasses": ("sff", {"coarse_blocks": 4}),
}
PLAIN: dict[str, tuple[bool, dict[str, bool]]] = {  # channels last, form of AdamW
    "plain script, channels last, fused": (True, {"fused": True}),
    "plain script, channels last, foreach": (True, {"foreach": True}),
    "plain script, channels last, eager": (True, {"foreach": False}),
    "plain script, contiguous, fused": (False, {"fused": True}),
    "plain script, contiguous, foreach": (False, {"foreach": True}),
    "plain script, contiguous, eager": (False, {"foreach": False}),
}
BASELINES = [f"{BP}, channels last", f"{BP}, contiguous", *PLAIN]


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record.

    The variants are one net under different methods; of each method its ways are timed, and the plain script beside.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_planned, plan, place.threads))


def _planned(plan: dict, threads: int, data: Any, device: str, dtype: torch.dtype) -> dict[str, Any]:
    bench, variants = plan["bench"], plan["variants"]
    first, net = next((name, variant["net"]) for name, variant in variants.items())
    for name, variant in variants.items():
        if variant["net"] != net:
            raise FfreproError(
                f"{name} and {first} are different nets",
                where=plan["run"],
                fix="time each net in an experiment of its own",
            )
    task = parts.make_task({**plan, "training": {"batch_size": bench["bench_batch"]}}, data, device, dtype)

    def make() -> Cut:
        made = nets.build(net, task.inputs, task.classes, seeds.generator("bench", "init")).to(device, dtype)
        made.superclass_of = getattr(task, "superclass_of", None)
        return made

    settings = {
        variant["method"]["name"]: {key: value for key, value in variant["method"].items() if key != "name"}
        for variant in variants.values()
    }
    timed = Subject(next(iter(task.in_order("val"))), task.classes, make, settings)
    return measured(timed, bench["bench_rounds"], device, {"net": net.get("model", net["name"]), "threads": threads})


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench sff``: measure every case in fresh processes, print the tables, write them to ``args.out``."""
    known = sorted({case.net for case in CASES})
    if args.net is not None and args.net not in known:
        raise unknown("net", args.net, known, where="--net")
    found = []
    for case in CASES:
        if args.net in (None, case.net):
            found.append(together(repeated(measure, case, args.rounds, args.threads)))
            print(describe(found[-1]), flush=True)
    if args.out:
        made = facts.made_on(machine.devices()[0], args.threads)
        files.write_json(args.out, {"schema": 1, "bench": "sff", **made, "processes": PROCESSES, "cases": found})
        print(args.out)


def measure(case: Case, rounds: int, threads: int) -> dict[str, Any]:
    """``measured`` of a case, on random images, in this process."""
    device, _ = machine.use({"device": machine.devices()[0], "precision": "float32"}, threads)
    return measured(subject(case, device), rounds, device, {"net": case.net, "threads": threads})


def subject(case: Case, device: str) -> Subject:
    """What a case times: all methods with the settings that they declare."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(case.batch, 3, case.side, case.side, generator=generator).to(device)
    label = (torch.arange(case.batch) % case.classes).to(device)

    def make() -> Cut:
        model = build(case).to(device)
        net = Cut(model, auto_cut.places(model))
        net.classes = case.classes
        net.superclass_of = [label // PER_SUPERCLASS for label in range(case.classes)]
        return net

    names = dict.fromkeys(name for name, _ in ways_of(case.classes).values())
    settings = {name: complete(methods.module(name).SETTINGS, {}, what=f"method {name}") for name in names}
    return Subject({"x": x, "label": label}, case.classes, make, settings)


def measured(subject: Subject, rounds: int, device: str, about: dict[str, Any]) -> dict[str, Any]:
    """Times, ratios and memory of each way of a step.

    Args:
        about: the net's name and the number of threads.

    Returns:
        ``bench``, ``baseline`` (a row's name), ``config`` and ``rows``: ``timing.rows`` with the columns of
        ``COLUMNS``. ``activation_bytes`` are the peak of a step without tensors of a parameter's size, ``total_bytes``
        the peak with weights and optimizer state; ``total_ms`` is a step and its share of evaluation.
    """
    steps, evaluations, held = ways(subject)
    baseline, rows = timing.rows(timing.interleave(steps, rounds), [name for name in BASELINES if name in steps])
    after = timing.interleave(evaluations, max(rounds // 3, 3), warmup=1)
    for row in rows:
        name = row["name"]
        peak = _peak(steps[name], device, frozenset())
        row |= {"peak_bytes": peak, "activation_bytes": _peak(steps[name], device, held[name][1])}
        row["total_bytes"] = None if peak is None else peak + held[name][0]
        row["evaluate_ms"] = 1e3 * statistics.median(after[name])
        row["total_ms"] = row["ms_median"] + EVALUATED * row["evaluate_ms"]
    base = next(row for row in rows if row["name"] == baseline)
    for row in rows:
        for kind in ("activation", "total"):
            row[f"{kind}_ratio_to_bp"] = memory.ratio(row[f"{kind}_bytes"], base[f"{kind}_bytes"])
        row["total_time_ratio_to_bp"] = row["total_ms"] / base["total_ms"]
    x = subject.batch["x"]
    config = {
        **about, "side": x.shape[-1], "batch": len(x), "classes": subject.classes, "rounds": rounds,
        "memory": memory.Peak(device).how, "weights": "untrained",
    }  # fmt: skip
    return {"bench": "sff", "baseline": baseline, "config": config, "rows": rows}


def ways(subject: Subject) -> tuple[dict[str, Callable[[], object]], dict[str, Callable[[], object]], dict]:
    """Functions that make a step and evaluate a batch, by name; and bytes of weights and optimizer state, with the
    sizes of parameters."""
    steps: dict[str, Callable[[], object]] = {}
    evaluations: dict[str, Callable[[], object]] = {}
    held = {}
    batch = subject.batch
    for name, (method_name, changed) in ways_of(subject.classes, subject.settings).items():
        settings = subject.settings[method_name] | changed
        generator = torch.Generator().manual_seed(0)
        method = methods.module(method_name).Method(subject.net(), settings, batch, generator, LR)
        for one in dict.fromkeys(method.maps) if settings.get("aux_keep", 1.0) < 1 else ():
            one.prune(settings["aux_keep"])
        scheme = "head" if method_name == "backprop_blocks" else "ensemble"
        steps[name] = lambda method=method: method.step(batch)
        evaluations[name] = lambda method=method, scheme=scheme: method.scores(batch, scheme)
        steps[name]()  # the optimizer has its state then
        held[name] = _held(
            [*method.net.parameters(), *method.extra.parameters()], list(method.net.buffers()), method.optimizers
        )
    for name, (last, form) in PLAIN.items():
        model = subject.net().model
        steps[name], evaluations[name], optimizer = _plain(model, batch["x"], batch["label"], last, form)
        steps[name]()
        held[name] = _held(list(model.parameters()), list(model.buffers()), [optimizer])
    return steps, evaluations, held


def ways_of(classes: int, known: Container[str] | None = None) -> dict[str, tuple[str, dict[str, Any]]]:
    """The ways of a step by a method that are timed with so many classes.

    Args:
        known: methods; None: all.
    """
    found = WAYS
    if classes > CLASSES:
        found = {name: way for name, way in WAYS.items() if way[0] != "cwc_blocks"} | COSTS
    return {name: way for name, way in found.items() if known is None or way[0] in known}


def build(case: Case) -> nn.Module:
    """torchvision's net with as many classes; for small images its first kernel is 3 x 3, and every stride is kept."""
    from ffrepro.data.vision import torchvision

    torch.manual_seed(0)
    model = getattr(torchvision.models, case.net)(num_classes=case.classes)
    if case.side < 64 and case.net == "resnet18":
        model.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
    return model


def _plain(
    model: nn.Module, x: Tensor, label: Tensor, last: bool, form: dict[str, bool]
) -> tuple[Callable[[], object], Callable[[], object], torch.optim.Optimizer]:
    """A training script in words of torch alone."""
    if last:
        model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, weight_decay=0.0, **form)

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        F.cross_entropy(model(x), label).backward()
        optimizer.step()

    @torch.no_grad()
    def evaluate() -> Tensor:
        model.eval()
        return model(x)

    return step, evaluate, optimizer


def _held(
    parameters: list[nn.Parameter], buffers: list[Tensor], optimizers: list[torch.optim.Optimizer]
) -> tuple[int, frozenset[int]]:
    states = [value for o in optimizers for state in o.state.values() for value in state.values()]
    tensors = [*parameters, *buffers, *(value for value in states if isinstance(value, Tensor))]
    return sum(tensor.nbytes for tensor in tensors), frozenset(parameter.nbytes for parameter in parameters)


def _peak(step: Callable[[], object], device: str, without: frozenset[int]) -> int | None:
    with memory.Peak(device, without) as peak:
        step()
    return peak.bytes


def describe(result: dict[str, Any]) -> str:
    """A net's rows as a plain table."""
    config = result["config"]
    of = f"{len(result['processes'])} processes of " if "processes" in result else ""
    title = (
        f"{config['net']}, {config['side']} x {config['side']}, batch {config['batch']}, {config['classes']} classes: "
        f"{of}{config['rounds']} interleaved rounds, {config['threads']} thread(s); ratios to {result['baseline']}"
    )
    columns = [
        Column("ms", 9, "ms_median", 1), *timing.ratio_columns("to BP"),
        Column("total", 8, "total_time_ratio_to_bp", 3), Column("activations", 13, "activation_ratio_to_bp", 2),
        Column("memory", 8, "total_ratio_to_bp", 2),
    ]  # fmt: skip
    return "\n".join([title, *timing.table(result["rows"], 49, columns)])
