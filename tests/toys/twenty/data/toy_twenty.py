"""Twenty classes of small images: each with a bright pixel of its own."""

from types import SimpleNamespace

import numpy as np

from ffrepro.data.image_set import ImageSet, arrays_of, load
from ffrepro.data.prepared import fingerprint, save

SPEC = SimpleNamespace(family="toy_twenty")
CLASSES, SIDE = 20, 8
__all__ = ["SPEC", "load", "prepare"]


def prepare(path, per_class=30):
    """Write the prepared set: of each class two thirds for training."""
    random = np.random.default_rng(0)
    label = np.tile(np.arange(CLASSES, dtype=np.uint8), per_class)
    image = random.integers(0, 60, (len(label), 1, SIDE, SIDE), dtype=np.uint8)
    image[np.arange(len(label)), 0, 4 + label // SIDE, label % SIDE] = 255  # below the pixels that may hold a label
    test = (np.arange(len(label)) >= CLASSES * per_class * 2 // 3).astype(np.uint8)
    manifest = {
        "dataset": "toy_twenty", "source": "standin", "format": 1, "archive": {},
        "classes": [str(number) for number in range(CLASSES)],
    }  # fmt: skip
    data = ImageSet(image, label, test, manifest)
    manifest["fingerprint"] = fingerprint(arrays_of(data))
    save(path, arrays_of(data), manifest)
