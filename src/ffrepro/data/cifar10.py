"""CIFAR-10: photographs of ten kinds of objects, 32 x 32 RGB (Krizhevsky 2009)."""

from ffrepro.data.images import ImageSpec

SPEC = ImageSpec(
    name="cifar10",
    title="CIFAR-10",
    form="cifar",
    shape=(3, 32, 32),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    train_count=50000,
    test_count=10000,
    licence="none stated upstream; the authors ask for a citation",
    citation="A. Krizhevsky: Learning multiple layers of features from tiny images. Technical report, University of "
    "Toronto, 2009.",
)
