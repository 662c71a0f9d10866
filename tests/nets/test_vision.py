"""torchvision's nets are cut into blocks whose parameters one loss each reaches, with torchvision's own definitions."""

from __future__ import annotations

import pytest
import torch

from ffrepro import nets
from ffrepro.base.errors import FfreproError
from ffrepro.data.vision import torchvision
from ffrepro.nets.cut_check import examine

SETTINGS = {
    "name": "vision", "model": "resnet18", "stem_kernel": "own", "stem_stride": "kept", "stem_pool": "kept",
    "norm_momentum": "own", "cut": "blocks", "weights": "drawn",
}  # fmt: skip


def built(inputs=(3, 32, 32), seed=0, **changed):
    return nets.build(SETTINGS | changed, inputs, 10, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("model", "cut", "blocks"),
    [
        ("resnet18", "layers", 17), ("resnet18", "blocks", 9), ("resnet18", "stages", 5), ("resnet18", "whole", 1),
        ("mobilenet_v3_small", "layers", 43), ("mobilenet_v3_small", "blocks", 13), ("mobilenet_v3_small", "stages", 5),
        ("mobilenet_v3_small", "whole", 1), ("vit", "blocks", 6), ("vit", "stages", 2),
    ],
)  # fmt: skip
def test_every_parameter_is_reached_by_one_loss(model, cut, blocks):
    net = built(model=model, cut=cut)
    anatomy = examine(net, torch.randn(2, 3, 32, 32))
    assert len(net.at) == blocks == len(anatomy.shapes)
    found = [parameter for part in anatomy.parameters for parameter in part]
    assert len(found) == len(set(found)) == len(list(net.parameters()))


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v3_small"])
def test_the_plain_net_is_torchvisions(model):
    net = built(model=model)
    theirs = getattr(torchvision.models, model)(num_classes=10)
    theirs.load_state_dict(net.model.state_dict())
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(net.eval()(x), theirs.eval()(x))


def test_weights_are_of_the_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = built(), built(), built(seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first.model.conv1.weight, again.model.conv1.weight)
    assert not torch.equal(first.model.conv1.weight, other.model.conv1.weight)


@pytest.mark.parametrize(
    ("changed", "kernel", "side"),
    [
        ({}, 7, 8),
        ({"stem_kernel": "three"}, 3, 8),
        ({"stem_kernel": "three", "stem_stride": "one"}, 3, 16),
        ({"stem_kernel": "three", "stem_stride": "one", "stem_pool": "none"}, 3, 32),
    ],
)
def test_stems_leave_the_resolution_that_they_say(changed, kernel, side):
    net = built(**changed)
    assert net.model.conv1.kernel_size == (kernel, kernel)
    assert examine(net, torch.randn(2, 3, 32, 32)).shapes[0] == (64, side, side)


def test_mobilenets_stride_may_go():
    net = built(model="mobilenet_v3_small", stem_stride="one", stem_pool="none")
    assert examine(net, torch.randn(2, 3, 32, 32)).shapes[0] == (16, 32, 32)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"model": "vit", "stem_stride": "one"}, "net.stem_kernel"),
        ({"model": "vit", "cut": "layers"}, "net.cut"),
        ({"model": "vit", "weights": "imagenet"}, "net.weights"),
    ],
)
def test_what_a_net_does_not_have_is_refused(changed, where):
    with pytest.raises(FfreproError) as error:
        built(**changed)
    assert error.value.where == where


def test_pretrained_weights_that_cannot_be_had_are_named(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    with pytest.raises(FfreproError) as error:
        built(weights="imagenet")
    assert error.value.where == "net.weights"


def test_pretrained_weights_get_a_new_last_layer(monkeypatch):
    theirs = torchvision.models.mobilenet_v3_small().state_dict()
    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", lambda *_, **__: theirs)
    net = built(model="mobilenet_v3_small", weights="imagenet")
    assert net.model.classifier[-1].out_features == 10
    assert torch.equal(net.model.features[0][0].weight, theirs["features.0.0.weight"])


@pytest.mark.parametrize(("norm_momentum", "momentum"), [("own", 0.01), ("tenth", 0.1)])
def test_statistics_of_batch_norm_follow_as_fast_as_said(norm_momentum, momentum):
    net = built(model="mobilenet_v3_small", norm_momentum=norm_momentum)
    assert {part.momentum for part in net.modules() if isinstance(part, torch.nn.BatchNorm2d)} == {momentum}
