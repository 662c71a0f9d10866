"""Time and memory of one training step of a recurrent stack: FF against backpropagation through time.

Everything runs in this process on one batch, interleaved. The baseline of all ratios is the fastest of nn.RNN with
PyTorch's fused, foreach and single-tensor Adam. Beside it stand a plain training script (the baseline must not be
slower than what anyone would write), BPTT written by hand with the means that FF has here, BPTT with checkpointing
and with accumulated gradients, and FF through plain autograd, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ffrepro import methods
from ffrepro.base.settings import integer
from ffrepro.core import seeds
from ffrepro.data.trajectory_set import TrajectorySet
from ffrepro.nets import build, rnn
from ffrepro.training import memory, parts, recorded_bench, timing
from ffrepro.training.timing import Column

SETTINGS = {
    "hidden": rnn.SETTINGS["hidden"],
    "layers": rnn.SETTINGS["layers"],
    "bench_batch": integer("samples in the batch that is timed", minimum=2),
    "bench_rounds": integer("interleaved rounds", minimum=3),
}
COLUMNS = (*timing.COLUMNS, "peak_bytes", "peak_ratio_to_bp")
LR = 1e-3
ADAMS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "single-tensor": {"foreach": False}}


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measure, plan, place.threads))


def _measure(plan: dict, threads: int, data: TrajectorySet, device: str, dtype: torch.dtype) -> dict:
    batch = _batch(plan, data, device, dtype)
    makers = _makers(plan, batch)
    peaks = memory.peaks(makers, device)
    steps = {name: make() for name, make in makers.items()}
    seconds = timing.interleave(steps, plan["bench"]["bench_rounds"])
    baseline, rows = timing.rows(seconds, [f"BPTT, {adam} Adam" for adam in ADAMS])
    for row in rows:
        row["peak_bytes"] = peaks[row["name"]]
        row["peak_ratio_to_bp"] = memory.ratio(peaks[row["name"]], peaks[baseline])
    steps_T, batch_B = batch["x"].shape[:2]
    return {
        "bench": "rnn",
        "baseline": baseline,
        "config": {
            "batch": batch_B, "steps": steps_T, "rounds": plan["bench"]["bench_rounds"], "threads": threads,
            "memory": memory.Peak(device).how,
        },
        "rows": rows,
    }  # fmt: skip


def _batch(plan: dict, data, device: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """A batch of training samples, drawn with replacement where the set is smaller than the batch."""
    size = plan["bench"]["bench_batch"]
    task = parts.make_task({**plan, "training": {"batch_size": size}}, data, device, dtype)
    train = task.splits["train"]
    which = torch.randint(len(train), (size,), generator=seeds.generator("bench", plan["dataset"]))
    return train.batch(which.to(device))


def _makers(plan: dict, batch: dict[str, Tensor]) -> dict[str, Callable[[], Callable[[], object]]]:
    """For each row its name and a function that builds it from scratch and returns its step."""
    bp, norm, std = (plan["variants"][name] for name in ("bptt", "ff_rms", "ff_std"))

    def method(variant: dict, adam: str = "fused", **changed: object) -> Callable[[], Callable[[], object]]:
        def make() -> Callable[[], object]:
            generator = seeds.generator("bench", "init")
            net = build(variant["net"], batch["x"].shape[-1], 2, generator).to(batch["x"])
            hyperparameters = {k: v for k, v in variant["method"].items() if k != "name"} | changed
            built = methods.module(variant["method"]["name"]).Method(net, hyperparameters, batch, generator, LR)
            if adam != "fused":
                built.use_adam(**ADAMS[adam])
            return lambda: built.step(batch)

        return make

    return {
        **{f"BPTT, {adam} Adam": method(bp, adam) for adam in ADAMS},
        "BPTT, plain script": lambda: _plain_script(plan, batch),
        "BPTT, written by hand": method(bp, gradient="closed_form"),
        "BPTT, checkpointed": method(bp, checkpoint=True),
        "BPTT, 4 micro-batches": method(bp, micro_batches=4),
        "FF-Norm": method(norm),
        "FF-Std": method(std),
        "FF-Norm, plain autograd": method(norm, gradient="autograd"),
        "FF-Std, plain autograd": method(std, gradient="autograd"),
    }


def _plain_script(plan: dict, batch: dict[str, Tensor]) -> Callable[[], object]:
    """What one would write without this project: one nn.RNN, a linear readout, batch first, fused Adam."""
    torch.manual_seed(0)
    hidden, layers = plan["bench"]["hidden"], plan["bench"]["layers"]
    x_BTI = batch["x"].transpose(0, 1).contiguous()
    label_B = batch["label"].to(x_BTI.dtype)
    rnn = nn.RNN(x_BTI.shape[-1], hidden, layers, nonlinearity="relu", batch_first=True).to(x_BTI)
    readout = nn.Linear(x_BTI.shape[1] * hidden, 1).to(x_BTI)
    parameters = [*rnn.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        states, _ = rnn(x_BTI)
        loss = F.binary_cross_entropy_with_logits(readout(states.flatten(1)).squeeze(1), label_B)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"one training step, batch {config['batch']}, {config['steps']} time steps, {config['threads']} thread(s), "
        f"{config['rounds']} interleaved rounds; ratios to: {result['baseline']}",
    ]
    peaks = [Column("peak MB", 10, "peak_bytes", 1, 1e-6, 0.0), Column("ratio", 8, "peak_ratio_to_bp", 3, missing=0.0)]
    table = timing.table(result["rows"], 28, [Column("ms", 9, "ms_median", 2), *timing.ratio_columns(), *peaks])
    return "\n".join([*lines, *table])
