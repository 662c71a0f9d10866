"""What the paper says in words of gradients, attention, perturbed parameters, privacy and energy, as numbers.

Every variant trains for a number of updates, on the same reviews. Then, or meanwhile:

- ``gradient_spread``: standard deviation of the logarithm of a block's gradient norm, over blocks and over the second
  half of the updates (Tables 1 and 3: vanishing and exploding gradients).
- ``gradient_first``, ``gradient_last``: geometric means of the norms of the first and of the last block's gradient over
  the same updates (Sec. 1: gradients that vanish or explode with depth).
- ``diverged``: 1 where a loss was not finite, else 0; over processes the share of diverged seeds (Sec. 4.2, stability).
- ``accuracy`` of validation reviews, and ``accuracy_perturbed`` after normal noise on every weight (Sec. 2.4, stability
  under parameter shifts), the mean of three draws; ``_3x`` and ``_10x`` with so many times the noise.
- ``auc_pairs``: of validation reviews against negatives of them, by goodness over all layers (Sec. 3.4, whether
  positives are told from negatives), of methods that learn from pairs; ``auc_pairs_untrained`` before the first update.
  Negatives are as in training: the wrong label, other words, noise.
- ``attention_max`` and ``attention_entropy`` of true pairs, ``_negative`` of the wrong ones (Sec. 3.4), of methods that
  learn from pairs.
- ``words_named`` and ``words_right``: of a single review's words those that rows of the embedding's gradient name, and
  how many of these are in it (Sec. 5.2, gradient-based leakage).
- ``joules``: of a step, where the processor's counter can be read (Sec. 5).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import nn

from ffrepro.base.records import finite
from ffrepro.base.settings import integer, number
from ffrepro.core import attention, detection, gradients, seeds
from ffrepro.methods.base import Batch, Phase
from ffrepro.nets.transformer import PAD, Attention
from ffrepro.training import energy, parts, recorded_bench, timing
from ffrepro.training.timing import Column

SETTINGS = {
    "bench_batch": integer("reviews in a batch", minimum=4),
    "bench_rounds": integer("updates before anything is measured but gradients", minimum=4),
    "bench_lr": number("learning rate", above=0),
    "noise_share": number("deviation of the noise on a weight, of its tensor's own deviation", above=0),
}
COLUMNS = (
    "gradient_spread", "gradient_first", "gradient_last", "diverged", "accuracy", "accuracy_perturbed",
    "accuracy_perturbed_3x", "accuracy_perturbed_10x", "auc_pairs", "attention_max", "attention_max_negative",
    "attention_entropy", "attention_entropy_negative", "words_named", "words_right", "joules",
)  # fmt: skip
LATER = ("auc_pairs_untrained",)  # columns that no record before them has: none is asked of a record
DRAWS = 3
LEVELS = {"accuracy_perturbed": 1, "accuracy_perturbed_3x": 3, "accuracy_perturbed_10x": 10}  # times the noise


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record; a row is a variant.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: Any, device: str, dtype: torch.dtype) -> dict:
    bench = plan["bench"]
    task = parts.make_task({**plan, "training": {"batch_size": bench["bench_batch"]}}, data, device, dtype)
    meter = energy.Meter()
    rows = [{"name": name} | _row(plan, name, task, meter) for name in plan["variants"]]
    return {
        "bench": "probes",
        "baseline": rows[0]["name"],
        "rows": rows,
        "config": {
            "batch": bench["bench_batch"], "rounds": bench["bench_rounds"], "threads": threads,
            "noise_share": bench["noise_share"], "energy": meter.how,
        },
    }  # fmt: skip


def _row(plan: dict, name: str, task, meter: energy.Meter) -> dict[str, float | None]:
    """The columns of a variant."""
    variant, bench, seed = plan["variants"][name], plan["bench"], plan["seed"]
    asked = {**plan, **variant, "training": {"lr": bench["bench_lr"]}}
    method = parts.make_method(asked, task, seeds.generator("init", plan["dataset"], seed))
    method.begin_phase(Phase())
    untrained = auc_pairs(method, task, seed)
    norms: list[list[float]] = []  # of an update's blocks
    diverged = False
    meter.start()
    batches = _batches(task, seeds.generator("order", plan["dataset"], seed))
    for step, batch in enumerate(islice(batches, bench["bench_rounds"])):
        diverged |= not all(torch.as_tensor(value).isfinite().all() for value in method.step(batch).values())
        if 2 * step >= bench["bench_rounds"]:
            norms.append(gradient_norms(method.net))
    joules = meter.stop()
    found = {
        "gradient_spread": gradients.spread(norm for blocks in norms for norm in blocks),
        "gradient_first": gradients.middle(blocks[0] for blocks in norms),
        "gradient_last": gradients.middle(blocks[-1] for blocks in norms),
        "diverged": float(diverged),
        "accuracy": accuracy(method, task),
        **{key: perturbed(method, task, n * bench["noise_share"], seed) for key, n in LEVELS.items()},
        "auc_pairs": auc_pairs(method, task, seed),
        "auc_pairs_untrained": untrained,
        **_attention(method, next(iter(task.in_order("val")))),
        **named(method, next(iter(task.in_order("val")))),
        "joules": joules / bench["bench_rounds"] if joules else None,  # a counter that stands still measures nothing
    }
    return {column: finite(found[column]) for column in (*COLUMNS, *LATER)}


def _batches(task, generator: torch.Generator) -> Iterator[Batch]:
    """Training batches, epoch after epoch."""
    while True:
        yield from task.epoch(generator)


def gradient_norms(net: nn.Module) -> list[float]:
    """Norm of each block's gradient, from the first block on; 0 of one that has none."""
    blocks: Any = net.blocks  # torch types attributes of a module as tensors or modules
    return gradients.norms(block.parameters() for block in blocks)


