"""Time of inference: the schemes of the local image classifiers beside the forward pass of their BP twins.

For every net: one-pass (softmax on activations), multi-pass (goodness under every label: ten forward passes, or for few
images one over all labels; one for a net with channel groups), each also over the other layers that its method reads
(``one-pass, all``), early exit, and backpropagation's forward pass, over the same images, in batches and one by one,
interleaved in one process. The nets are untrained: nothing but early exit takes a time that depends on the weights.
How many layers a trained net would use is measured where nets are trained (``core.classification``); here the
threshold is set so that about half of the layers are used, and ``layers_used`` says how many were. Beside them stands
what one-pass inference costs before it can be used: the softmax layer's training on frozen blocks, an epoch of the same
images.

A row is named ``<net>, <scheme>`` or ``<net>, <scheme>, singly``. Its ratios are to the BP twin and to one-pass, of
the same net in the same way of feeding: "multi-pass time over one-pass time" is ``ratio_to_one_pass`` of the row
``<net>, multi-pass``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import integer
from ffrepro.core import early_exit, seeds, updates
from ffrepro.data.image_set import ImageSet
from ffrepro.methods.base import Phase
from ffrepro.training import parts, recorded_bench, timing
from ffrepro.training.timing import Column

SETTINGS = {
    "bench_images": integer("images that are classified in batches", minimum=1),
    "bench_batch": integer("images in a batch", minimum=2),
    "bench_singles": integer("images that are classified one by one", minimum=1),
    "bench_rounds": integer("interleaved rounds", minimum=3),
}
COLUMNS = (
    *timing.COLUMNS,
    "images",
    "ms_per_image",
    "ratio_to_one_pass",
    "one_pass_low",
    "one_pass_high",
    "layers_used",
)
LR = 1e-3  # of the softmax layer; no time depends on it
BP, ONE_PASS, SINGLY = "BP", "one-pass", ", singly"
HEAD_TRAINING = "softmax layer's training"
# Schemes by the names that ``Method.evaluate_batch`` gives; the paper's word for the sum of goodness is multi-pass.
MAIN = {"one_pass": ONE_PASS, "multi_pass": "multi-pass", "goodness": "multi-pass"}


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record.

    The variants are named ``<net>_<method>``; a net's BP twin is ``<net>_bp``.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: ImageSet, device: str, dtype: torch.dtype) -> dict:
    bench = plan["bench"]
    task = parts.make_task({**plan, "training": {"batch_size": bench["bench_batch"]}}, data, device, dtype)
    batches = list(_take(task.in_order("val"), bench["bench_images"]))
    singles = list(_singly(batches, bench["bench_singles"]))
    rows = []
    for name in (name for name in plan["variants"] if not name.endswith("_bp")):
        net = name.rpartition("_")[0]
        if f"{net}_bp" not in plan["variants"]:
            raise FfreproError(f"{name} has no twin", where=plan["run"], fix=f"add {net}_bp to the bench's variants")
        ways, used = _ways(plan, task, name, f"{net}_bp", batches[0])
        rows += _measure(net, ways, used, batches, "", bench["bench_rounds"])
        singly = {scheme: way for scheme, way in ways.items() if scheme != HEAD_TRAINING}
        rows += _measure(net, singly, used, singles, SINGLY, bench["bench_rounds"])
    return {
        "bench": "inference",
        "baseline": rows[0]["name"],
        "config": {
            "images": sum(len(batch["label"]) for batch in batches), "batch": bench["bench_batch"],
            "singles": len(singles), "rounds": bench["bench_rounds"], "threads": threads, "weights": "untrained",
        },
        "rows": rows,
    }  # fmt: skip


def _take(batches: Iterator[dict], images: int) -> Iterator[dict]:
    """The first ``images`` images, or all there are."""
    for batch in batches:
        if images <= 0:
            return
        yield {name: value[:images] for name, value in batch.items()}
        images -= len(batch["label"])


def _singly(batches: list[dict], images: int) -> Iterator[dict]:
    for batch in batches:
        for index in range(len(batch["label"])):
            if images <= 0:
                return
            images -= 1
            yield {name: value[index : index + 1] for name, value in batch.items()}


def _ways(plan: dict, task, name: str, twin: str, example: dict) -> tuple[dict[str, Callable[[dict], object]], float]:
    """For each scheme a function of a batch; and the mean number of layers that early exit uses of the example."""
    ours, theirs = (_method(plan, variant, task) for variant in (name, twin))
    learner = _method(plan, name, task, one_readout=True)  # the other readouts' training is not one-pass inference's
    for method in (ours, learner):
        method.begin_phase(Phase(updates.HEAD))
    with torch.no_grad():
        observed = ours.evaluate_batch(example)
    scores_BLC = observed["layer_scores"].cpu()  # float64 below: not every device has it
    threshold = _halving(scores_BLC)
    used = float(early_exit.leave(scores_BLC, threshold)[1].double().mean())

    @torch.no_grad()
    def leave(batch: dict) -> object:
        return early_exit.run(*ours.exits(batch), threshold)

    ways: dict[str, Callable[[dict], object]] = {BP: lambda batch: theirs.scores(batch, "one_pass")}
    for scheme, inference in _schemes(observed).items():
        ways[scheme] = lambda batch, inference=inference: ours.scores(batch, inference)
    return ways | {"early exit": leave, HEAD_TRAINING: learner.step}, used


def _method(plan: dict, variant: str, task, one_readout: bool = False):
    asked = {**plan, **plan["variants"][variant], "training": {"lr": LR}}
    method = asked["method"]
    if one_readout and "readouts" in method:
        asked["method"] = {**method, "readouts": method["readouts"][:1]}
    return parts.make_method(asked, task, seeds.generator("bench", "init"))


def _schemes(observed: dict) -> dict[str, str]:
    """The names that ``scores`` takes, by names for people, the two that the paper times first."""
    found = [name.removeprefix("scores_") for name in observed if name.startswith("scores_")]
    others = {}
    for name in (name for name in found if name not in MAIN):
        main = "one_pass" if name.startswith("one_pass_") else "multi_pass"
        layers = re.sub(r"_|(?<=[a-z])(?=\d)", " ", name.removeprefix("one_pass_"))
        others[f"{MAIN[main]}, {layers}"] = name
    return {scheme: name for name, scheme in MAIN.items() if name in found} | others


def _halving(scores_BLC: torch.Tensor) -> float:
    """The threshold at which the mean number of layers used is nearest to the middle of 1 and all."""
    sure = early_exit.confidence(scores_BLC.double().cumsum(1)).flatten()
    candidates = sure.quantile(torch.linspace(0, 1, 21, dtype=sure.dtype, device=sure.device)).tolist()
    label_B = torch.zeros(len(scores_BLC), dtype=torch.int64, device=sure.device)
    _, layers_T = early_exit.trade_off(scores_BLC, label_B, candidates)
    return candidates[int((layers_T - (1 + scores_BLC.shape[1]) / 2).abs().argmin())]


def _measure(net: str, ways: dict, used: float, fed: list[dict], suffix: str, rounds: int) -> list[dict]:
    """A row for each scheme of one net over the same images."""

    def over(way: Callable[[dict], object]) -> Callable[[], None]:
        def all_of_it() -> None:
            for batch in fed:
                way(batch)

        return all_of_it

    seconds = timing.interleave({f"{net}, {name}{suffix}": over(way) for name, way in ways.items()}, rounds)
    _, rows = timing.rows(seconds, [f"{net}, {BP}{suffix}"])
    _, to_one_pass = timing.rows(seconds, [f"{net}, {ONE_PASS}{suffix}"])
    images = sum(len(batch["label"]) for batch in fed)
    for row, other in zip(rows, to_one_pass, strict=True):
        row |= {"images": images, "ms_per_image": row["ms_median"] / images}
        row |= {"ratio_to_one_pass": other["ratio_to_bp"], "one_pass_low": other["ratio_low"]}
        row |= {"one_pass_high": other["ratio_high"], "layers_used": used if "early exit" in row["name"] else None}
    return rows


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"inference of untrained nets over {config['images']} images in batches of {config['batch']} and over "
        f"{config['singles']} one by one, {config['threads']} thread(s), {config['rounds']} interleaved rounds",
    ]
    columns = [
        Column("ms/image", 10, "ms_per_image", 4), *timing.ratio_columns("to BP"),
        Column("to one-pass", 13, "ratio_to_one_pass", 3), Column("layers", 8, "layers_used", 2),
    ]  # fmt: skip
    table = timing.table(result["rows"], 40, columns)
    return "\n".join([*lines, *table])
