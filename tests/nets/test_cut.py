"""Cuts: where they are, what a block's activations are replaced by, which cuts are valid."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.nets import auto_cut
from ffrepro.nets.cut import Cut, as_cut
from ffrepro.nets.cut_check import examine


class Residual(nn.Module):
    """x + b(relu(a(x)))."""

    def __init__(self, width=6):
        super().__init__()
        self.a, self.b = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return x + self.b(F.relu(self.a(x)))


class Net(nn.Module):
    """A stem, two residual blocks and a classifier; dropout, BatchNorm and a generator of its own."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
        self.layer1 = nn.Sequential(Residual(), Residual())
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(6, 3)
        self.noise = torch.Generator().manual_seed(3)

    def forward(self, x):
        x = self.stem(x)
        x = x + 0.01 * torch.randn(x.shape, generator=self.noise)
        return self.fc(self.drop(self.layer1(x)))


def net(seed=0):
    torch.manual_seed(seed)
    return Net()


X = torch.arange(20.0).view(5, 4).sin()
AT = ["stem", "layer1.0", "layer1.1"]


def test_a_block_gets_what_it_is_given_in_place_of_the_activations_below():
    model = net().eval()
    cut, seen = Cut(model, AT), []

    def double(index, h):
        seen.append((index, h))
        return 2 * h

    model.noise.manual_seed(3)
    out = cut.run(X, double)
    model.noise.manual_seed(3)
    stem = model.stem(X)
    below = 2 * stem + 0.01 * torch.randn(stem.shape, generator=model.noise)
    assert [index for index, _ in seen] == [0, 1, 2] and torch.equal(seen[0][1], stem)
    assert torch.equal(out, model.fc(2 * model.layer1[1](2 * model.layer1[0](below))))
    assert not any(module._forward_hooks for module in model.modules())


def test_without_a_head_what_comes_behind_the_last_cut_is_not_run():
    model = net()
    model.fc.forward = None  # calling it would fail
    assert Cut(model, AT).run(X, lambda _, h: h.detach(), head=False) is None
    assert not any(module._forward_hooks for module in model.modules())


def test_the_check_counts_and_leaves_the_model_as_it_was():
    model = net()
    model.fc.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    own, common = model.noise.get_state(), torch.get_rng_state()
    cut = Cut(model, [AT[2], AT[0], AT[1]])  # any order
    anatomy = examine(cut, X)
    assert cut.at == AT and anatomy.shapes == [(6,)] * 3 and anatomy.out == (3,)
    parts = [model.stem, *model.layer1, model.fc]
    for parameters, part in zip(anatomy.parameters, parts, strict=True):
        assert {id(p) for p in parameters} == {id(p) for p in part.parameters()}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(own, model.noise.get_state()) and torch.equal(common, torch.get_rng_state())
    assert modes == [module.training for module in model.modules()]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_skip_across_a_cut_is_refused_with_a_cut_that_is_valid():
    with pytest.raises(FfreproError) as error:
        examine(Cut(net(), ["layer1.0.a", "layer1.0", "layer1.1"]), X)  # the stem's output bypasses `a`
    assert error.value.where == "at, stem.0"
    assert str(["layer1.0", "layer1.1"]) in error.value.fix
    examine(Cut(net(), ["layer1.0", "layer1.1"]), X)
    examine(Cut(net(), ["stem", "layer1.0.a", "layer1.0"]), X)  # nothing learns on both sides of this one


@pytest.mark.parametrize(("at", "valid"), [
    (["layer1.0.a"], ["layer1.0"]),
    (["layer1.1.a"], ["layer1.1"]),
    (["layer1.1.a", "layer1.0.a"], ["layer1.0", "layer1.1.a"]),  # `layer1.1.a` is no longer bypassed
    (["layer1.0.a", "layer1"], ["layer1.0", "layer1"]),
])  # fmt: skip
def test_a_place_inside_a_residual_block_is_refused_with_the_end_of_that_block(at, valid):
    with pytest.raises(FfreproError) as error:
        examine(Cut(net(), at), X)
    assert str(valid) in error.value.fix
    examine(Cut(net(), valid), X)


