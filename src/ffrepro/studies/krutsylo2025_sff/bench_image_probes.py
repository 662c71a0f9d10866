"""What the paper says in words of gradients, features, confidence, robustness and learnt maps, as numbers.

Every variant trains for as many epochs at a constant rate, on the same images; the weights of its best validation epoch
are read on test images, which choose nothing. A row is a variant; ``drawn`` is the untrained net. Of the variants of
SFF there are two more rows, with one part changed: ``fixed maps``, auxiliary maps that stay as drawn, and ``original
loss``, Forward-Forward's own on the two numbers of one pass (the true class's goodness, and the mean of the others').

- ``gradient_spread``: standard deviation of the logarithm of a block's gradient norm, over blocks and the second half
  of the updates. ``gradient_first``, ``gradient_last``: geometric means of the first and the last block's.
  ``gradient_apart``: the largest norm of a block over the smallest, geometric mean of the updates (Sec. 1).
- ``accuracy``; ``accuracy_noise``, ``accuracy_blur``, ``accuracy_contrast`` of the same images made worse, and
  ``accuracy_corrupted``, the mean of the three (Sec. 6).
- ``confidence``, ``ece``, ``auc_right`` of the softmax of what classes are read off, all blocks' mean goodness or
  backpropagation's output: see ``core.calibration``.
- ``cka_own``: similarity of a block's activations in two nets of the row that differ in their initial weights and the
  order of images, mean over blocks (``core.similarity``); of the first two variants, which train twice, and of the
  drawn net. ``cka_bp``: of the row and the first variant, ``cka_drawn``: of the row and the drawn net; the two of a
  pair never have the same initial weights (Sec. 1, contribution 4).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ffrepro.base.records import finite
from ffrepro.base.settings import integer, number
from ffrepro.core import calibration, class_losses, gradients, seeds, similarity
from ffrepro.data import corruptions
from ffrepro.data.image_set import ImageSet
from ffrepro.methods.base import Batch
from ffrepro.training import parts, recorded_bench, timing
from ffrepro.training.timing import Column
from ffrepro.training.trainer import Trainer

SETTINGS = {
    "bench_batch": integer("images in a batch", minimum=4),
    "bench_epochs": integer("epochs of every training", minimum=1),
    "bench_lr": number("learning rate", above=0),
    "bench_images": integer("test images that are evaluated", minimum=4),
    "bench_alike": integer("of them, images on which nets are compared", minimum=4),
    "noise_std": number("deviation of the noise on pixels from 0 to 1", above=0),
    "blur_sigma": number("deviation of the blur in pixels", above=0),
    "contrast": number("what distances of pixels to their image's mean are multiplied with", above=0, below=1),
    "original_theta": number("threshold of Forward-Forward's own loss"),
}
COLUMNS = (
    "gradient_spread", "gradient_first", "gradient_last", "gradient_apart", "accuracy", "accuracy_noise",
    "accuracy_blur", "accuracy_contrast", "accuracy_corrupted", "confidence", "ece", "auc_right", "cka_own", "cka_bp",
    "cka_drawn",
)  # fmt: skip
DRAWN = "drawn"
DRAWS = ("first", "second")
TWICE = 2  # variants that are trained from two draws
CONSTANT = {"schedule": "multistep", "milestones": [], "gamma": 0.1, "final_weights": "best"}


@dataclass(frozen=True)
class Subject:
    """A plan, the images that all its variants see, and how.

    Attributes:
        data: as prepared.
    """

    plan: dict
    data: ImageSet
    device: str
    dtype: torch.dtype

    @property
    def bench(self) -> dict:
        return self.plan["bench"]

    def task(self, data: ImageSet | None = None) -> Any:
        """The task of these images, or of others in their place, split alike."""
        own = {"training": {"batch_size": self.bench["bench_batch"]}}
        own["protocol"] = self.plan["protocol"] | {"inference": "ensemble"}
        return parts.make_task({**self.plan, **own}, data or self.data, self.device, self.dtype)

    def seed(self, purpose: str, draw: str) -> torch.Generator:
        """A generator of a training; those of the first draw are those of a run of this seed."""
        more = () if draw == DRAWS[0] else (draw,)
        return seeds.generator(purpose, self.plan["dataset"], self.plan["seed"], *more)


def run(plan: dict, place: parts.Place) -> dict:
    """Measure what a bench plan declares and leave its record; a row is a variant.

    Returns:
        The content of result.json.
    """
    return recorded_bench.measured(plan, place, partial(_measured, plan, place.threads))


def _measured(plan: dict, threads: int, data: ImageSet, device: str, dtype: torch.dtype) -> dict:
    subject = Subject(plan, data, device, dtype)
    task, bench, names = subject.task(), subject.bench, list(plan["variants"])
    rows: dict[str, dict] = {}
    trained: dict[str, Any] = {}
    grams: dict[tuple[str, str], list[Tensor]] = {}
    for draw in DRAWS:
        for name in names[: TWICE if draw == DRAWS[1] else None]:
            method = _method(subject, task, name, draw)
            if name == names[0]:
                grams[DRAWN, draw] = block_grams(method, task, bench["bench_alike"])
            found = _train(subject, task, method, name, draw)
            grams[name, draw] = block_grams(method, task, bench["bench_alike"])
            if draw == DRAWS[0]:
                rows[name], trained[name] = found, method
    for name in names:
        if plan["variants"][name]["method"]["name"] == "sff":
            for change, apply in _CHANGES.items():
                method = _method(subject, task, name, DRAWS[0])
                apply(method, bench)
                rows[f"{name}, {change}"] = _train(subject, task, method, name, DRAWS[0])
                trained[f"{name}, {change}"] = method
    for name, method in trained.items():
        found = calibration.read(*_scores(method, task, bench["bench_images"]))
        rows[name] |= found | {"auc_right": found["auc"]}
    for kind, worse in corrupted(subject):
        for name in names:
            found = calibration.read(*_scores(trained[name], worse, bench["bench_images"]))
            rows[name][f"accuracy_{kind}"] = found["accuracy"]
    for name in names:
        kinds = [value for key, value in rows[name].items() if key.startswith("accuracy_")]
        rows[name]["accuracy_corrupted"] = statistics.fmean(kinds)
    rows[DRAWN] = {}
    for name in (*names, DRAWN):
        rows[name] |= {f"cka_{other}": value for other, value in _alike(grams, name, names[0]).items()}
    return {
        "bench": "image_probes",
        "baseline": names[0],
        "rows": [
            {"name": name} | {column: finite(row.get(column)) for column in COLUMNS} for name, row in rows.items()
        ],
        "config": {"threads": threads, **{key: value for key, value in bench.items() if key != "name"}},
    }


def _method(subject: Subject, task: Any, name: str, draw: str) -> Any:
    asked = {**subject.plan, **subject.plan["variants"][name], "training": {"lr": subject.bench["bench_lr"]}}
    return parts.make_method(asked, task, subject.seed("init", draw))


def _train(subject: Subject, task: Any, method: Any, name: str, draw: str) -> dict[str, float | None]:
    """Train to the best validation epoch; what the gradients of its updates were like."""
    blocks = method.anatomy.parameters[:-1]
    norms: list[list[float]] = []
    hook = method.optimizers[0].register_step_pre_hook(lambda *_: norms.append(gradients.norms(blocks)))
    bench = subject.bench
    settings = {**CONSTANT, "max_epochs": bench["bench_epochs"], "lr": bench["bench_lr"]}
    trainer = Trainer(method, task, settings, order=subject.seed("order", draw), name=f"{subject.plan['run']}, {name}")
    trainer.train()
    hook.remove()
    method.load_weights(trainer.best_weights)
    later = norms[len(norms) // 2 :]
    return {
        "gradient_spread": gradients.spread(norm for update in later for norm in update),
        "gradient_first": gradients.middle(update[0] for update in later),
        "gradient_last": gradients.middle(update[-1] for update in later),
        "gradient_apart": gradients.apart(later),
    }


def _fix_maps(method: Any, bench: dict) -> None:
    """Auxiliary maps that do not learn."""
    for parameter in method.maps.parameters():
        parameter.requires_grad_(False)


def _take_original_loss(method: Any, bench: dict) -> None:
    """Blocks that learn by Forward-Forward's own loss; classes are still read off the goodness."""
    settings = {"loss": "logistic", "negative_goodness": "mean", "theta": bench["original_theta"]}

    def loss(block: int, h: Tensor, label_B: Tensor) -> Tensor:
        return class_losses.loss(method.goodness(block, h), method.target(block, label_B), settings).mean()

    method.loss = loss


