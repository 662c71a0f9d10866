"""No gradient is computed with respect to an input that nothing learns from."""

import pytest
from helpers.method_cases import build, make_images
from torch.utils._python_dispatch import TorchDispatchMode

MASKED = ("aten.convolution_backward", "aten.native_batch_norm_backward")


class Asked(TorchDispatchMode):
    """Whether each backward call of a layer was asked for the gradient of its input, in order."""

    def __init__(self):
        super().__init__()
        self.of = {name: [] for name in MASKED}
        self.products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func).removesuffix(".default")
        if name in MASKED:
            self.of[name].append(args[-1][0])
        self.products += name == "aten.mm"
        return func(*args, **(kwargs or {}))


def asked(case, **changed):
    method, batch = build(case, **changed), make_images()
    method.step(batch)  # workspace and optimizers' state are there
    with Asked() as seen:
        method.step(batch)
    return seen


def test_convolutions_of_pairs_give_gradients_of_their_weights_alone():
    seen = asked("ff convolutions closed form", gradient="autograd")
    assert seen.of["aten.convolution_backward"] == [False, False]


@pytest.mark.parametrize(
    ("case", "inside"), [("cwc simultaneous", 0), ("cwc greedy", 0), ("cwc chunked", 1), ("cwc overlapping", 2)]
)
def test_only_layers_inside_a_group_pass_a_gradient_down(case, inside):
    """Three layers: chunks (1, 2) and (3); overlapping groups (1, 2) and (2, 3). BatchNorm's own parameters need what a
    convolution sends to its input; what BatchNorm sends on is needed within a group only."""
    seen = asked(case, head="after")
    assert sum(seen.of["aten.native_batch_norm_backward"]) == inside
    assert len(seen.of["aten.native_batch_norm_backward"]) == 3 + (case == "cwc overlapping")


@pytest.mark.parametrize("layers", [2, 5])
def test_linear_layers_of_pairs_multiply_no_more_than_their_weights_gradient_takes(layers):
    """Backward: one product a layer. Forward adds a bias and is no plain product."""
    assert asked("ff", layers=layers, head="after").products == layers
