"""The image family: what its data sets declare, and preparing one from upstream's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ffrepro.base.errors import FfreproError
from ffrepro.data import image_files, image_folders, prepared
from ffrepro.data.image_set import FORMAT, ImageSet, arrays_of, load
from ffrepro.data.provenance import of_archives

__all__ = ["ImageSet", "ImageSpec", "load", "prepare"]

Part = tuple[np.ndarray, np.ndarray]  # images (N, C, H, W), labels (N,)


@dataclass(frozen=True)
class ImageSpec:
    """One data set of the family.

    Attributes:
        name: the module's name.
        title: the name in the papers' tables.
        form: upstream's format: ``idx`` (four files: images and labels of the training and the test part), ``cifar``
            or ``cifar100`` (one archive of pickles), ``folders`` (one archive of photographs, a folder a class).
        shape: (C, H, W) of an image.
        classes: names of the labels 0, 1, ...
        train_count, test_count: images upstream.
        licence, citation: one sentence each, for people.
        folders: of the classes, where the form has them; else empty.
    """

    family: ClassVar[str] = "images"

    name: str
    title: str
    form: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    licence: str
    citation: str
    folders: tuple[str, ...] = ()


def prepare(spec: ImageSpec, *archive_paths: str | Path, out: str | Path) -> dict[str, Any]:
    """Turn upstream's files into ``out`` (.npz) and the manifest beside it.

    Args:
        spec: the data set.
        archive_paths: its archives in the order of ``ffrepro.data.archives``, each with its record ``<file>.json``.
        out: the .npz to write.

    Returns:
        The manifest: ``format, dataset, title, source, archive`` (see ``ffrepro.data.provenance``), ``licence,
        citation, classes, shape, counts, upstream_counts, per_class`` ({train, test: images of each class}), ``mean,
        std`` (a channel each, of the whole training part, pixels in 0 to 1), ``bad`` (always empty: an image file has
        no unusable samples), ``warnings, fingerprint``; ``notes``, what a mirror put beside upstream's files, and of
        photographs how many were resized; of a set that has them ``superclasses``: their ``names`` and ``of``, the
        index of each class's own.

    Raises:
        FfreproError: a file without record, a damaged file, images and labels that do not match; then nothing is
            written.
    """
    paths = [Path(path) for path in archive_paths]
    records = [prepared.provenance(path, spec.name) for path in paths]
    read = {"idx": _read_idx, "cifar": _read_cifar, "cifar100": _read_cifar, "folders": _read_folders}[spec.form]
    parts, also = read(spec, *paths)
    data = ImageSet(
        image=np.concatenate([images for images, _ in parts.values()]),
        label=np.concatenate([labels for _, labels in parts.values()]).astype(np.uint8),
        test=np.repeat(np.array([0, 1], np.uint8), [len(labels) for _, labels in parts.values()]),
        manifest={},
    )
    data.manifest.update(_describe(spec, of_archives(spec.name, records), data) | {"notes": {}} | also)
    prepared.save(out, arrays_of(data), data.manifest)
    return data.manifest


def _read_idx(spec: ImageSpec, *paths: Path) -> tuple[dict[str, Part], dict]:
    parts = {}
    for name, images_path, labels_path in (("train", paths[0], paths[1]), ("test", paths[2], paths[3])):
        images, labels = image_files.read_idx(images_path, 3)[:, None], image_files.read_idx(labels_path, 1)
        if len(images) != len(labels):
            raise FfreproError(
                f"{images_path.name} has {len(images):,} images, {labels_path.name} {len(labels):,} labels",
                where=f"{images_path} and {labels_path.name}",
                fix=f"delete both files and fetch them again: ffrepro fetch {spec.name}",
            )
        _check(spec, images_path, images, labels_path, labels)
        parts[name] = images, labels.astype(np.int64)
    return parts, {}


def _read_cifar(spec: ImageSpec, path: Path) -> tuple[dict[str, Part], dict]:
    content = image_files.read_cifar(path, spec.shape, image_files.CIFAR_LAYOUTS[spec.form])
    if tuple(content["classes"]) != spec.classes:
        raise image_files.damaged(path, f"its classes are {', '.join(content['classes'])}")
    parts = {name: content[name] for name in ("train", "test")}
    for images, labels in parts.values():
        _check(spec, path, images, path, labels)
    superclasses = content["superclasses"]
    return parts, {"notes": content["notes"]} | ({"superclasses": superclasses} if superclasses else {})


def _read_folders(spec: ImageSpec, path: Path) -> tuple[dict[str, Part], dict]:
    content = image_folders.read(path, spec.shape, spec.folders)
    return {name: content[name] for name in ("train", "test")}, {"notes": {"sizes": content["sizes"]}}


def _check(spec: ImageSpec, images_path: Path, images: np.ndarray, labels_path: Path, labels: np.ndarray) -> None:
    if not len(images):
        raise image_files.damaged(images_path, "no images")
    if images.shape[1:] != spec.shape:
        raise image_files.damaged(images_path, f"images of {images.shape[1:]}, {spec.title} has {spec.shape}")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(spec.classes)))
    if len(wrong):
        raise image_files.damaged(
            labels_path, f"label {labels[wrong[0]]} of image {wrong[0]}, there are {len(spec.classes)} classes"
        )


def _describe(spec: ImageSpec, archive: dict[str, Any], data: ImageSet) -> dict[str, Any]:
    train, test = data.test == 0, data.test == 1
    counts = {"train": int(train.sum()), "test": int(test.sum())}
    upstream = {"train": spec.train_count, "test": spec.test_count}
    mean, std = pixel_statistics(data.image[train])
    return {
        **prepared.origin(spec, archive, FORMAT),
        "citation": spec.citation,
        "classes": list(spec.classes),
        "shape": list(spec.shape),
        "counts": counts,
        "upstream_counts": upstream,
        "per_class": {
            name: np.bincount(data.label[part], minlength=len(spec.classes)).tolist()
            for name, part in (("train", train), ("test", test))
        },
        "mean": [round(float(value), 6) for value in mean],
        "std": [round(float(value), 6) for value in std],
        "bad": [],
        "warnings": prepared.count_warnings(counts, upstream, archive["source"], "images"),
        "fingerprint": prepared.fingerprint(arrays_of(data)),
    }


def pixel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over all pixels of uint8 images (N, C, H, W), scaled to 0 to 1.

    Counted from a histogram: exact, and no float copy of the images is made.
    """
    level = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.shape[1]):
        share = np.bincount(images[:, channel].ravel(), minlength=256) / images[:, channel].size
        mean.append(share @ level)
        std.append(np.sqrt(share @ (level - mean[-1]) ** 2))
    return np.array(mean), np.array(std)
