"""Small image sets in upstream's formats, written by hand and not by the project's own stand-in."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile

import numpy as np

from ffrepro.base import files

MNIST_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def record(path, source="upstream", provenance="made for a test"):
    """Put a provenance record beside a file."""
    files.write_json(
        path.with_name(path.name + ".json"),
        {
            "archive": "a", "file": path.name, "source": source, "from": "mirror", "location": f"mirror/{path.name}",
            "sha256": files.sha256_file(path), "bytes": path.stat().st_size, "provenance": provenance,
            "fetched": "2020-01-01T00:00:00+00:00",
        },
    )  # fmt: skip
    return path


def idx(values):
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def mnist(folder, train=30, test=10, **changed):
    """The four files and their content; ``changed`` replaces a file's uncompressed content, or its bytes if raw."""
    rng = np.random.default_rng(1)
    arrays = []
    for count in (train, test):
        arrays.append(rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        arrays.append(np.arange(count, dtype=np.uint8) % 10)
    paths = []
    for key, name, values in zip(("xtrain", "ytrain", "xtest", "ytest"), MNIST_FILES, arrays, strict=True):
        path = folder / f"{name}.gz"
        path.write_bytes(changed.get(f"{key}_raw") or gzip.compress(changed.get(key, idx(values))))
        paths.append(record(path))
    return paths, arrays


def cifar(folder, batches=None, per_batch=10, extra=None):
    """``cifar-10-python.tar.gz`` and its content by batch; ``batches`` replaces or (None) removes members."""
    rng = np.random.default_rng(2)
    content = {}
    for name in (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"):
        data = rng.integers(0, 256, (per_batch, 3072), dtype=np.uint8)
        content[name] = {"data": data, "labels": [int(i) for i in rng.permutation(per_batch) % 10]}
    classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    content["batches.meta"] = {"label_names": classes}
    content |= batches or {}
    path = folder / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, value in {**content, **(extra or {})}.items():
            if value is None:
                continue
            packed = value if isinstance(value, bytes) else pickle.dumps(value, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(packed)
            tar.addfile(info, io.BytesIO(packed))
    return record(path), content