def test_a_parameter_that_no_loss_reaches_is_refused_unless_it_is_frozen():
    model = net()
    model.unused = nn.Linear(2, 2)
    with pytest.raises(FfreproError) as error:
        examine(Cut(model, AT), X)
    assert error.value.where == "at, unused"
    model.unused.requires_grad_(False)
    examine(Cut(model, AT), X)


@pytest.mark.parametrize(("at", "where"), [
    (["stem", "shared"], "at, shared"),  # twice in a pass
    (["stem", "never"], "at, never"),
    (["stem", "layer2"], "at"),
    (["stem", "stem"], "at"),
    ([], "at"),
])  # fmt: skip
def test_places_that_cannot_end_a_block(at, where):
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.shared, self.never = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return self.shared(self.shared(self.stem(x)))

    with pytest.raises(FfreproError) as error:
        examine(Cut(Other(), at), X)
    assert error.value.where == where


def test_weights_may_be_shared_inside_a_block_and_not_between_blocks():
    shared = nn.Linear(4, 4)
    inside = nn.Sequential(nn.Sequential(shared, nn.ReLU(), shared), nn.Linear(4, 3))
    assert len(examine(Cut(inside, ["0"]), X).parameters[0]) == 2
    between = nn.Sequential(nn.Sequential(shared, nn.ReLU()), nn.Sequential(shared, nn.ReLU()), nn.Linear(4, 3))
    with pytest.raises(FfreproError):
        examine(Cut(between, ["0", "1"]), X)


def test_what_is_changed_in_place_behind_a_cut_is_found():
    model = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True), nn.Linear(4, 4), nn.Linear(4, 3))
    assert examine(Cut(model, ["1", "3"]), X).in_place == [True, False]


def test_outputs_of_several_tensors_pass_on_detached():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x):
            return {"y": self.a(x), "rest": (self.a(x), None)}

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair, self.fc = Pair(), nn.Linear(8, 3)

        def forward(self, x):
            out = self.pair(x)
            return self.fc(torch.cat([out["y"], out["rest"][0]], 1))

    model = Reader()
    out = Cut(model, ["pair"]).run(X, lambda _, h: h.detach())
    out.sum().backward()
    assert model.pair.a.weight.grad is None and model.fc.weight.grad is not None


class Dense(nn.Module):
    """The structure of a DenseNet, without its layers."""

    def __init__(self):
        super().__init__()
        names = ["conv0", "pool0", "denseblock1", "transition1", "denseblock2", "norm5"]
        self.features = nn.Sequential()
        for name in names:
            self.features.add_module(name, nn.Sequential(nn.Linear(4, 4)))


class Features(nn.Module):
    def __init__(self, *stages):
        super().__init__()
        self.features = nn.Sequential(*stages)


def conv(*then):
    return [nn.Conv2d(3, 3, 3), *then]


@pytest.mark.parametrize(("model", "expected"), [
    (nn.Sequential(*conv(nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)), *conv(nn.ReLU()), nn.Flatten(), nn.Dropout(),
                   nn.Linear(3, 2)), ["3", "5"]),
    (net(), ["stem", "layer1.0", "layer1.1"]),
    (Dense(), [f"features.{name}" for name in ("pool0", "denseblock1", "transition1", "denseblock2")]),
    (Features(*conv(nn.ReLU()), *conv(nn.ReLU(), nn.AdaptiveAvgPool2d(1))), ["features.1", "features.3"]),
    (Features(nn.Sequential(*conv()), nn.Sequential(Residual(), Residual()), nn.Sequential(*conv())),
     ["features.0", "features.1.0", "features.1.1", "features.2"]),
])  # fmt: skip
def test_families_are_cut_by_their_structure(model, expected):
    assert auto_cut.places(model) == expected


def test_an_unknown_structure_is_refused_and_a_function_can_say_where():
    model = Residual()
    with pytest.raises(FfreproError) as error:
        auto_cut.places(model)
    assert error.value.where == "at"
    assert auto_cut.matching(net(), lambda name, module: isinstance(module, Residual)) == ["layer1.0", "layer1.1"]
    with pytest.raises(FfreproError):
        auto_cut.matching(model, lambda name, module: False)
    with pytest.raises(FfreproError):
        as_cut(model)
