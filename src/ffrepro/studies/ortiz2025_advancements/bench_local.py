"""Time and activation memory of one training step: single-layer class competition against backpropagation.

Everything runs in this process on one batch, interleaved. The baseline of all time ratios is the fastest of
backpropagation with contiguous or channels_last memory and PyTorch's three Adams, on blocks that rectify in place and
behind the pool, as the closed form does, of the same net as a plain script has it, and, where no BatchNorm makes it
another function, of BP in micro-batches. Activation memory is the peak of what a step allocates, tensors of a weight's
size (parameters, the closed form's weights with BatchNorm in them, gradients, moments) left out, against the least of
the baselines at the whole batch; beside it stands the least that an exact layer-by-layer step can hold.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from ffrepro.base import files
from ffrepro.base.names import unknown
from ffrepro.core import conv_block, conv_layer, seeds
from ffrepro.nets import cnn, mlp
from ffrepro.studies.ortiz2025_advancements import local_steps as steps
from ffrepro.training import facts, memory, timing
from ffrepro.training.fresh_processes import on_cpu, repeated, together
from ffrepro.training.timing import Column

ADAMS = {"single-tensor": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
CLASSES = 10  # of the random labels
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
MLP = "mlp_4x2000"
SCRIPT, MICRO = "BP, plain script", "BP, 4 micro-batches"
NETS = {"ff_tiny": (3, 32, 32), "ff_medium": (3, 32, 32), "ff_deep": (3, 32, 32), MLP: (784,)}
DEFAULT = ("ff_medium", "ff_deep", MLP)
BATCH = {"ff_tiny": 256, "ff_medium": 256, "ff_deep": 128, MLP: 512}


def measure(name: str, batch: int, rounds: int, device: str = "cpu") -> dict:
    """Time and memory of every way to train a net.

    Args:
        name: one of ``NETS``: image nets of the DLR paper's Table III, or four layers of 2000 units on 784 inputs.
        batch: samples. rounds: interleaved rounds.

    Returns:
        ``bench``, ``net``, ``config``, ``baseline`` and ``memory_baseline`` (names of rows), ``minimum_bytes``
        (activations that an exact layer-by-layer step must hold) and ``rows`` as ``timing.rows`` with
        ``activation_bytes``, ``activation_ratio_to_bp`` and ``activation_ratio_to_minimum``.

    Raises:
        FfreproError: no such net.
    """
    if name not in NETS:
        raise unknown("net", name, NETS, where="bench local")
    generator = seeds.generator("bench", "local")
    x = torch.randn(batch, *NETS[name], generator=generator).to(device)
    label = torch.randint(CLASSES, (batch,), generator=generator).to(device)
    makers, baselines = _makers(name, x, label)
    peaks = activation_peaks(name, makers, device)
    built = {row: make() for row, make in makers.items()}
    seconds = timing.interleave(built, rounds)
    baseline, rows = timing.rows(seconds, baselines)
    minimum = _minimum(name, x)
    least = min((row for row in baselines if row != MICRO), key=lambda row: peaks[row] or 0)
    for row in rows:
        row["activation_bytes"] = peaks[row["name"]]
        row["activation_ratio_to_bp"] = memory.ratio(peaks[row["name"]], peaks[least])
        row["activation_ratio_to_minimum"] = memory.ratio(peaks[row["name"]], minimum)
    return {
        "bench": "local", "net": name, "baseline": baseline, "memory_baseline": least,
        "minimum_bytes": minimum, "rows": rows,
        "config": {
            "batch": batch, "rounds": rounds, "threads": torch.get_num_threads(), "memory": memory.Peak(device).how,
            "loss": "cross-entropy on a linear head (BP), on grouped goodness of each block (local)",
        },
    }  # fmt: skip


def activation_peaks(name: str, makers: dict[str, Callable[[], steps.Step]], device: str) -> dict[str, int | None]:
    """Bytes that each row's step holds at most, tensors of a weight's size left out; None: cannot be measured."""
    return memory.peaks(makers, device, weight_sizes(name))


def weight_sizes(name: str) -> frozenset[int]:
    """Bytes of every parameter, and of a convolution's weight with one more input and output (``core.conv_block``)."""
    shapes = [tuple(parameter.shape) for parameter in _net(name, torch.empty(1, *NETS[name])).parameters()]
    shapes += [(shape[0] + 1, shape[1] + 1, *shape[2:]) for shape in shapes if len(shape) == 4]
    return frozenset(torch.float32.itemsize * math.prod(shape) for shape in shapes)


