"""CwC: the nets that it refuses, and what it holds of the layers below a group."""

import pytest
import torch
from helpers.method_cases import CWC, build, make_images

from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.nets.cnn import MODELS, Model
from ffrepro.training.memory import Peak

CNN = {"name": "cnn", "cfse": False, "init": "torch_default"}
MLP = {"name": "mlp", "layers": [20, 20], "input_norm": "none", "bias": True, "groups": 10, "init": "torch_default"}


@pytest.mark.parametrize("settings", [MLP, {**CNN, "model": "mnist_original"}], ids=["mlp", "no groups"])
def test_a_net_without_groups_or_head_is_refused(settings):
    generator = torch.Generator().manual_seed(0)
    net = nets.build(settings, (1, 28, 28), generator)
    with pytest.raises(FfreproError, match="needs channel groups, one a class, and a head"):
        methods.module("cwc").Method(net, CWC, {"x": torch.zeros(2, 1, 28, 28)}, generator, 1e-3)


@pytest.mark.parametrize("update", ["simultaneous", "chunked", "overlapping"])
def test_autograd_holds_one_group_whatever_the_depth(update, monkeypatch):
    """What four more layers cost is their weights, gradients and optimizers' state: no maps."""
    peaks = []
    batch = {"x": torch.randn(128, 3, 16, 16), "label": torch.arange(128) % 10}
    for depth in (4, 8):
        monkeypatch.setitem(MODELS, "uniform", Model((20,) * depth, (3,) * depth, ()))
        generator = torch.Generator().manual_seed(0)
        net = nets.build({**CNN, "model": "uniform"}, (3, 16, 16), generator)
        method = methods.module("cwc").Method(net, {**CWC, "update": update, "head": "after"}, batch, generator, 1e-3)
        method.begin_phase(method.phases()[0])
        method.step(batch)
        with Peak("cpu") as peak:
            method.step(batch)
        peaks.append(peak.bytes)
    one_map = 128 * 20 * 16 * 16 * 4
    assert peaks[0] > 3 * one_map
    assert peaks[1] - peaks[0] < 0.1 * one_map


def test_a_chunks_inner_maps_are_gone_before_the_next_chunk_runs(monkeypatch):
    """Of the chunk below, only the map that the next one reads is left when that one starts."""
    import gc
    import weakref

    method, alive, made = build("cwc alternating", update="chunked", block_layers=2, head="after"), [], []
    method.begin_phase(method.phases()[0])
    run = method._run

    def watched(blocks, group, x, learning):
        gc.collect()
        alive.append([ref() is not None for ref in made])
        hs = run(blocks, group, x, learning)
        made.extend(weakref.ref(h) for h in hs)
        return hs

    monkeypatch.setattr(method, "_run", watched)
    method.step({"x": torch.randn(20, 3, 10, 10), "label": torch.arange(20) % 10})
    assert alive == [[], [False, False]]


def test_epochs_to_learn_in_are_given_for_every_layer():
    with pytest.raises(FfreproError, match="3 layers, and epochs to learn in are given for 2"):
        build("cwc simultaneous", learns=[[0, 5], [0, 5]])


@pytest.mark.parametrize(("epoch", "resting"), [(0, []), (1, [0]), (5, [0, 1])])
@pytest.mark.parametrize("gradient", ["autograd", "closed_form"])
def test_layers_learn_in_their_epochs_alone(epoch, resting, gradient):
    """A resting layer keeps its weights, and BatchNorm's running statistics with them, within a group and outside."""
    update = "simultaneous" if gradient == "closed_form" else "alternating"
    method = build("cwc interleaved", update=update, gradient=gradient)
    method.begin_epoch(epoch)
    for number in range(2):  # both ways of cutting into groups
        before = {name: value.clone() for name, value in method.weights().items()}
        method.step(make_images())
        for name, value in method.weights().items():
            if name.startswith("blocks.") and name.endswith(("weight", "bias", "running_mean")):
                rests = int(name.split(".")[1]) in resting
                assert torch.equal(value, before[name]) == rests, (name, number)


def test_layers_above_the_learning_one_do_not_run():
    """Greedy phases; the head comes after them."""
    method, ran = build("cwc greedy", head="after"), []
    for index, block in enumerate(method.net.blocks):
        block.register_forward_hook(lambda *_, index=index: ran.append(index))
    for phase, expected in zip(method.phases(), ([0], [0, 1], [0, 1, 2], [0, 1, 2]), strict=True):
        method.begin_phase(phase)
        ran.clear()
        out = method.step(make_images())
        assert ran == expected
        assert [key for key in out if key.startswith("loss_layer")] == [f"loss_layer{layer}" for layer in expected]
