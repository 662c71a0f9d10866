"""MNIST: handwritten digits, 28 x 28 grey (LeCun et al. 1998)."""

from ffrepro.data.images import ImageSpec

SPEC = ImageSpec(
    name="mnist",
    title="MNIST",
    form="idx",
    shape=(1, 28, 28),
    classes=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
    train_count=60000,
    test_count=10000,
    licence="none stated upstream; commonly given as CC BY-SA 3.0",
    citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
    "Proceedings of the IEEE 86(11), 1998.",
)