_CHANGES: dict[str, Callable[[Any, dict], None]] = {"fixed maps": _fix_maps, "original loss": _take_original_loss}


def corrupted(subject: Subject) -> Iterator[tuple[str, Any]]:
    """(kind, task) of each kind of corruption: test images made worse, all others as they are."""
    bench, image = subject.bench, torch.from_numpy(subject.data.image)
    test = torch.from_numpy(subject.data.test == 1)
    draws = subject.seed("noise", DRAWS[0])
    kinds = {
        "noise": partial(corruptions.noise, std=bench["noise_std"], generator=draws),
        "blur": partial(corruptions.blur, sigma=bench["blur_sigma"]),
        "contrast": partial(corruptions.contrast, factor=bench["contrast"]),
    }
    for kind, worsen in kinds.items():
        worse = image.clone()
        worse[test] = worsen(image[test])
        yield kind, subject.task(replace(subject.data, image=worse.numpy()))


def _first(task: Any, images: int) -> Iterator[Batch]:
    """Batches that hold the first test images, and maybe some more."""
    left = images
    for batch in task.in_order("test"):
        yield batch
        left -= len(batch["label"])
        if left <= 0:
            return


def _scores(method: Any, task: Any, images: int) -> tuple[Tensor, Tensor]:
    """What classes are read off, (S, classes), and labels (S,), of the first test images."""
    scores, labels = [], []
    for batch in _first(task, images):
        scores.append(method.scores(batch, "ensemble"))
        labels.append(batch["label"])
    return torch.cat(scores)[:images], torch.cat(labels)[:images]


