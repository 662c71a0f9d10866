"""How time and memory of a training step grow with the length of texts and with the width of the net.

Table 3 says O(n^2) and O(n) of memory, O(n m) and O(n m / 2) of computation, and defines neither n nor m: each is
measured over the length and over the width, as the exponent of a power law through a quarter, a half and the whole of
the paper's. Everything runs in one process, interleaved, on random tokens of full texts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from ffrepro import methods
from ffrepro.base.settings import integer
from ffrepro.core import ordering, seeds
from ffrepro.nets import transformer
from ffrepro.training import memory, parts, recorded_bench, timing
from ffrepro.training.timing import Column

SETTINGS = {
    "bench_batch": integer("texts in the batch that is timed", minimum=4),
    "bench_rounds": integer("interleaved rounds", minimum=3),
}
COLUMNS = ("ms_median", "peak_bytes", "exponent_time", "exponent_memory")
PARTS = (4, 2, 1)  # of the length and of the width
AXES = ("length", "width")
_RATE = 1e-12


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record; rows are ``<variant>, <length or width>``.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: Any, device: str, dtype: torch.dtype) -> dict:
    bench = plan["bench"]
    task = parts.make_task({**plan, "training": {"batch_size": bench["bench_batch"]}}, data, device, dtype)
    rows = []
    for axis in AXES:
        makers = {
            (name, size): partial(_step, plan["variants"][name], task, axis, size, bench["bench_batch"])
            for name in plan["variants"]
            for size in _sizes(plan, axis)
        }
        rows += _axis(axis, makers, bench["bench_rounds"], device)
    return {
        "bench": "growth",
        "baseline": rows[0]["name"],
        "rows": rows,
        "config": {
            "batch": bench["bench_batch"], "rounds": bench["bench_rounds"], "threads": threads,
            "memory": memory.Peak(device).how, "sizes": {axis: _sizes(plan, axis) for axis in AXES},
        },
    }  # fmt: skip


def _sizes(plan: dict, axis: str) -> list[int]:
    net = next(iter(plan["variants"].values()))["net"]
    whole = plan["data"]["length"] if axis == "length" else net["width"]
    return sorted({max(whole // part, 2 * net["heads"] if axis == "width" else 2) for part in PARTS})


def _step(variant: dict, task, axis: str, size: int, batch: int) -> Callable[[], object]:
    """A training step on random tokens, of a net of a width or on texts of a length."""
    vocabulary, length = task.inputs
    settings = {key: value for key, value in variant["net"].items() if key != "name"}
    if axis == "width":
        settings["feedforward"] = settings["feedforward"] * size // settings["width"]
        settings["width"] = size
    else:
        length = size
    generator = seeds.generator("bench", "growth")
    x_BT = torch.randint(transformer.PAD + 1, vocabulary, (batch, length), generator=generator).to(task.device)
    label_B = torch.arange(batch, device=task.device) % task.classes
    sample = {"x": x_BT, "label": label_B, "index": torch.arange(batch, device=task.device)}
    net = transformer.build(settings, (vocabulary, length), task.classes, generator).to(task.device, task.dtype)
    net.classes = task.classes
    hp = {key: value for key, value in variant["method"].items() if key != "name"}
    method = methods.module(variant["method"]["name"]).Method(net, hp, sample, generator, _RATE)
    weights = frozenset(p.element_size() * p.numel() for p in net.parameters())
    step = partial(method.step, sample)
    step.weights = weights  # type: ignore[attr-defined]  # for the peak of activations
    return step


def _axis(axis: str, makers: dict, rounds: int, device: str) -> list[dict]:
    """A row for each variant, with its step at the largest size."""
    steps = {key: make() for key, make in makers.items()}
    seconds = timing.interleave({f"{name} {size}": steps[name, size] for name, size in steps}, rounds)
    _, timed = timing.rows(seconds, list(seconds))
    ms = {row["name"]: row["ms_median"] for row in timed}
    peaks = {}
    for key, step in steps.items():
        with memory.Peak(device, without=step.weights) as peak:
            step()
        peaks[key] = peak.bytes
    rows = []
    for name in dict.fromkeys(name for name, _ in steps):
        sizes = [size for other, size in steps if other == name]
        bytes_ = [peaks[name, size] for size in sizes]
        rows.append({
            "name": f"{name}, {axis}",
            "ms_median": ms[f"{name} {sizes[-1]}"],
            "peak_bytes": bytes_[-1],
            "exponent_time": _exponent(sizes, [ms[f"{name} {size}"] for size in sizes]),
            "exponent_memory": _exponent(sizes, bytes_),
        })  # fmt: skip
    return rows


def _exponent(sizes: list[int], values: list) -> float | None:
    """None where nothing grows: of too small a net, or where memory is not measured."""
    if None in values or len(set(sizes)) < 2:
        return None
    found = ordering.growth(sizes, values).exponent
    return found if found > 0 else None


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"growth of a training step, batch {config['batch']}, {config['threads']} thread(s), {config['rounds']} "
        f"interleaved rounds; lengths {config['sizes']['length']}, widths {config['sizes']['width']}",
    ]
    columns = [
        Column("ms", 9, "ms_median", 1), Column("MB", 9, "peak_bytes", 1, 1e-6, 0.0),
        Column("time ~ n^", 11, "exponent_time", 2), Column("memory ~ n^", 13, "exponent_memory", 2),
    ]  # fmt: skip
    return "\n".join([*lines, *timing.table(result["rows"], 28, columns)])
