"""View of an image set of which some images and classes are drawn, with early stopping by loss or by accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, number, or_none
from ffrepro.core import seeds
from ffrepro.data import images_task
from ffrepro.data.image_set import ImageSet

SETTINGS = {
    "validation": number("share of the training images held out, of every class alike", 0.2, above=0, below=1),
    "split_seed": images_task.SETTINGS["split_seed"],
    "train_samples": images_task.SETTINGS["train_samples"],
    "val_samples": or_none(integer("held-out images to keep, of every class alike; None: all", minimum=10), None),
    "class_half": choice("classes that count, by their numbers", "all", "even", "odd", default="all"),
    "watch": choice("metric of the validation part that early stopping goes by", "loss", "accuracy", default="loss"),
    "normalisation": images_task.SETTINGS["normalisation"],
    "augmentation": images_task.SETTINGS["augmentation"],
    "crop_padding": images_task.SETTINGS["crop_padding"],
}
_DIRECTIONS = {"loss": "min", "accuracy": "max"}


class Task(images_task.Task):
    """Classification of images drawn from a prepared set.

    As ``images_task.Task``; moreover ``val_samples`` limits the validation part to so many images, ``class_half``
    keeps every second class (numbered anew from 0) and ``watch`` names the metric of early stopping.
    """

    def __init__(
        self,
        data: ImageSet,
        settings: dict[str, Any],
        seed: int,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        super().__init__(half(data, settings["class_half"]), settings, seed, batch_size, device, dtype, evaluation)
        self.watch = (settings["watch"], _DIRECTIONS[settings["watch"]])
        if settings["val_samples"] is not None:
            split_seed = seed if settings["split_seed"] == "run" else settings["split_seed"]
            held = self.index["val"].cpu().numpy()
            kept = drawn(held, self.label_N[self.index["val"]].cpu().numpy(), settings["val_samples"], split_seed)
            self.index["val"] = torch.from_numpy(kept).to(device)

    @staticmethod
    def classes_left(total: int, settings: Mapping[str, Any]) -> int:
        """All, or every second one from the first (``even``) or the second on (``odd``)."""
        return {"all": total, "even": (total + 1) // 2, "odd": total // 2}[settings["class_half"]]


def half(data: ImageSet, which: str) -> ImageSet:
    """The set, or the images of its classes 0, 2, 4, ... (``even``) or 1, 3, 5, ... (``odd``), numbered from 0 on."""
    if which == "all":
        return data
    first = ["even", "odd"].index(which)
    keep = data.label % 2 == first
    manifest = data.manifest | {"classes": data.manifest["classes"][first::2]}
    if "superclasses" in manifest:
        above = manifest["superclasses"]
        manifest["superclasses"] = above | {"of": above["of"][first::2]}
    return replace(data, image=data.image[keep], label=data.label[keep] // 2, test=data.test[keep], manifest=manifest)


def drawn(index: np.ndarray, label: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``count`` of the positions ``index``, sorted: of each class its share, drawn by ``seed``.

    Raises:
        FfreproError: there are fewer.
    """
    if count > len(index):
        raise FfreproError(
            f"{count:,} validation images asked for, {len(index):,} are held out",
            where="data.val_samples",
            fix="lower `val_samples`, set it to null for all, or raise `validation`",
        )
    shuffled = []
    for value in np.unique(label):
        members = index[label == value]
        order = torch.randperm(len(members), generator=seeds.generator("validation", seed, int(value))).numpy()
        shuffled.append(members[order])
    sizes = images_task.shares(list(map(len, shuffled)), count)
    return np.sort(np.concatenate([part[:size] for part, size in zip(shuffled, sizes, strict=True)]))
