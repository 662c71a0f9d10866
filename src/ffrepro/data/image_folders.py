"""The upstream format of Imagenette: an archive of JPEG files, ``<root>/<part>/<class>/<name>.JPEG``."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ffrepro.data import unpack
from ffrepro.data.image_files import damaged

PARTS = {"train": "train", "val": "test"}  # upstream's folder -> part here
_ENDINGS = (".jpeg", ".jpg")
_MAX_SIDE = 1 << 13  # pixels; the largest photograph of ImageNet has 9,331 in one direction


def read(path: str | Path, shape: tuple[int, int, int], folders: tuple[str, ...]) -> dict[str, Any]:
    """The photographs of an archive, resized to one size.

    Decoded and resized by Pillow (bilinear with antialiasing, both sides to the size asked for, whatever the image's
    own ratio): pixels may differ by a level between versions of its JPEG library.

    Args:
        path: the archive.
        shape: (C, H, W) that images get.
        folders: names of the classes' folders, the place in it being the label.

    Returns:
        ``train`` and ``test``: (images (N, C, H, W), labels (N,)) as uint8 and int64, by the files' names; ``sizes``:
        how many images were of (C, H, W) already, and of how many.

    Raises:
        FfreproError: a truncated, corrupt or unsafe archive, a file that is no photograph, a folder of no class.
    """
    path = Path(path)
    found: dict[str, list[tuple[str, int, np.ndarray]]] = {part: [] for part in PARTS.values()}
    as_they_are = 0
    for member, content in unpack.members(path, lambda name: name.lower().endswith(_ENDINGS)):
        place = PurePosixPath(member).parts[-3:-1]
        if len(place) < 2 or place[0] not in PARTS:
            raise damaged(path, f"{member!r} lies in neither of the folders {' and '.join(PARTS)}")
        if place[1] not in folders:
            raise damaged(path, f"{member!r} lies in the folder of no class")
        image, resized = _decode(path, member, content, shape)
        as_they_are += not resized
        found[PARTS[place[0]]].append((member, folders.index(place[1]), image))
    content: dict[str, Any] = {}
    for part, entries in found.items():
        if not entries:
            raise damaged(path, f"no {part} images")
        entries.sort(key=lambda entry: entry[0])
        content[part] = np.stack([image for _, _, image in entries]), np.array([label for _, label, _ in entries])
    total = sum(map(len, found.values()))
    return content | {"sizes": {"as_they_are": as_they_are, "resized": total - as_they_are}}


def _decode(path: Path, member: str, content: bytes, shape: tuple[int, int, int]) -> tuple[np.ndarray, bool]:
    from PIL import Image  # not a module that training needs

    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if max(image.size) > _MAX_SIDE:
                raise damaged(
                    path, f"{member!r} has {image.size[0]} x {image.size[1]} pixels, at most {_MAX_SIDE} a side"
                )
            colours = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise damaged(path, f"{member!r} is no usable photograph ({error})") from error
    size = (shape[2], shape[1])
    resized = colours.size != size
    if resized:
        colours = colours.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(colours, np.uint8).transpose(2, 0, 1), resized
