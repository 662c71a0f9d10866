"""Imagenette: photographs of ten easily told classes of ImageNet, resized to 224 x 224 RGB (Howard 2019)."""

from ffrepro.data.images import ImageSpec

SPEC = ImageSpec(
    name="imagenette",
    title="Imagenette",
    form="folders",
    shape=(3, 224, 224),
    classes=(
        "tench", "English springer", "cassette player", "chain saw", "church",
        "French horn", "garbage truck", "gas pump", "golf ball", "parachute",
    ),
    train_count=9469,
    test_count=3925,
    licence="Apache 2.0 for the list; the photographs keep the terms of ImageNet (research and education)",
    citation="J. Howard: Imagenette, a smaller subset of 10 easily classified classes from ImageNet, 2019.",
    folders=(
        "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
        "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
    ),
)  # fmt: skip
