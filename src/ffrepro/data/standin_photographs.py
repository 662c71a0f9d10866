"""Stand-ins for the archives of photographs: upstream's folders and JPEG files, made-up images.

Their bytes are the same wherever Pillow's JPEG library is of one version.
"""

from __future__ import annotations

import io

from ffrepro.data import imagenette
from ffrepro.data.image_folders import PARTS
from ffrepro.data.standin_bytes import PROVENANCE, tar_gz
from ffrepro.data.standin_images import draw

__all__ = ["PROVENANCE", "subset", "whole"]

COUNTS = {"train": 60, "test": 20}
_QUALITY = 90


def whole() -> bytes:
    """Stand-in for imagenette2-320.tgz."""
    return _archive("imagenette2-320")


def subset() -> bytes:
    """Stand-in for imagenette2-224-subset.tgz."""
    return _archive("imagenette2-224-subset")


def _archive(root: str) -> bytes:
    from PIL import Image  # not a module that training needs

    spec, members = imagenette.SPEC, {}
    for folder, part in PARTS.items():
        for number, (image, label) in enumerate(zip(*draw(spec, part, COUNTS), strict=True)):
            file = io.BytesIO()
            Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=_QUALITY)
            name = f"{spec.folders[label]}_{number}.JPEG"
            members[f"{root}/{folder}/{spec.folders[label]}/{name}"] = file.getvalue()
    return tar_gz(members)