def _net(name: str, x: Tensor) -> nn.Module:
    generator = seeds.generator("bench", "init")
    if name == MLP:
        net = mlp.Mlp(
            x.shape[1], [2000] * 4, input_norm="none", bias=True, groups=CLASSES, init="torch_default",
            generator=generator,
        )  # fmt: skip
        net.head = nn.Linear(2000, CLASSES)
    else:
        settings = {"classes": CLASSES, "cfse": False, "init": "torch_default"}
        net = cnn.Cnn(tuple(x.shape[1:]), name, generator=generator, **settings)
    return net.to(x.device)


def _makers(name: str, x: Tensor, label: Tensor) -> tuple[dict[str, Callable[[], steps.Step]], list[str]]:
    """For each row its name and a function that builds its step from scratch; and the names of the baselines."""
    images = name != MLP
    laid = {layout: x.contiguous(memory_format=form) if images else x for layout, form in LAYOUTS.items()}

    def bp(layout: str, adam: str, forward: Callable = steps.plain, micro: int = 1) -> steps.Step:
        net = _net(name, x)
        net = net.to(memory_format=LAYOUTS[layout]) if images else net
        head = net.head if images else lambda activations: net.head(activations[-1])
        return steps.backprop(net, head, laid[layout], label, ADAMS[adam], forward, micro)

    def local(step: Callable[..., steps.Step]) -> steps.Step:
        net = _net(name, x)
        del net.head
        return step(net.to(memory_format=torch.channels_last) if images else net, laid[layouts[-1]], label)

    layouts = list(LAYOUTS) if images else ["contiguous"]
    makers = {f"BP, {l}, {a} Adam": partial(bp, l, a) for l in layouts for a in ADAMS}  # noqa: E741
    last = layouts[-1]
    makers[SCRIPT] = partial(bp, last, "fused", steps.scripted)
    baselines = list(makers)
    makers["BP, checkpointed"] = partial(bp, last, "fused", steps.checkpointed)
    makers[MICRO] = partial(bp, last, "fused", micro=4)
    if not images:  # without BatchNorm it is the same function
        baselines.append(MICRO)
    makers["local, plain autograd"] = partial(local, steps.local_autograd)
    makers["local, closed form"] = partial(local, steps.local_conv if images else steps.local_linear)
    return makers, baselines


def _minimum(name: str, x: Tensor) -> int:
    """Bytes of the largest pair of neighbouring maps, the first of which is not the batch itself for an MLP."""
    if name == MLP:
        return len(x) * 2 * 2000 * x.element_size()
    layers = [conv_layer.layer_of(block.conv, block.bn, block.pool) for block in _net(name, x).blocks]
    shape = (len(x), *x.shape[2:], x.shape[1] + 1)
    return conv_block.least(layers, shape) * x.element_size()


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"{result['net']}: one training step, batch {config['batch']}, {config['threads']} thread(s), "
        f"{config['rounds']} interleaved rounds",
        f"time ratios to: {result['baseline']}; activation memory to: {result['memory_baseline']}",
        f"least activations of an exact layer-by-layer step: {result['minimum_bytes'] / 1e6:.1f} MB",
    ]
    columns = [
        Column("ms", 9, "ms_median", 1), *timing.ratio_columns(),
        Column("act. MB", 10, "activation_bytes", 1, 1e-6, 0.0),
        Column("ratio", 8, "activation_ratio_to_bp", 3, missing=0.0),
        Column("of least", 10, "activation_ratio_to_minimum", 2, missing=0.0),
    ]  # fmt: skip
    table = timing.table(result["rows"], 34, columns)
    return "\n".join([*lines, *table])


def main(args: argparse.Namespace) -> None:
    """``ffrepro bench local``: measure each net in fresh processes and print their tables."""
    results = []
    for name in [args.net] if args.net else DEFAULT:
        results.append(together(repeated(on_cpu, args.threads, measure, name, BATCH.get(name, 1), args.rounds)))
        print(describe(results[-1]), flush=True)
    if args.out:
        files.write_json(args.out, facts.made_on("cpu", args.threads) | {"nets": results})
        print(args.out)
