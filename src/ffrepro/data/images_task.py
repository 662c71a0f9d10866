"""Task of an image data set: splits, normalised batches, augmentation.

The whole set lives on the device as bytes; a batch is an index, and becomes floats when it is taken. Keeping floats
instead takes four times the memory (CIFAR-10: 737 MB) and saves half a millisecond a batch of 128 colour images on
one core, below a percent of a training step of the smallest convolutional net. Crop and flip add 1 to 2 ms.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.base.settings import choice, integer, number, or_none
from ffrepro.core import filters, seeds
from ffrepro.data.classification import Classification, check_labels
from ffrepro.data.image_set import ImageSet
from ffrepro.data.record_form import Form
from ffrepro.data.task import Arrays, Batch

SETTINGS = {
    "validation": number("share of the training images held out, of every class alike", 0.1, above=0, below=1),
    "split_seed": integer("seed of the split; `run`: another one for every seed", "run", minimum=0, word="run"),
    "train_samples": or_none(integer("training images to keep, of every class alike; None: all", minimum=10), None),
    "normalisation": choice("pixels 0 to 1, or mean 0 and deviation 1 a channel", "none", "channel", default="channel"),
    "augmentation": choice("of training batches", "none", "crop", "crop_flip", "crop_rotate", default="none"),
    "crop_padding": integer("black pixels around an image that is cropped", 4, minimum=0),
}


ROTATION = 15.0  # degrees, of crop_rotate


class Task(Classification):
    """Classification of one prepared image set.

    Batches hold ``x`` (B, C, H, W), ``label`` (B,) int64 and ``index`` (B,), the position in the prepared set.

    Settings: ``validation``, the share of upstream's training part that is held out, of every class alike
    (stratified); ``split_seed``, ``run`` or a number; ``train_samples``, how many training images to keep, of every
    class alike, or None for all; ``normalisation``, ``none`` (pixels 0 to 1) or ``channel`` (mean 0 and standard
    deviation 1 of each channel over the images trained on); ``augmentation`` of training batches, ``none``, ``crop``
    (a window of the image's size at a random place in the image with ``crop_padding`` black pixels around it),
    ``crop_flip`` (also mirrored left to right, every second one on average) or ``crop_rotate`` (also rotated by up to
    15 degrees either way).

    Args:
        data: the prepared set.
        settings: the plan's ``data`` section.
        seed: the run's seed; draws the split where ``split_seed`` is ``run``.
        batch_size: images in a batch; the last one of a split may be smaller.
        device, dtype: where the images live, and what ``x`` is.
        evaluation: see ``Classification``.

    Attributes:
        inputs: (C, H, W). classes: how many. superclass_of: each class's own, None of a set without.
        mean, std: of each channel (C,), what normalisation used.
    """

    finish_forms: Mapping[str, Form] = {
        "filters": Form("f", "FKHW"),
        "filters_of": Form("i", ""),
        "filters_class": Form("u", "F", below="C"),
    }

    def __init__(
        self,
        data: ImageSet,
        settings: dict,
        seed: int,
        batch_size: int,
        device: str,
        dtype: torch.dtype,
        evaluation: dict | None = None,
    ):
        super().__init__(evaluation)
        self.settings, self.batch_size, self.device, self.dtype = settings, batch_size, device, dtype
        self.inputs = data.shape
        self.classes = len(data.manifest["classes"])
        self.superclass_of = data.manifest.get("superclasses", {}).get("of")
        where = f"data set {data.manifest['dataset']} ({data.manifest['source']})"
        check_labels(int(data.label.min()), int(data.label.max()), self.classes, where)
        self.image_N = torch.from_numpy(data.image).to(device)
        self.label_N = torch.from_numpy(data.label.astype(np.int64)).to(device)
        split_seed = seed if settings["split_seed"] == "run" else settings["split_seed"]
        parts = split_indices(data, settings["validation"], settings["train_samples"], split_seed)
        self.index = {name: torch.from_numpy(part).to(device) for name, part in parts.items()}
        self.mean, self.std = self._statistics() if settings["normalisation"] == "channel" else self._identity()
        self._scale = (1 / (255 * self.std)).to(dtype).view(-1, 1, 1)
        self._shift = (-self.mean / self.std).to(dtype).view(-1, 1, 1)

    def counts(self) -> dict[str, int]:
        """Images in each split."""
        return {name: len(index) for name, index in self.index.items()}

    def epoch(self, generator: torch.Generator) -> Iterator[Batch]:
        """One epoch of training batches in random order, augmented.

        ``generator`` is on the CPU, whatever the device: the same images in the same places everywhere. The order of
        an epoch does not depend on whether there is augmentation.
        """
        train = self.index["train"]
        order = torch.randperm(len(train), generator=generator)
        own = torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))
        for which in order.split(self.batch_size):
            index = train[which.to(self.device)]
            image = self.image_N[index]
            how = self.settings["augmentation"]
            if how != "none":
                image = augment(image, self.settings["crop_padding"], how == "crop_flip", own)
            if how == "crop_rotate":
                image = rotate(image, ROTATION, own)
            yield {"x": self._normalise(image), "label": self.label_N[index], "index": index}

    def in_order(self, name: str) -> Iterator[Batch]:
        """The batches of a split in a fixed order, as they are, for evaluation."""
        for index in self.index[name].split(self.batch_size):
            yield {"x": self._normalise(self.image_N[index]), "label": self.label_N[index], "index": index}

    def finish(self, method: Any, seen: dict[str, Arrays]) -> tuple[dict[str, float], Arrays]:
        """Also the filters of the first layer."""
        metrics, arrays = super().finish(method, seen)
        return metrics, arrays | filters.of_first_layer(method.net, self.inputs, method.class_groups)

    def _normalise(self, image_BCHW: Tensor) -> Tensor:
        return torch.addcmul(self._shift, image_BCHW.to(self.dtype), self._scale)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Of each channel over the images trained on, pixels in 0 to 1, from a histogram: exact on any device."""
        level = torch.arange(256, dtype=torch.float64) / 255
        moments = []
        for channel in self.image_N.unbind(1):
            share = torch.bincount(channel[self.index["train"]].flatten(), minlength=256).cpu().double()
            share /= share.sum()
            mean = share @ level
            moments.append(torch.stack([mean, (share @ (level - mean) ** 2).sqrt()]))
        mean_C, std_C = torch.stack(moments).T.to(torch.float32)
        if not (std_C > 0).all():
            raise FfreproError("a channel of the training images is constant: it cannot be normalised")
        return mean_C.to(self.device), std_C.to(self.device)

    def _identity(self) -> tuple[Tensor, Tensor]:
        return torch.zeros(self.inputs[0], device=self.device), torch.ones(self.inputs[0], device=self.device)


def split_indices(data: ImageSet, validation: float, train_samples: int | None, seed: int) -> dict[str, np.ndarray]:
    """Sorted positions of the train, val and test images.

    Upstream's training part is shuffled class by class; of each class the share ``validation`` (rounded to whole
    images, at least one) is held out. A subset for training is drawn from the rest in the same order, so a larger
    one contains a smaller one, and validation and test stay the same.

    Raises:
        FfreproError: there are fewer training images than ``train_samples``, or a class would have none.
    """
    kept, held = [], []
    for label in np.unique(data.label):
        members = np.flatnonzero((data.label == label) & (data.test == 0))
        order = torch.randperm(len(members), generator=seeds.generator("split", seed, int(label))).numpy()
        cut = max(1, round(len(members) * validation))
        held.append(members[order[:cut]])
        kept.append(members[order[cut:]])
    if train_samples is not None:
        total = sum(map(len, kept))
        if train_samples > total:
            raise FfreproError(
                f"{train_samples:,} training images asked for, there are {total:,}",
                where=f"data set {data.manifest['dataset']} ({data.manifest['source']})",
                fix="lower `train_samples`, or set it to null for all",
            )
        kept = [part[:size] for part, size in zip(kept, shares(list(map(len, kept)), train_samples), strict=True)]
    if not all(map(len, kept)):
        raise FfreproError(
            "a class has no training image left",
            where=f"data set {data.manifest['dataset']} ({data.manifest['source']})",
            fix="raise `train_samples` or lower `validation`",
        )
    return {
        "train": np.sort(np.concatenate(kept)),
        "val": np.sort(np.concatenate(held)),
        "test": np.flatnonzero(data.test == 1),
    }


def shares(sizes: list[int], count: int) -> list[int]:
    """How many of each class ``count`` images of classes of these ``sizes`` are: its share, the remainder to the first
    ones."""
    ends = np.rint(np.cumsum(sizes) * (count / sum(sizes))).astype(int)
    return np.diff(ends, prepend=0).tolist()


def rotate(image_BCHW: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Every image rotated about its centre by a uniform angle of up to ``degrees`` either way.

    A pixel is the nearest one of the image, black where there is none, as torchvision's ``RandomRotation`` does it.

    Args:
        image_BCHW: images of any dtype, 0 black.
        generator: a CPU generator; draws a number an image.
    """
    angle_B = math.radians(degrees) * (2 * torch.rand(len(image_BCHW), generator=generator) - 1)
    cos_B, sin_B = angle_B.cos(), angle_B.sin()
    height, width = image_BCHW.shape[2:]
    zero_B = torch.zeros_like(angle_B)
    # The grid runs from -1 to 1 along either side, however long it is.
    rows_B23 = [[cos_B, -sin_B * height / width, zero_B], [sin_B * width / height, cos_B, zero_B]]
    map_B23 = torch.stack([torch.stack(row, 1) for row in rows_B23], 1).to(image_BCHW.device)
    grid = F.affine_grid(map_B23, list(image_BCHW.shape), align_corners=False)
    out = F.grid_sample(image_BCHW.to(grid.dtype), grid, mode="nearest", padding_mode="zeros", align_corners=False)
    return out.to(image_BCHW.dtype)


def augment(image_BCHW: Tensor, padding: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Every image shifted by up to ``padding`` pixels each way (black comes in) and, with ``flip``, maybe mirrored.

    Args:
        image_BCHW: images of any dtype, 0 black.
        padding: the largest shift, 0 for none.
        flip: mirror left to right with probability 1/2.
        generator: a CPU generator; draws 2 or 3 numbers an image.
    """
    batch, _, height, width = image_BCHW.shape
    device = image_BCHW.device
    row_B, column_B = torch.randint(2 * padding + 1, (2, batch), generator=generator).to(device)
    # Every window of the padded image as a view; one index takes each image's own.
    windows = F.pad(image_BCHW, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    out_BCHW = windows[torch.arange(batch, device=device), :, row_B, column_B]
    if not flip:
        return out_BCHW
    mirrored_B = torch.randint(2, (batch,), generator=generator).bool().to(device)
    return torch.where(mirrored_B.view(-1, 1, 1, 1), out_BCHW.flip(3), out_BCHW)
