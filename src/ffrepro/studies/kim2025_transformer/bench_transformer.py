"""Time and activation memory of one training step of a transformer: local methods against backpropagation.

All rows of a depth run in this process on one batch of full sequences, interleaved; the baseline of all ratios is the
fastest of backpropagation with PyTorch's three Adams. Of active-set FF-All the margin is set so that the given share q
of the pairs is active, and stays so (the rate is tiny). Its bound by recomputing is (2 + 6q) / 3 of backpropagation in
the limit of many layers, and never above plain pairs, which are at 2.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch

from ffrepro import methods
from ffrepro.base import files
from ffrepro.base.settings import complete
from ffrepro.core import seeds
from ffrepro.methods import ff_tokens
from ffrepro.methods.base import Batch
from ffrepro.nets import transformer
from ffrepro.training import facts, machine, memory, timing
from ffrepro.training.timing import Column

ADAMS = {"single-tensor": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
DEPTHS = (2, 4, 12)
SHARES = (1.0, 0.5, 0.25, 0.1)
BATCH, LENGTH, VOCABULARY, CLASSES = 64, 256, 8000, 2
_RATE = 1e-12  # so that the share of active pairs stays what it is


def measure(
    layers: int, rounds: int, *, batch: int = BATCH, length: int = LENGTH, vocabulary: int = VOCABULARY, **sizes: int
) -> dict:
    """Time and memory of every way to train a transformer of so many layers.

    Args:
        rounds: interleaved rounds. batch, length, vocabulary: of random token ids. sizes: other settings of the net.

    Returns:
        ``bench``, ``layers``, ``config``, ``baseline`` (the name of a row), ``rows`` as ``timing.rows`` with
        ``peak_bytes``, ``peak_ratio_to_bp`` and, of active-set rows, ``share`` (measured) and ``bound``.
    """
    generator = seeds.generator("bench", "transformer")
    x_BT = torch.randint(transformer.PAD + 1, vocabulary, (batch, length), generator=generator)
    label_B = torch.randint(CLASSES, (batch,), generator=generator)
    sample = {"x": x_BT, "label": label_B, "index": torch.arange(batch)}
    make = partial(_method, layers=layers, sample=sample, vocabulary=vocabulary, sizes=sizes)
    makers: dict[str, Callable] = {}
    for adam, form in ADAMS.items():
        makers[f"BP, {adam} Adam"] = partial(make, "backprop_tokens", adam=form)
    baselines = list(makers)
    makers["BP, checkpointed"] = partial(make, "backprop_tokens", checkpoint=True)
    makers["BP, 4 micro-batches"] = partial(make, "backprop_tokens", micro_batches=4)
    makers["FF-All, pairs"] = partial(make, "ff_tokens")
    for share in SHARES:
        makers[_active(share)] = partial(make, "ff_tokens", active_set=True, share=share)
    makers["single pass, by blocks"] = partial(make, "cwc_tokens")
    weights = frozenset(4 * p.numel() for p in make("backprop_tokens").net.parameters())
    peaks = {}
    for name, maker in makers.items():
        method = maker()
        method.step(sample)
        with memory.Peak("cpu", without=weights) as peak:
            method.step(sample)
        peaks[name] = peak.bytes
    built = {name: maker() for name, maker in makers.items()}
    seconds = timing.interleave({name: partial(method.step, sample) for name, method in built.items()}, rounds)
    baseline, rows = timing.rows(seconds, baselines)
    for row in rows:
        row["peak_bytes"] = peaks[row["name"]]
        row["peak_ratio_to_bp"] = memory.ratio(peaks[row["name"]], peaks[baseline])
    for share in SHARES:
        (row,) = [row for row in rows if row["name"] == _active(share)]
        row["share"] = sum(built[row["name"]].shares) / layers
        row["bound"] = min((2 + 6 * share) / 3, 2.0)
    config = {"batch": batch, "length": length, "vocabulary": vocabulary, "rounds": rounds, **sizes}
    return {
        "bench": "transformer", "layers": layers, "baseline": baseline, "rows": rows,
        "config": config | {"threads": torch.get_num_threads(), "memory": memory.Peak("cpu").how},
    }  # fmt: skip


def _active(share: float) -> str:
    return f"FF-All, active set, q {share:g}"


def _method(
    name: str, *, layers: int, sample: Batch, vocabulary: int, sizes: dict, adam: dict | None = None, share=None, **hp
):
    """A method on a fresh net; with ``share``, margins that leave so many pairs active."""
    net_settings = complete(transformer.SETTINGS, {"layers": layers, **sizes}, what="net transformer")
    generator = seeds.generator("bench", "init")
    net = transformer.build(net_settings, (vocabulary, sample["x"].shape[1]), CLASSES, generator)
    net.classes = CLASSES
    module = methods.module(name)
    settings = complete(module.SETTINGS, hp, what=f"method {name}")
    method = module.Method(net, settings, sample, generator, _RATE)
    if adam is not None:
        method.use_adam(**adam)
    if share is not None:
        method.margins = _margins(method, sample, share)
        method.shares = [share] * layers
    return method


@torch.no_grad()
def _margins(method: ff_tokens.Method, sample: Batch, share: float) -> list[float]:
    """Of each layer the margin that leaves so many pairs active."""
    x_BT, label_B = method.pairs(sample)
    z_ND, layout = method.net.embed(x_BT, label_B, everywhere=True)
    margins = []
    for block in method.net.blocks:
        z_ND = block(z_ND, layout, method.draw(block, z_ND, 2))
        positive_P, negative_P = method.goodness(z_ND, layout).chunk(2)
        ahead_P = positive_P - negative_P
        margins.append(float(ahead_P.quantile(share)) if share < 1 else float(ahead_P.max()) + 1.0)
    return margins


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"{result['layers']} layers: one training step, batch {config['batch']}, {config['length']} tokens, "
        f"{config['threads']} thread(s), {config['rounds']} interleaved rounds; ratios to: {result['baseline']}",
    ]
    columns = [
        Column("ms", 9, "ms_median", 1), *timing.ratio_columns(), Column("bound", 8, "bound", 2),
        Column("active", 8, "share", 2), Column("MB", 9, "peak_bytes", 1, 1e-6, 0.0),
        Column("ratio", 8, "peak_ratio_to_bp", 3, missing=0.0),
    ]  # fmt: skip
    table = timing.table(result["rows"], 28, columns)
    return "\n".join([*lines, *table])


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench transformer``: measure each depth and print its table."""
    machine.use({"device": "cpu", "precision": "float32"}, args.threads)
    results = []
    for layers in DEPTHS:
        results.append(measure(layers, args.rounds))
        print(describe(results[-1]), flush=True)
    if args.out:
        made = {"machine": facts.describe("cpu", args.threads), "versions": facts.versions()}
        files.write_json(args.out, made | {"depths": results})
        print(args.out)
