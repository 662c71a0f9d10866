"""Time and memory of one training step of a transformer: local methods against backpropagation.

All rows of a depth run in one process on one batch, interleaved; the baseline of all ratios is the fastest of
backpropagation with PyTorch's three Adams and of backpropagation in parts of a batch. Of active-set FF-All the margin
is set so that about the given share of the pairs is active, and stays so (the rate is tiny). Of the share that was
active in the last round the bound stands beside (``active_sets``).

``ffrepro bench transformer`` times three depths on random tokens, each in three fresh processes; a plan
(``transformer_bench`` and its like) one depth on reviews, each seed in a process of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import Any

import torch

from ffrepro import methods
from ffrepro.base import files
from ffrepro.base.settings import complete, integer
from ffrepro.core import seeds
from ffrepro.methods import ff_tokens
from ffrepro.methods.base import Batch
from ffrepro.nets import transformer
from ffrepro.studies.kim2025_transformer import active_sets
from ffrepro.training import facts, memory, parts, recorded_bench, timing
from ffrepro.training.fresh_processes import on_cpu, repeated
from ffrepro.training.timing import Column

SETTINGS = {
    "bench_batch": integer("texts in the batch that is timed", minimum=4),
    "bench_rounds": integer("interleaved rounds", minimum=3),
    "bench_singles": integer("texts that are classified one by one, for the latency", minimum=1),
}
COLUMNS = (*timing.COLUMNS, "peak_bytes", "peak_ratio_to_bp", "peak_ratio_to_whole", "share", "bound", "latency_ms")
ADAMS = {"single-tensor": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
PARTS = (4, 8)  # of a batch, whose gradients backpropagation adds up
DEPTHS = (2, 4, 12)
SHARES = (1.0, 0.5, 0.25, 0.1)
BATCH, LENGTH, VOCABULARY, CLASSES = 64, 256, 8000, 2
_RATE = 1e-12  # so that the share of active pairs stays what it is


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record.

    The first variant is backpropagation. Rows are ``<variant>_<layers>l``; behind it stands, of an active set,
    ``, q <share>``, and of the first variant another Adam or a number of parts.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: Any, device: str, dtype: torch.dtype) -> dict:
    bench, twin = plan["bench"], next(iter(plan["variants"]))
    layers = plan["variants"][twin]["net"]["layers"]
    task = parts.make_task({**plan, "training": {"batch_size": bench["bench_batch"]}}, data, device, dtype)
    sample = next(iter(task.in_order("val")))
    classes, sizes = task.classes, task.inputs

    def make(name: str, adam: dict | None = None, share: float | None = None, **changed: object) -> Any:
        variant = plan["variants"][name]
        net_settings = {key: value for key, value in variant["net"].items() if key != "name"}
        hp = {key: value for key, value in variant["method"].items() if key != "name"} | changed
        return _built(variant["method"]["name"], hp, net_settings, sizes, classes, sample, adam, share, dtype)

    makers: dict[str, Callable] = {}
    for name in plan["variants"]:
        row = f"{name}_{layers}l"
        if plan["variants"][name]["method"].get("active_set"):
            makers |= {_active(row, share): partial(make, name, share=share) for share in SHARES}
        else:
            makers[row] = partial(make, name)
    base = f"{twin}_{layers}l"
    others = {f"{base}, {adam} Adam": partial(make, twin, form) for adam, form in ADAMS.items() if adam != "fused"}
    if "micro_batches" in plan["variants"][twin]["method"]:
        others |= {f"{base}, {n} parts": partial(make, twin, micro_batches=n) for n in PARTS}
    makers |= others
    candidates = [base, *others]
    active = {_active(f"{name}_{layers}l", share): share for name in plan["variants"] for share in SHARES}
    count = min(bench["bench_singles"], len(sample["x"])) if classes else 0  # words have no inference scheme
    singles = [_single(sample, index) for index in range(count)]
    baseline, rows = _measure(makers, candidates, sample, bench["bench_rounds"], active, device, singles)
    config = {
        "batch": len(sample["x"]), "length": sample["x"].shape[1], "vocabulary": sizes[0],
        "rounds": bench["bench_rounds"], "threads": threads, "memory": memory.Peak(device).how,
    }  # fmt: skip
    return {"bench": "transformer", "layers": layers, "baseline": baseline, "config": config, "rows": rows}


def measure(
    layers: int, rounds: int, *, batch: int = BATCH, length: int = LENGTH, vocabulary: int = VOCABULARY, **sizes: int
) -> dict:
    """Time and memory of every way to train a transformer of so many layers, on random tokens.

    Args:
        rounds: interleaved rounds. batch, length, vocabulary: of random token ids. sizes: other settings of the net.

    Returns:
        ``bench``, ``layers``, ``config``, ``baseline`` (the name of a row), ``rows`` as ``timing.rows`` with
        ``peak_bytes``, ``peak_ratio_to_bp``, ``peak_ratio_to_whole`` (to BP at the whole batch, whatever baseline is
        the fastest) and, of active-set rows, ``share`` (measured) and ``bound``.
    """
    generator = seeds.generator("bench", "transformer")
    x_BT = torch.randint(transformer.PAD + 1, vocabulary, (batch, length), generator=generator)
    label_B = torch.randint(CLASSES, (batch,), generator=generator)
    sample = {"x": x_BT, "label": label_B, "index": torch.arange(batch)}
    make = partial(_method, layers=layers, sample=sample, vocabulary=vocabulary, sizes=sizes)
    makers: dict[str, Callable] = {}
    for adam, form in ADAMS.items():
        makers[f"BP, {adam} Adam"] = partial(make, "backprop_tokens", adam=form)
    for number in PARTS:
        makers[f"BP, {number} micro-batches"] = partial(make, "backprop_tokens", micro_batches=number)
    baselines = list(makers)
    makers["BP, checkpointed"] = partial(make, "backprop_tokens", checkpoint=True)
    makers["FF-All, pairs"] = partial(make, "ff_tokens")
    active = {_active("FF-All, active set", share): share for share in SHARES}
    makers |= {row: partial(make, "ff_tokens", active_set=True, share=share) for row, share in active.items()}
    makers["single pass, by blocks"] = partial(make, "cwc_tokens")
    makers["single pass, every map"] = partial(make, "cwc_maps_tokens")
    baseline, rows = _measure(makers, baselines, sample, rounds, active, "cpu", [])
    config = {"batch": batch, "length": length, "vocabulary": vocabulary, "rounds": rounds, **sizes}
    return {
        "bench": "transformer", "layers": layers, "baseline": baseline, "rows": rows,
        "config": config | {"threads": torch.get_num_threads(), "memory": memory.Peak("cpu").how},
    }  # fmt: skip


def _measure(
    makers: Mapping[str, Callable],
    candidates: list[str],
    sample: Batch,
    rounds: int,
    active: Container[str],
    device: str,
    singles: list[Batch],
) -> tuple[str, list[dict]]:
    """The baseline's name, and a row for each way.

    Args:
        candidates: backpropagation in its forms, the first at the whole batch. active: rows of an active set.
        singles: texts, each alone, that every way classifies.
    """
    peaks = {}
    for name, maker in makers.items():
        method = maker()
        weights = frozenset(p.element_size() * p.numel() for p in method.net.parameters())
        method.step(sample)
        with memory.Peak(device, without=weights) as peak:
            method.step(sample)
        peaks[name] = peak.bytes
    built = {name: maker() for name, maker in makers.items()}
    seconds = timing.interleave({name: partial(method.step, sample) for name, method in built.items()}, rounds)
    baseline, rows = timing.rows(seconds, candidates)
    whole = candidates[0]
    latency = _latency(built, singles, rounds)
    for row in rows:
        name = row["name"]
        row["peak_bytes"] = peaks[name]
        row["peak_ratio_to_bp"] = memory.ratio(peaks[name], peaks[baseline])
        row["peak_ratio_to_whole"] = memory.ratio(peaks[name], peaks[whole])
        row["share"] = row["bound"] = None
        if name in active:
            row["share"] = sum(built[name].shares) / len(built[name].shares)
            row["bound"] = active_sets.bound(row["share"])
        row["latency_ms"] = latency.get(name)
    return baseline, rows


def _latency(built: Mapping[str, Any], singles: list[Batch], rounds: int) -> dict[str, float]:
    """Milliseconds in which each way classifies a text, alone; medians over rounds."""
    if not singles:
        return {}
    ways = {}
    for name, method in built.items():
        ways[name] = lambda method=method: [method.scores(single, "goodness") for single in singles]
        if name.startswith("bp"):
            ways[name] = lambda method=method: [method.scores(single, "one_pass") for single in singles]
    _, rows = timing.rows(timing.interleave(ways, rounds), list(ways))
    return {row["name"]: row["ms_median"] / len(singles) for row in rows}


def _single(sample: Batch, index: int) -> Batch:
    """One text of a batch, without padding."""
    length = int((sample["x"][index] != transformer.PAD).sum())
    return {"x": sample["x"][index : index + 1, :length]}


def _active(row: str, share: float) -> str:
    return f"{row}, q {share:g}"


def _method(
    name: str, *, layers: int, sample: Batch, vocabulary: int, sizes: dict, adam: dict | None = None, share=None, **hp
):
    """A method on a fresh net, with what it declares for the rest; see ``_built``."""
    net_settings = complete(transformer.SETTINGS, {"layers": layers, **sizes}, what="net transformer")
    settings = complete(methods.module(name).SETTINGS, hp, what=f"method {name}")
    shape = (vocabulary, sample["x"].shape[1])
    return _built(name, settings, net_settings, shape, CLASSES, sample, adam, share, torch.float32)


def _built(
    name: str,
    hp: dict,
    net_settings: dict,
    shape: tuple[int, int],
    classes: int | None,
    sample: Batch,
    adam: dict | None,
    share: float | None,
    dtype: torch.dtype,
):
    """A method on a fresh net; with ``share``, margins that leave so many pairs active."""
    generator = seeds.generator("bench", "init")
    net = transformer.build(net_settings, shape, classes, generator).to(sample["x"].device, dtype)
    net.classes = classes  # type: ignore[assignment]  # torch types attributes of a module as tensors or modules
    method = methods.module(name).Method(net, hp, sample, generator, _RATE)
    if adam is not None:
        method.use_adam(**adam)
    if share is not None:
        method.margins = _margins(method, sample, share)
        method.shares = [share] * len(net.blocks)
    return method


@torch.no_grad()
def _margins(method: ff_tokens.Method, sample: Batch, share: float) -> list[float]:
    """Of each layer the margin that leaves so many pairs active."""
    x_BT, label_B = method.pairs(sample)
    z_ND, layout = method.net.embed(x_BT, label_B, everywhere=method.hp["label"] == "everywhere")
    margins = []
    for block in method.net.blocks:
        z_ND = block(z_ND, layout, method.draw(block, z_ND, 2))
        positive_P, negative_P = method.goodness(z_ND, layout).chunk(2)
        ahead_P = positive_P - negative_P
        margins.append(float(ahead_P.quantile(share)) if share < 1 else float(ahead_P.max()) + 1.0)
    return margins


def describe(result: dict) -> str:
    """The rows as a plain table, and at which share of active pairs ratios are met."""
    config = result["config"]
    lines = [
        f"{result['layers']} layers: one training step, batch {config['batch']}, {config['length']} tokens, "
        f"{config['threads']} thread(s), {config['rounds']} interleaved rounds; ratios to: {result['baseline']}",
    ]
    columns = [
        Column("ms", 9, "ms_median", 1), *timing.ratio_columns(), Column("bound", 8, "bound", 2),
        Column("closed form", 13, "closed_form", 2),
        Column("active", 8, "share", 2), Column("MB", 9, "peak_bytes", 1, 1e-6, 0.0),
        Column("to whole BP", 13, "peak_ratio_to_whole", 3, missing=0.0), Column("latency", 9, "latency_ms", 2),
    ]  # fmt: skip
    rows, active = [], []
    for row in result["rows"]:
        share = row.get("share")
        rows.append(row | {"closed_form": None if share is None else active_sets.bound(share, closed_form=True)})
        active += [] if share is None else [(share, row["ratio_to_bp"])]
    return "\n".join([*lines, *timing.table(rows, 28, columns), *active_sets.lines(active)])


def together(results: list[dict]) -> list[str]:
    """Lines: of every row the median ratio of each process to that process's baseline."""
    lines = [f"{results[0]['layers']} layers, ratios in each of {len(results)} processes:"]
    for row in results[0]["rows"]:
        found = [other["ratio_to_bp"] for r in results for other in r["rows"] if other["name"] == row["name"]]
        lines.append(f"{row['name']:28s}" + "".join(f"{ratio:8.3f}" for ratio in found))
    return lines


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench transformer``: measure each depth in three fresh processes and print their tables."""
    depths = []
    for layers in DEPTHS:
        results = repeated(on_cpu, args.threads, measure, layers, args.rounds)
        depths.append({"layers": layers, "processes": results})
        print(*map(describe, results), *together(results), sep="\n", flush=True)
    if args.out:
        files.write_json(args.out, facts.made_on("cpu", args.threads) | {"depths": depths})
        print(args.out)
