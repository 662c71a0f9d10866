"""``ffrepro bench sff``: step time and memory of local learning on cut nets beside backpropagation.

ResNet18 and MobileNetV3-Small at 32 x 32 (batch 128, first kernel 3 x 3, strides kept) and at 224 x 224 (batch 64), for
ten classes; at 32 x 32 for a hundred as well, with what cuts the cost of the auxiliary maps. In each of three fresh
processes all ways of a step are interleaved; a ratio is to the fastest backpropagation of that process: the method
``backprop_blocks`` and a plain training script, contiguous or channels last, with AdamW fused, by ``foreach`` or one
parameter at a time. Weights are untrained: no time depends on them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro import methods
from ffrepro.base import files
from ffrepro.base.names import unknown
from ffrepro.base.settings import complete
from ffrepro.nets import auto_cut
from ffrepro.nets.cut import Cut
from ffrepro.training import facts, machine, memory, timing
from ffrepro.training.fresh_processes import PROCESSES, merged, repeated
from ffrepro.training.timing import Column

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
}
BASELINES = [f"{BP}, channels last", f"{BP}, contiguous", *PLAIN]


def main(args: argparse.Namespace) -> None:
    """Measure every case in fresh processes, print the tables, and write them to ``args.out``."""
    nets = sorted({case.net for case in CASES})
    if args.net is not None and args.net not in nets:
        raise unknown("net", args.net, nets, where="--net")
    found = []
    for case in CASES:
        if args.net in (None, case.net):
            runs = repeated(measure, case, args.rounds, args.threads)
            found.append({**asdict(case), "rows": merged(runs), "processes": runs})
            print(describe(found[-1], args.rounds, args.threads), flush=True)
    if args.out:
        about = {"rounds": args.rounds, "threads": args.threads, "processes": PROCESSES}
        made = facts.made_on(machine.devices()[0], args.threads)
        files.write_json(args.out, {"schema": 1, "bench": "sff", **made, "config": about, "cases": found})
        print(args.out)


def measure(case: Case, rounds: int, threads: int) -> list[dict[str, Any]]:
    """A row for each way of a step, measured in this process: times, ratios and memory."""
    device, _ = machine.use({"device": machine.devices()[0], "precision": "float32"}, threads)
    steps, evaluations, held = ways(case, device)
    seconds = timing.interleave(steps, rounds)
    baseline, rows = timing.rows(seconds, BASELINES)
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
        row["baseline"] = baseline
        for kind in ("activation", "total"):
            row[f"{kind}_ratio_to_bp"] = memory.ratio(row[f"{kind}_bytes"], base[f"{kind}_bytes"])
        row["total_time_ratio_to_bp"] = row["total_ms"] / base["total_ms"]
    return rows


def ways(case: Case, device: str) -> tuple[dict[str, Callable[[], object]], dict[str, Callable[[], object]], dict]:
    """Functions that make a step and evaluate a batch, by name; and bytes of weights and optimizer state, with the
    sizes of parameters."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(case.batch, 3, case.side, case.side, generator=generator).to(device)
    label = (torch.arange(case.batch) % case.classes).to(device)
    batch = {"x": x, "label": label}
    steps: dict[str, Callable[[], object]] = {}
    evaluations: dict[str, Callable[[], object]] = {}
    held = {}
    for name, (method_name, changed) in ways_of(case).items():
        model = build(case).to(device)
        net = Cut(model, auto_cut.places(model))
        net.classes = case.classes
        net.superclass_of = [label // PER_SUPERCLASS for label in range(case.classes)]
        module = methods.module(method_name)
        settings = complete(module.SETTINGS, changed, what=f"method {method_name}")
        method = module.Method(net, settings, batch, torch.Generator().manual_seed(0), LR)
        for one in dict.fromkeys(method.maps) if settings.get("aux_keep", 1.0) < 1 else ():
            one.prune(settings["aux_keep"])
        scheme = "head" if method_name == "backprop_blocks" else "ensemble"
        steps[name] = lambda method=method: method.step(batch)
        evaluations[name] = lambda method=method, scheme=scheme: method.scores(batch, scheme)
        steps[name]()  # the optimizer has its state then
        held[name] = _held([*net.parameters(), *method.extra.parameters()], list(net.buffers()), method.optimizers)
    for name, (last, form) in PLAIN.items():
        model = build(case).to(device)
        steps[name], evaluations[name], optimizer = _plain(model, x, label, last, form)
        steps[name]()
        held[name] = _held(list(model.parameters()), list(model.buffers()), [optimizer])
    return steps, evaluations, held


def ways_of(case: Case) -> dict[str, tuple[str, dict[str, Any]]]:
    """The ways of a step by a method that are timed in a case."""
    if case.classes <= CLASSES:
        return WAYS
    return {name: way for name, way in WAYS.items() if way[0] != "cwc_blocks"} | COSTS


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


def describe(found: dict[str, Any], rounds: int, threads: int) -> str:
    """A case as a plain table."""
    lines = [
        f"{found['net']}, {found['side']} x {found['side']}, batch {found['batch']}, {found['classes']} classes: "
        f"{PROCESSES} processes of {rounds} interleaved rounds, {threads} thread(s); ratios to the "
        "fastest BP of each process",
    ]
    columns = [
        Column("ms", 9, "ms_median", 1), *timing.ratio_columns("to BP"),
        Column("total", 8, "total_time_ratio_to_bp", 3), Column("activations", 13, "activation_ratio_to_bp", 2),
        Column("memory", 8, "total_ratio_to_bp", 2),
    ]  # fmt: skip
    table = timing.table(found["rows"], 49, columns)
    return "\n".join([*lines, *table])