@torch.no_grad()
def block_grams(method: Any, task: Any, images: int) -> list[Tensor]:
    """Inner products of the first test images (``core.similarity``) in each block's activations."""
    method.cut.eval()
    found: list[list[Tensor]] = [[] for _ in method.cut.at]

    def on_block(block: int, h: Tensor) -> Tensor:
        found[block].append(h.flatten(1))
        return method.normalise(h)

    for batch in _first(task, images):
        method.cut.run(method.take(batch), on_block, head=False)
    return [similarity.gram(torch.cat(block)[:images]) for block in found]


def _alike(grams: dict[tuple[str, str], list[Tensor]], name: str, bp: str) -> dict[str, float]:
    """Similarity of a row's nets to its own other one, backpropagation's and the drawn, of other initial weights."""
    found = {}
    for key, other in (("own", name), ("bp", bp), ("drawn", DRAWN)):
        if key != "own" and other == name:
            continue
        pairs = [
            (grams[name, a], grams[other, b])
            for a, b in (DRAWS, DRAWS[::-1])
            if (name, a) in grams and (other, b) in grams
        ]
        if pairs:
            found[key] = statistics.fmean(similarity.cka(*both) for pair in pairs for both in zip(*pair, strict=True))
    return found


def describe(result: dict) -> str:
    """The rows as a plain table."""
    config = result["config"]
    lines = [
        f"after {config['bench_epochs']} epochs on batches of {config['bench_batch']}, "
        f"of {config['bench_images']} test images: spread of gradient norms, those of the first and the "
        f"last block, largest over smallest; accuracy, with noise of {config['noise_std']:g}, a blur of "
        f"{config['blur_sigma']:g}, a contrast of {config['contrast']:g}, "
        "mean of the three; confidence, expected calibration error, AUC of right against wrong; CKA with its own other "
        "net, backpropagation, the drawn net",
    ]
    titles = (
        "spread", "first", "last", "apart", "accuracy", "noise", "blur", "contrast", "worse", "confid.", "ECE", "AUC",
        "CKA own", "CKA BP", "CKA drawn",
    )  # fmt: skip
    columns = [Column(title, 10, key, 3) for title, key in zip(titles, COLUMNS, strict=True)]
    return "\n".join([*lines, *timing.table(result["rows"], 36, columns)])
