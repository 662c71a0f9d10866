"""A prepared image data set: its arrays, and how they are stored (``ffrepro.data.prepared``)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffrepro.data import prepared

FORMAT = 1  # raise it when the arrays or their meaning change
_ARRAYS = {"image": (np.uint8, 4), "label": (np.uint8, 1), "test": (np.uint8, 1)}


@dataclass(frozen=True)
class ImageSet:
    """N images, the training part first, each part in upstream's order.

    Attributes:
        image: uint8 (N, C, H, W), as upstream has them, 0 to 255.
        label: uint8 (N,), index in ``manifest["classes"]``.
        test: uint8 (N,), 1 for the test part, 0 for the training part.
        manifest: see ``ffrepro.data.images.prepare``.
    """

    image: np.ndarray
    label: np.ndarray
    test: np.ndarray
    manifest: dict[str, Any]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return tuple(self.image.shape[1:])

    def verify(self) -> None:
        """Compare the arrays with the manifest's fingerprint.

        Raises:
            FfreproError: they differ.
        """
        prepared.verify(arrays_of(self), self.manifest)


def arrays_of(data: ImageSet) -> dict[str, np.ndarray]:
    """The arrays as they are stored."""
    return {name: np.ascontiguousarray(getattr(data, name), np.uint8) for name in _ARRAYS}


def load(path: str | Path, *, verify: bool = False) -> ImageSet:
    """Read a prepared data set; needs numpy only.

    Args:
        path: the .npz; its manifest is beside it.
        verify: also compute the fingerprint and compare (costs a hash of all arrays).

    Raises:
        FfreproError: a file is missing, damaged, of another format version, or the two do not belong together.
    """
    arrays, manifest = prepared.load(path, _ARRAYS, FORMAT)
    if not len(arrays["image"]) == len(arrays["label"]) == len(arrays["test"]):
        raise prepared.damaged(path, "images, labels and parts differ in number")
    data = ImageSet(**arrays, manifest=manifest)
    if verify:
        data.verify()
    return data
