"""Any number of classes, and what is said where something does not fit them."""

import pytest
import torch
from helpers.method_cases import CASES, CNN, FF, FF_IMAGES, IMAGE_NETS, build, is_image_case, make_images

from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError

IMAGE_CASES = [case for case in CASES if is_image_case(case)]
MLP = {
    "name": "mlp", "layers": [8], "input_norm": "none", "bias": True, "groups": None, "init": "torch_default",
}  # fmt: skip


@pytest.mark.parametrize("classes", [2, 20])
@pytest.mark.parametrize("case", IMAGE_CASES)
def test_every_image_method_learns_and_scores_them_all(case, classes):
    method, batch = build(case, classes=classes), make_images(classes=classes)
    method.begin_phase(method.phases()[0])
    assert method.step(batch)["loss"].isfinite()
    seen = method.evaluate_batch(batch)
    schemes = [name for name in seen if name.startswith("scores_")]
    assert schemes and all(seen[name].shape == (20, classes) for name in schemes)
    assert method.scores(batch, "one_pass").shape == (20, classes)
    if "layer_scores" in seen:
        assert seen["layer_scores"].shape == (20, method.layers, classes)


def make(name, hyperparameters, net, inputs, classes):
    generator = torch.Generator().manual_seed(0)
    built = nets.build(net, inputs, classes, generator)
    return methods.module(name).Method(built, hyperparameters, {"x": torch.zeros(2, *inputs)}, generator, 1e-3)


def test_an_overlay_needs_a_number_for_each_class():
    assert make("ff", FF_IMAGES, MLP, (1, 4, 5), 20).classes == 20
    with pytest.raises(FfreproError) as error:
        make("ff", FF_IMAGES, MLP, (1, 4, 4), 20)
    assert error.value.where == "method.label"


def test_a_small_image_has_few_plane_waves():
    with pytest.raises(FfreproError, match="plane waves"):
        make("ff", {**FF_IMAGES, "label": "fourier"}, MLP, (1, 4, 4), 20)


def test_groups_must_be_as_many_as_the_classes():
    grouped = nets.build({"name": "cnn", "model": "test", "cfse": False, "init": "torch_default"}, (3, 10, 10), 10,
                         torch.Generator())  # fmt: skip
    grouped.classes = 20
    with pytest.raises(FfreproError) as error:
        methods.module("cwc").Method(grouped, CASES["cwc simultaneous"][1], make_images(2), torch.Generator(), 1e-3)
    assert error.value.where == "net.groups"


@pytest.mark.parametrize("name", [name for name, net in IMAGE_NETS.items() if net != CNN])
def test_a_net_without_classes_is_refused(name):
    case = next(case for case in IMAGE_CASES if CASES[case][0] == name)
    with pytest.raises(FfreproError) as error:
        make(name, CASES[case][1], MLP, (3, 10, 10), None)
    assert error.value.where == "net"


def test_detectors_tell_two_classes_apart():
    rnn = {"name": "rnn", "hidden": 4, "layers": 1, "init": "torch_default"}
    for name, hyperparameters in (("ff_rnn", FF), ("backprop_rnn", CASES["backprop_rnn"][1])):
        net = nets.build(rnn, 2, 20, torch.Generator())
        with pytest.raises(FfreproError) as error:
            methods.module(name).Method(net, hyperparameters, {"x": torch.zeros(3, 2, 2)}, torch.Generator(), 1e-3)
        assert error.value.where == "method"
