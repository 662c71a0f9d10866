"""A part of Imagenette, 224 x 224 RGB: 120 training and 80 validation images a class, drawn at random."""

from dataclasses import replace

from ffrepro.data import imagenette

SPEC = replace(
    imagenette.SPEC,
    name="imagenette_subset",
    title="Imagenette, 2,000 images",
    train_count=1200,
    test_count=800,
)
