"""Claims 094 and 106: what the first layer learns without a normalisation, and what a normalisation costs."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ffrepro.core import normalisation, seeds
from ffrepro.methods import ff_rnn
from ffrepro.nets import build
from ffrepro.training import memory

NET = {"name": "rnn", "hidden": 96, "layers": 3}
DEFAULTS = {key: declared.default for key, declared in ff_rnn.SETTINGS.items()}
EACH_VALUE = {  # operations on each value that comes in; what is left out works on a row or a column
    "aten::linalg_vector_norm": 2, "aten::sum": 1, "aten::sub_": 1, "aten::mul_": 1, "aten::addcmul_": 2,
}  # fmt: skip


def batch(samples=40, steps=20):
    x = torch.randn(steps, samples, 2, generator=torch.Generator().manual_seed(0))
    return {"x": x, "label": torch.arange(samples) % 2}


def method(norm, gradient="closed_form", width=NET["hidden"]):
    generator = seeds.generator("test")
    net = build({**NET, "hidden": width, "init": "xavier_normal"}, 2, 2, generator)
    return ff_rnn.Method(net, DEFAULTS | {"norm": norm, "gradient": gradient}, batch(), generator, 1e-3)


def test_the_first_layer_learns_the_same_whatever_normalisation_stands_behind_it():
    found = {}
    for norm in ("rms", "standardize"):
        own = method(norm)
        for _ in range(3):
            own.step(batch())
        found[norm] = own
    first, second = ([*one.net.blocks[0].parameters()] for one in found.values())
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    upper = [next(iter(one.net.blocks[1].parameters())) for one in found.values()]
    assert not torch.equal(*upper)


def test_the_first_layers_goodness_is_the_squared_length_of_its_activities():
    own, given = method("standardize"), batch()
    h_TBH, _ = own.net.blocks[0](given["x"])
    length_TB = torch.linalg.vector_norm(h_TBH, dim=-1)
    torch.testing.assert_close(own.evaluate_batch(given)["goodness"][:, 0], length_TB.square().mean(0).detach())


class Operations(TorchDispatchMode):
    """Counts the operations on whole tensors of states."""

    def __init__(self, values):
        super().__init__()
        self.values, self.count = values, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        size = max((arg.numel() for arg in args if isinstance(arg, torch.Tensor)), default=0)
        if size >= self.values and func.name().split(".")[0] in EACH_VALUE:
            self.count += EACH_VALUE[func.name().split(".")[0]] * size
        return func(*args, **(kwargs or {}))


def operations(normalise):
    """Operations a value that a normalisation of states does."""
    h_TBH = torch.rand(20, 6, 96)
    with Operations(h_TBH[0].numel()) as counted:
        normalise(h_TBH)
    return counted.count / h_TBH.numel()


def test_standardising_takes_five_operations_a_value_where_rms_takes_three():
    assert operations(lambda h: normalisation.rms(h, 1e-5, "inside_root", in_place=True)) == 3
    assert operations(lambda h: normalisation.standardize_sample(h, 1e-5, None, in_place=True)) == pytest.approx(5)


PLAIN = {  # as one would write them, with tensors of their own for every broadcast
    "rms": lambda h_TBH, mask_TB: h_TBH / (h_TBH.square().mean(-1, keepdim=True) + 1e-5).sqrt(),
    "standardize": lambda h_TBH, mask_TB: (h_TBH - h_TBH.mean(0)) / (h_TBH.std(0, correction=0) + 1e-5),
}


@pytest.mark.parametrize("plain", [False, True])
def test_the_peak_of_a_step_is_the_same_with_either_normalisation(plain, monkeypatch):
    given = batch(60, 40)

    def maker(norm):
        def make():
            own = method(norm, "autograd")
            if plain:
                monkeypatch.setattr(own, "_normalise", PLAIN[norm])
            return lambda: own.step(given)

        return make

    found = memory.peaks({norm: maker(norm) for norm in PLAIN}, "cpu")
    assert found["rms"] == found["standardize"] > 2 * 4 * given["x"].shape[0] * given["x"].shape[1] * NET["hidden"]
