"""A stranger's models in the wrapper: what trains, what comes out of it again, what is refused."""

import math

import numpy as np
import pytest
import torch
from helpers.wrapped_models import AT, CLASSES, Net, images, small
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import ffrepro
from ffrepro.data.vision import torchvision
from ffrepro.nets.cut import Cut


class UNet(nn.Module):
    """Down, down, up with a skip, a map for each class, and their means."""

    def __init__(self):
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(inplace=True))
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.join = nn.Sequential(nn.Conv2d(16, 8, 3, padding=1), nn.ReLU(inplace=True))
        self.out = nn.Conv2d(8, CLASSES, 1)

    def forward(self, x):
        skip = self.down1(x)
        x = self.up(self.down2(skip))
        return self.out(self.join(torch.cat([x, skip], 1))).mean((2, 3))


def vit():
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=CLASSES
    )


STRANGERS = {
    "efficientnet_b0": (lambda: torchvision.models.efficientnet_b0(num_classes=CLASSES), "auto", 18),
    "densenet121": (lambda: torchvision.models.densenet121(num_classes=CLASSES), "auto", 8),
    "u-net": (UNet, ["down1", "down2", "join"], 3),
    "vit": (vit, "auto", 2),
    "resnet50": (lambda: torchvision.models.resnet50(num_classes=CLASSES), "auto", 17),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strangers_model_trains(name):
    build, at, blocks = STRANGERS[name]
    torch.manual_seed(0)
    learner = ffrepro.wrap(build(), at, classes=CLASSES, lr=5e-4)
    x, y = images()
    losses = [learner.step(x, y) for _ in range(4)]
    assert len(learner.at) == blocks and len(losses[0]) == blocks + 2
    head = [line["loss_head"] for line in losses]  # goes up and down where the model drops out
    assert losses[-1]["loss"] < losses[0]["loss"] and min(head[1:]) < head[0]
    assert learner.predict(x).shape == (16,)


@pytest.mark.parametrize(("method", "schemes"), [
    ("sff", {"ensemble", "last", "head"}), ("cwc", {"ensemble", "last", "head"}), ("bp", {"head"}),
    (lambda h, label: F.cross_entropy(h.flatten(1)[:, :CLASSES], label, reduction="none"), {"head"}),
], ids=["sff", "cwc", "bp", "own loss"])  # fmt: skip
def test_any_method_on_the_same_blocks_learns(method, schemes):
    learner = small(method, batch_size=8).fit(*images(64), epochs=8)
    assert learner.score(*images(40, seed=1)) > 0.9
    found = learner.evaluate(*images(40, seed=1))
    assert {f"error_{scheme}" for scheme in schemes} <= set(found)
    assert learner.scores(images(5)[0]).shape == (5, CLASSES)


@pytest.mark.parametrize("method", [
    "sff", "cwc", lambda h, label: F.cross_entropy(h.flatten(1)[:, :CLASSES], label, reduction="none"),
], ids=["sff", "cwc", "own loss"])  # fmt: skip
def test_block_by_block_gives_the_same_numbers_as_all_at_once(method):
    x, y = images(16)
    lines, weights = [], []
    for run in ("fast", "low_memory"):
        learner = small(method, run=run, clip_norm=0.1)
        learner.model.double()
        lines.append([learner.step(x.double(), y) for _ in range(3)])
        weights.append(torch.cat([value.double().flatten() for value in learner.model.state_dict().values()]))
    for fast, low_memory in zip(*lines, strict=True):
        assert low_memory == pytest.approx(fast, rel=1e-10)
    assert torch.allclose(*weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [
    lambda h, label: h.square().mean(), lambda h, label: h.flatten(1).square().mean(1),
], ids=["mean", "by sample"])  # fmt: skip
def test_an_own_loss_is_validated_block_by_block(loss):
    x, y = images(16)
    for train in [(x, y), DataLoader(TensorDataset(x, y), 8)]:
        learner = small(loss, batch_size=8).fit(train, epochs=2, validation=(x, y))
        assert {"val/loss_layer0", "val/loss_layer1", "val/error"} <= learner.history[-1].keys()
    small(loss, schedule="multistep").fit(x, y, epochs=1, validation=(x, y))
    own = small(loss, plateau_epochs=1, plateau_threshold=0.0)
    own.step(x, y)
    line, found = own.end_epoch((x, y)), own.evaluate(x, y)
    assert line["val/loss_layer1"] == found["loss_layer1"]
    assert found["loss"] > found["loss_layer0"] + found["loss_layer1"]  # the head's is in it
    own.step(x, y)
    own.end_epoch((100 * x, y))  # a worse loss of every block, and a lower rate for it
    assert own.method.rates()["lr_layer0"] == own.method.rates()["lr_layer1"] == 0.5e-2


@pytest.mark.parametrize("run", ["fast", "low_memory"])
def test_mixed_precision_trains_near_float32(run):
    x, y = images(16)
    full, mixed = small(run=run), small(run=run, precision="bfloat16_mixed")
    for _ in range(5):
        a, b = full.step(x, y), mixed.step(x, y)
    assert b["loss"] == pytest.approx(a["loss"], rel=0.05) and b["loss"] != a["loss"]
    assert mixed.model.one[0].weight.dtype == torch.float32


def test_layouts_give_the_same_numbers():
    x, y = images(16)
    first, last = small(channels_last=False), small()
    for _ in range(3):
        a, b = first.step(x, y), last.step(x, y)
    assert a == pytest.approx(b, rel=1e-4)
    assert last.model.two[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("method", ["sff", "cwc", "bp"])
def test_compiled_parts_train(method):
    x, y = images(16)
    plain, compiled = small(method), small(method)
    for block in (compiled.model.one, compiled.model.two):
        # With graphs of autograd, as the default backend has, which run backward once; "eager" has none.
        block.forward = torch.compile(block.forward, backend="aot_eager")
    for _ in range(2):
        assert compiled.step(x, y) == pytest.approx(plain.step(x, y), rel=1e-5)
    assert np.allclose(compiled.scores(x), plain.scores(x), rtol=1e-4, atol=1e-5)


def test_compiled_models_are_refused():
    whole, in_place = torch.compile(Net(), backend="eager"), Net()
    in_place.two.compile(backend="eager")
    for model in (whole, in_place, nn.DataParallel(Net())):
        with pytest.raises(ffrepro.FfreproError) as error:
            ffrepro.wrap(model, AT, classes=CLASSES)
        assert error.value.where == "model"


def test_a_function_or_the_structure_says_where_to_cut():
    assert ffrepro.wrap(Net(), lambda name, module: name in AT, classes=CLASSES).at == AT
    assert ffrepro.wrap(torchvision.models.mobilenet_v3_small(), classes=9).at[0] == "features.0"


X, Y = images(8)
WRONG = {
    "a name that is not there": (lambda: small(at=["three"]), "at"),
    "a bare name": (lambda: small(at="one"), "at"),
    "an unknown method": (lambda: small("sfff"), "wrap"),
    "a method of other nets": (lambda: small("ff"), "wrap"),
    "an unknown setting": (lambda: small(goodnes="mean"), "goodnes"),
    "an unknown precision": (lambda: small(precision="half"), None),
    "no model": (lambda: ffrepro.wrap([1], AT, classes=2), "model"),
    "no weights": (lambda: ffrepro.wrap(nn.Sequential(nn.ReLU()), ["0"], classes=2), "model"),
    "fewer outputs than classes": (
        lambda: ffrepro.wrap(Net(outputs=3), AT, classes=CLASSES).step(X, Y), "net"),
    "a cut that is bypassed": (
        lambda: ffrepro.wrap(torchvision.models.resnet18(num_classes=4), ["layer1.0.conv1"], classes=4).step(X, Y),
        "at, conv1"),
    "an empty batch": (lambda: small().step(X[:0], Y[:0]), "step"),
    "labels out of range": (lambda: small().step(X, Y + 1), "step"),
    "labels that are no numbers of classes": (lambda: small().step(X, Y.float()), "step"),
    "labels of another number": (lambda: small().step(X, Y[:3]), "step"),
    "inputs of another shape": (lambda: small().step(X[:, :1], Y), "inputs of shape (8, 1, 32, 32)"),
    "a loader of nothing": (lambda: small().fit(DataLoader(TensorDataset(X[:2], Y[:2]), 4, drop_last=True)), "train"),
    "a loader of inputs alone": (lambda: small().fit(DataLoader(TensorDataset(X), 4)), "train"),
    "a loader of numbers": (lambda: small().fit(DataLoader(range(4), 2)), "train"),
    "a dictionary without labels": (lambda: small().fit(DataLoader([{"x": X[0]}], 1)), "train"),
    "a dictionary with texts": (
        lambda: small().fit(DataLoader([{"x": X[0], "label": 0, "text": "red"}], 1)), "train"),
    "an iterator": (lambda: small().fit(iter([(X, Y)])), "train"),
    "a share of a loader": (
        lambda: small().fit(DataLoader(TensorDataset(X, Y), 4), validation=0.5), "validation"),
    "a prediction of nothing": (lambda: small().fit(X, Y, epochs=1).predict(X[:0]), "inputs"),
    "inputs that are not finite": (lambda: small().step(X * math.nan, Y), "step"),
    "a rate at which a step diverges": (lambda: repeat(small(lr=1e30)), "step"),
    "a scheme that is not there": (lambda: small("bp", inference="ensemble").step(X, Y), "method backprop_blocks"),
    "nothing learnt": (lambda: small().predict(X), "Learner"),
    "an own loss in a file": (lambda: own_loss().save("x.pt"), "save"),
    "an own loss of a wrong shape": (lambda: small(lambda h, label: h.flatten()).step(X, Y), "method"),
    "an own loss that is no tensor": (lambda: small(lambda h, label: 1.0).fit(X, Y, epochs=1), "method"),
}  # fmt: skip


def repeat(learner):
    for _ in range(9):
        learner.step(X, Y)


def own_loss(**settings):
    learner = small(lambda h, label: h.square().mean(), **settings)
    learner.step(X, Y)
    return learner


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_in_the_projects_words(name):
    wrong, where = WRONG[name]
    with pytest.raises(ffrepro.FfreproError) as error:
        wrong()
    assert where is None or str(error.value.where) == where
    assert error.value.fix


def test_a_cut_net_goes_to_no_method_of_other_nets():
    with pytest.raises(ffrepro.FfreproError):
        ffrepro.Learner(Cut(Net(), AT), "ff", classes=CLASSES).step(X, Y)
