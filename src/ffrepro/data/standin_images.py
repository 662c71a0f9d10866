"""Stand-ins for MNIST, CIFAR-10 and CIFAR-100: upstream's files and formats, made-up images.

A class is a bright bar of its own slope; in colour images a class also has a hue of its own. Every image shifts its
bar and adds noise, so that a net has something to learn and can still be wrong. The bytes are the same on every
machine (``standin_bytes``).
"""

from __future__ import annotations

import pickle
import struct

import numpy as np

from ffrepro.data import cifar10, cifar100, mnist
from ffrepro.data.images import ImageSpec
from ffrepro.data.standin_bytes import PROVENANCE, gzip_stored, tar_gz
from ffrepro.data.standin_motion import generator

__all__ = [
    "PROVENANCE",
    "cifar10_archive",
    "cifar100_archive",
    "draw",
    "mnist_test_images",
    "mnist_test_labels",
    "mnist_train_images",
    "mnist_train_labels",
]  # fmt: skip

COUNTS = {"train": 300, "test": 100}
_NOISE = 24.0  # standard deviation, grey levels
_SIDE = 32  # pixels; bars are wider in larger images
_ROOT, _ROOT_100 = "cifar-10-batches-py", "cifar-100-python"


def mnist_train_images() -> bytes:
    """Stand-in for train-images-idx3-ubyte.gz."""
    return _idx(draw(mnist.SPEC, "train")[0][:, 0])


def mnist_train_labels() -> bytes:
    """Stand-in for train-labels-idx1-ubyte.gz."""
    return _idx(draw(mnist.SPEC, "train")[1])


def mnist_test_images() -> bytes:
    """Stand-in for t10k-images-idx3-ubyte.gz."""
    return _idx(draw(mnist.SPEC, "test")[0][:, 0])


def mnist_test_labels() -> bytes:
    """Stand-in for t10k-labels-idx1-ubyte.gz."""
    return _idx(draw(mnist.SPEC, "test")[1])


def cifar10_archive() -> bytes:
    """Stand-in for cifar-10-python.tar.gz: five training batches, a test batch, and the class names."""
    images, labels = draw(cifar10.SPEC, "train")
    parts = zip(np.split(images, 5), np.split(labels, 5), strict=True)
    members = {f"data_batch_{number}": _batch(*part) for number, part in enumerate(parts, start=1)}
    members["test_batch"] = _batch(*draw(cifar10.SPEC, "test"))
    members["batches.meta"] = _pickle({"label_names": list(cifar10.SPEC.classes), "num_vis": 3072})
    return tar_gz({f"{_ROOT}/{name}": content for name, content in members.items()})


def cifar100_archive() -> bytes:
    """Stand-in for cifar-100-python.tar.gz: a batch a part and the names; five classes after another a superclass."""
    members = {"meta": _pickle({
        "fine_label_names": list(cifar100.SPEC.classes),
        "coarse_label_names": [f"superclass_{number}" for number in range(20)],
    })}  # fmt: skip
    for part in COUNTS:
        images, labels = draw(cifar100.SPEC, part)
        batch = {"data": images.reshape(len(images), -1), "fine_labels": labels.tolist()}
        members[part] = _pickle(batch | {"coarse_labels": (labels // 5).tolist()})
    return tar_gz({f"{_ROOT_100}/{name}": content for name, content in members.items()})


def draw(spec: ImageSpec, part: str, counts: dict[str, int] = COUNTS) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, C, H, W) and labels uint8 (N,) of a part, the classes equally often, in mixed order."""
    rng = generator(f"images/{spec.name}/{part}")
    channels, height, width = spec.shape
    label = rng.permutation(np.arange(counts[part]) % len(spec.classes)).astype(np.uint8)
    angle = np.pi * label / len(spec.classes)
    scale = max(1, height / _SIDE)
    shift = scale * rng.uniform(-4, 4, len(label))
    y, x = np.mgrid[:height, :width] - (height - 1) / 2
    across = x * np.sin(angle)[:, None, None] + y * np.cos(angle)[:, None, None] - shift[:, None, None]
    bar = np.exp(-((across / (2.5 * scale)) ** 2))
    hue = 0.6 + 0.4 * np.cos(2 * angle[:, None] + 2 * np.pi * np.arange(channels) / max(channels, 2))
    image = 230 * bar[:, None] * hue[:, :, None, None] + rng.normal(0, _NOISE, (len(label), *spec.shape))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), label


def _idx(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip_stored(header + np.ascontiguousarray(values).tobytes())


def _batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    return _pickle({"data": images.reshape(len(images), -1), "labels": labels.tolist()})


def _pickle(value: dict) -> bytes:
    return pickle.dumps(value, protocol=2)