def auc_pairs(method: Any, task, seed: int) -> float | None:
    """Probability that a validation text has more goodness than a negative one; None of methods without pairs.

    Under wrong labels every label of a text counts. Other negatives are drawn anew, the same before training and after
    it, and the method's own draws stay as they were.
    """
    if not hasattr(method, "pairs"):
        return None
    scores, right = [], []
    own, method.generator = method.generator, seeds.generator("negatives", seed)
    for batch in task.in_order("val"):
        if method.hp["negatives"] == "label":
            found = method.evaluate_batch(batch)["scores_goodness"]
            true = nn.functional.one_hot(batch["label"], found.shape[1])
        else:
            found = torch.stack(method.pair_goodness(batch))
            true = torch.tensor([[1], [0]]).expand(found.shape)
        scores.append(found.flatten().cpu())
        right.append(true.flatten().cpu())
    method.generator = own
    return detection.auc(torch.cat(scores).numpy(), torch.cat(right).numpy())


def accuracy(method: Any, task) -> float:
    """Share of validation texts that the method's own inference has right."""
    right = total = 0
    for batch in task.in_order("val"):
        found = method.evaluate_batch(batch)
        scores = found.get("scores_one_pass", found.get("scores_goodness"))
        right += int((scores.argmax(1) == batch["label"]).sum())
        total += len(batch["label"])
    return right / total


def perturbed(method: Any, task, share: float, seed: int) -> float:
    """The same after noise on every weight, as large as this share of the tensor's deviation: mean of ``DRAWS``."""
    kept = copy.deepcopy(method.weights())
    found = []
    for draw in range(DRAWS):
        generator = seeds.generator("noise", seed, draw)
        noisy = {
            name: w + share * w.std() * torch.randn(w.shape, generator=generator).to(w) if w.numel() > 1 else w
            for name, w in kept.items()
            if isinstance(w, torch.Tensor)
        }
        method.load_weights(noisy)
        found.append(accuracy(method, task))
    method.load_weights(kept)
    return sum(found) / DRAWS


@torch.no_grad()
def _attention(method: Any, batch: Batch) -> dict[str, float | None]:
    """Largest weight and entropy of true and of wrong pairs, means over blocks; None of methods without pairs."""
    names = ("attention_max", "attention_entropy", "attention_max_negative", "attention_entropy_negative")
    if not hasattr(method, "pairs"):
        return dict.fromkeys(names)
    x_BT, label_B = method.pairs(batch)
    z_ND, layout = method.net.embed(x_BT, label_B, everywhere=method.hp["label"] == "everywhere")
    found = []
    for block in method.net.blocks:
        for sublayer in block.sublayers:
            if isinstance(sublayer, Attention):
                qkv = layout.pad(sublayer.qkv(sublayer.norm_in(z_ND))).unflatten(2, (3, sublayer.heads, -1))
                q, k, _ = qkv.permute(2, 0, 3, 1, 4)
                sharp = attention.sharpness(attention.weights(q, k, layout.keep_BS), layout.keep_BS)
                found.append(torch.stack([value.view(2, -1).mean(1) for value in sharp]))
            z_ND = sublayer(z_ND, layout)
    (true_max, wrong_max), (true_entropy, wrong_entropy) = torch.stack(found).mean(0).tolist()
    return dict(zip(names, (true_max, true_entropy, wrong_max, wrong_entropy), strict=True))


def named(method: Any, batch: Batch) -> dict[str, float | None]:
    """What the gradient of one text's step says of its words; the method has learnt from it afterwards."""
    rows = {key: value[:1] for key, value in batch.items()}
    method.net.zero_grad()
    for optimizer in method.optimizers:
        optimizer.zero_grad()
    method.step(rows)
    grad = method.net.tokens.weight.grad
    said = set() if grad is None else set(grad.abs().sum(1).nonzero().flatten().tolist()) - {PAD}
    true = set(rows["x"].flatten().tolist()) - {PAD}
    both = len(said & true)
    return {"words_named": both / len(true), "words_right": both / len(said) if said else None}


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"after {config['rounds']} updates on batches of {config['batch']}: spread of gradient norms, those of the "
        f"first and the last block, accuracy, the same with noise of {config['noise_share']:g}, 3 and 10 times as "
        f"much, AUC of pairs, attention of true and wrong pairs, words named, AUC before training; energy: "
        f"{config['energy']}",
    ]
    titles = (
        "spread", "first", "last", "diverged", "accuracy", "noisy", "noisy 3x", "noisy 10x", "AUC", "max", "max neg",
        "entropy", "ent. neg", "named", "right", "J", "untrained",
    )  # fmt: skip
    columns = [Column(title, 10, key, 3) for title, key in zip(titles, (*COLUMNS, *LATER), strict=True)]
    return "\n".join([*lines, *timing.table(result["rows"], 24, columns)])
