"""A stranger's models in the wrapper: what trains, what comes out of it again, what is refused."""

import copy
import math
from itertools import chain

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import ffrepro
from ffrepro.data import loaders
from ffrepro.data.vision import torchvision
from ffrepro.nets.cut import Cut

CLASSES = 4


def images(size=16, side=32, seed=0):
    """Noise in one colour for each class: red, green, blue or white."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(size) % CLASSES
    x = 0.2 * torch.randn(size, 3, side, side, generator=generator)
    for image, label in zip(x, y.tolist(), strict=True):
        image[label if label < 3 else slice(None)] += 1
    return x, y


class Net(nn.Module):
    """A convolutional net small enough for many tests."""

    def __init__(self, inputs=3, outputs=CLASSES):
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(inputs, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(8, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
        self.fc = nn.Linear(8 * 4, outputs)

    def forward(self, x):
        return self.fc(F.adaptive_avg_pool2d(self.two(self.one(x)), 2).flatten(1))


AT = ["one", "two"]


def small(method="sff", at=AT, seed=0, **settings):
    torch.manual_seed(seed)
    return ffrepro.wrap(Net(), at, method, classes=CLASSES, **{"lr": 1e-2, **settings})


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


def test_loaders_are_read_every_epoch_with_workers_and_in_any_form():
    x, y = images(24)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, num_workers=1)
    learner = small().fit(loader, epochs=2, validation=(x, y))
    assert len(learner.history) == 2 and math.isfinite(learner.history[-1]["val/loss"])
    reads = []

    class Dictionaries:
        def __iter__(self):
            reads.append(1)
            return iter([{"x": x[:12], "label": y[:12]}, {"x": x[12:], "label": y[12:]}])

    again = small().fit(Dictionaries(), epochs=3)
    assert len(reads) == 4  # the first to see a batch
    assert again.score(Dictionaries()) == again.score(x, y)
    assert np.array_equal(again.predict(Dictionaries()), again.predict(x))


class Stream(IterableDataset):
    """Samples one after the other; nobody knows how many."""

    def __init__(self, *arrays):
        self.arrays = arrays

    def __iter__(self):
        return zip(*self.arrays, strict=True)


@pytest.mark.parametrize("progress", [False, True])
def test_loaders_of_streams(progress):
    x, y = images(24)
    loader = DataLoader(Stream(x, y), 8)
    learner = small(progress=progress).fit(loader, epochs=2, validation=loader)
    again = small().fit(DataLoader(TensorDataset(x, y), 8), epochs=2, validation=(x, y))
    losses = [[line["train/loss"] for line in one.history] for one in (learner, again)]
    assert losses[0] == losses[1] and learner.score(loader) == again.score(x, y)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.one = nn.Embedding(9, 6), nn.Sequential(nn.Linear(8, 8), nn.ReLU())
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, tokens, numbers):
        return self.fc(self.one(torch.cat([self.words(tokens).mean(1), numbers], 1)))


def test_several_inputs_by_position_and_by_name():
    y = torch.arange(16) % CLASSES
    tokens, numbers = y.repeat(3, 1).T.contiguous(), torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    by_name = {"tokens": tokens, "numbers": numbers}
    torch.manual_seed(0)
    first, second = (ffrepro.wrap(copy.deepcopy(net), ["one"], classes=CLASSES) for net in [TwoInputs()] * 2)
    for _ in range(3):
        assert first.step((tokens, numbers), y) == second.step(by_name, y)
    assert np.array_equal(first.scores((tokens, numbers)), second.scores(by_name))
    fitted = ffrepro.wrap(TwoInputs(), ["one"], classes=CLASSES, lr=3e-2)
    fitted.fit(DataLoader([{**{k: v[i] for k, v in by_name.items()}, "labels": y[i]} for i in range(16)], 8), epochs=20)
    assert fitted.score(DataLoader(TensorDataset(tokens, numbers, y), 16)) > 0.9


class Experts(nn.Module):
    """Each sample goes through one of eight experts, between two blocks or inside of one."""

    def __init__(self):
        super().__init__()
        self.a, self.experts = nn.Linear(6, 8), nn.ModuleList(nn.Linear(8, 8) for _ in range(8))
        self.b, self.fc = nn.Identity(), nn.Linear(8, CLASSES)

    def forward(self, x):
        h = self.a(x)
        way, out = h.argmax(1), torch.zeros_like(h)
        for index in way.unique().tolist():
            out[way == index] = self.experts[index](h[way == index])
        return self.fc(self.b(out).relu())


@pytest.mark.parametrize("at", [["a", "b"], ["b"]], ids=["between", "inside"])
@pytest.mark.parametrize("method", ["sff", "cwc", "bp"])
def test_samples_that_go_different_ways(at, method):
    """Four samples do not meet all eight experts, the batch does."""
    x, y = torch.randn(64, 6, generator=torch.Generator().manual_seed(0)), torch.arange(64) % CLASSES
    torch.manual_seed(0)
    learner = ffrepro.wrap(Experts(), at, method, classes=CLASSES, lr=1e-2)
    before = copy.deepcopy(learner.model.state_dict())
    losses = [learner.step(x, y)["loss"] for _ in range(10)]
    assert losses[-1] < losses[0]
    assert not any(torch.equal(value, before[name]) for name, value in learner.model.state_dict().items())


class LeftOut(nn.Module):
    """A part that half of the steps leave out, as LayerDrop does."""

    def __init__(self):
        super().__init__()
        self.a, self.sometimes, self.b, self.fc = (nn.Linear(4, 4) for _ in range(4))

    def forward(self, x):
        h = self.a(x)
        if not self.training or torch.rand(()) < 0.5:
            h = h + self.sometimes(h)
        return self.fc(self.b(h))


def test_parts_that_are_left_out_at_random():
    x, y = torch.randn(8, 4), torch.arange(8) % CLASSES
    for seed in range(8):
        learner = ffrepro.wrap(LeftOut(), ["a", "b"], classes=CLASSES, seed=seed, lr=1e-2)
        before = learner.model.sometimes.weight.clone()
        for _ in range(6):
            learner.step(x, y)
        assert not torch.equal(before, learner.model.sometimes.weight)
    never = LeftOut()
    never.never = nn.Linear(2, 2)
    with pytest.raises(ffrepro.FfreproError) as error:
        ffrepro.wrap(never, ["a", "b"], classes=CLASSES).step(x, y)
    assert error.value.where == "at, never"


def conv1d():
    return nn.Sequential(
        nn.Conv1d(2, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 9, 3), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(9, CLASSES),
    )  # fmt: skip


def test_features_are_found_where_they_are():
    """Channels first behind convolutions over a sequence, last in a Swin transformer's maps; both learn."""
    x = torch.randn(16, 2, 20, generator=torch.Generator().manual_seed(0))
    y = torch.arange(16) % CLASSES
    torch.manual_seed(0)
    learner = ffrepro.wrap(conv1d(), "auto", classes=CLASSES, lr=1e-2)
    losses = [learner.step(x, y)["loss"] for _ in range(10)]
    assert [aux.map.in_features for aux in learner.method.maps] == [6, 9] and losses[-1] < losses[0]
    ours = ffrepro.wrap(conv1d(), "auto", "cwc", classes=CLASSES, head="all")
    ours.step(x, y)
    assert [len(means) for means in ours.method.means] == [6, 9] and ours.method.extra["head"].in_features == 15
    h = torch.randn(2, 6, 5)
    assert torch.allclose(ours.method.goodness(0, h), h.square().mean(2) @ ours.method.means[0], atol=1e-6)
    swin = torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=[4, 4], num_classes=CLASSES
    )
    learner = ffrepro.wrap(swin, "auto", classes=CLASSES)
    learner.step(*images(4))
    assert learner.method.anatomy.shapes[0] == (8, 8, 16)
    assert [aux.map.in_channels for aux in learner.method.maps] == [16, 16, 32, 32]
    assert ffrepro.wrap(swin, "auto", "cwc", classes=CLASSES).step(*images(4)).keys() >= {"loss_layer3"}
    convnext = torchvision.models.convnext_tiny(num_classes=CLASSES)
    learner = ffrepro.wrap(convnext, ["features.0", "features.1.0"], classes=CLASSES)
    learner.step(*images(4))
    assert [aux.map.in_channels for aux in learner.method.maps] == [96, 96]


class Turned(nn.Module):
    """Its linear map and its convolution both have the shape of its output: 6 features at 6 places, or 6 at 6."""

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv1d(2, 6, 1), nn.Linear(6, 6))
        self.fc = nn.Linear(36, CLASSES)

    def forward(self, x):
        return self.fc(self.block(x).flatten(1))


def test_features_that_nothing_tells_from_positions(tmp_path):
    x, y = torch.randn(8, 2, 6), torch.arange(8) % CLASSES
    with pytest.raises(ffrepro.FfreproError) as error:
        ffrepro.wrap(Turned(), ["block"], classes=CLASSES).step(x, y)
    assert error.value.where == "at, block" and "features" in error.value.fix
    assert ffrepro.wrap(Turned(), ["block"], "bp", classes=CLASSES).step(x, y).keys() == {"loss"}
    h = torch.randn(2, 6, 6)
    for features, turned in [("first", h.mT), ({"block": "last"}, h), ("last", h)]:
        learner = ffrepro.wrap(Turned(), ["block"], classes=CLASSES, features=features)
        learner.step(x, y)
        assert torch.equal(learner.method.goodness(0, h), learner.method.maps[0](turned))
        learner.save(tmp_path / "learner.pt")
        again = ffrepro.WrappedLearner.load(tmp_path / "learner.pt", Turned())
        assert again.cut.features == features and np.array_equal(again.scores(x), learner.scores(x))
    for wrong in ("middle", {"fc": "last"}, {"block": 1}):
        with pytest.raises(ffrepro.FfreproError) as error:
            ffrepro.wrap(Turned(), ["block"], classes=CLASSES, features=wrong)
        assert error.value.where == "features"


@pytest.mark.parametrize("named", [False, True])
def test_arrays_of_several_inputs(named):
    """As one array: shuffled, a share held out, any part as numpy's float64."""
    y = np.arange(48) % CLASSES
    tokens, numbers = np.repeat(y[:, None], 3, 1), np.random.default_rng(0).normal(size=(48, 2))
    X = {"tokens": tokens, "numbers": numbers} if named else (tokens, numbers)
    torch.manual_seed(0)
    net = TwoInputs()
    first, second = (
        ffrepro.wrap(copy.deepcopy(net), ["one"], classes=CLASSES, lr=3e-2, batch_size=8, seed=5) for _ in range(2)
    )
    first.fit(X, y, epochs=8, validation=0.25)
    second.fit((X, y), epochs=8, validation=0.25)
    assert first.score(X, y) > 0.9 and first.predict(X).shape == (48,)
    assert np.array_equal(first.scores(X), second.scores(X))  # the seed decides on order and share
    assert {"val/loss", "train/loss"} <= first.history[0].keys() and len(first.history) == 8
    held = ffrepro.wrap(copy.deepcopy(net), ["one"], classes=CLASSES).fit(X, y, epochs=1, validation=(X, y))
    assert held.evaluate(X, y)["loss"] == pytest.approx(held.history[0]["val/loss"], rel=1e-5)
    with pytest.raises(ffrepro.FfreproError, match="47 samples") as error:
        first.fit({"tokens": tokens[:47], "numbers": numbers}, y)
    assert error.value.where == "inputs"


def test_batches_of_several_inputs_come_in_another_order_each_epoch():
    x, y = torch.arange(10), torch.arange(10) % 2
    batches = loaders.Batches(((x, 2 * x), y), 4, torch.Generator().manual_seed(0))
    epochs = [[(a.tolist(), b.tolist(), label.tolist()) for (a, b), label in batches] for _ in range(2)]
    assert [len(a) for a, _, _ in epochs[0]] == [4, 4, 2] and len(batches) == 3
    for epoch in epochs:
        joined = [list(chain(*parts)) for parts in zip(*epoch, strict=True)]
        assert sorted(joined[0]) == list(range(10)) and joined[1] == [2 * a for a in joined[0]]
        assert joined[2] == [a % 2 for a in joined[0]]
    assert epochs[0] != epochs[1]
    ((a, _), label), ((b, _), _) = batches.held_out(0.3, 1)
    assert len(a) == 7 and sorted([*a.tolist(), *b.tolist()]) == list(range(10)) and torch.equal(label, a % 2)


def test_what_is_unwrapped_is_the_model():
    x, y = images(16)
    learner = small(inference="head").fit(x, y, epochs=2)
    model, scores = learner.model, learner.scores(x)
    names = set(Net().state_dict())
    with_norms = learner.unwrap(norms=True)
    assert with_norms is model and not model.training and set(model.state_dict()) == names
    assert np.abs(with_norms(x).detach().numpy() - scores).max() < 1e-5
    assert np.abs(copy.deepcopy(with_norms)(x).detach().numpy() - scores).max() < 1e-5
    with pytest.raises(ffrepro.FfreproError):
        learner.step(x, y)
    plain = small(inference="head", norm="none").fit(x, y, epochs=1)
    scores, net = plain.scores(x), Net().eval()
    net.load_state_dict(plain.unwrap().state_dict())
    assert np.abs(net(x).detach().numpy() - scores).max() < 1e-5
    assert not any(module._forward_hooks for module in plain.model.modules())


@pytest.mark.parametrize("method", ["sff", "bp"])
def test_what_is_saved_is_loaded(method, tmp_path):
    x, y = images(16)
    learner = small(method).fit(x, y, epochs=2)
    learner.save(tmp_path / "learner.pt")
    again = ffrepro.WrappedLearner.load(tmp_path / "learner.pt", Net())
    assert np.array_equal(learner.scores(x), again.scores(x)) and again.at == AT
    assert again.method_name == learner.method_name and again.hyperparameters == learner.hyperparameters
    with pytest.raises(ffrepro.FfreproError):
        ffrepro.WrappedLearner.load(tmp_path / "learner.pt", Net(outputs=9))
    other = ffrepro.Learner(nn.Sequential(nn.Linear(4, 4)), "scff", classes=2)
    other.step(torch.rand(4, 4), [0, 1, 0, 1])
    other.save(tmp_path / "other.pt")
    with pytest.raises(ffrepro.FfreproError) as error:
        ffrepro.WrappedLearner.load(tmp_path / "other.pt", Net())
    assert error.value.where == tmp_path / "other.pt"


def test_a_loop_of_ones_own_equals_fit_and_ends_epochs():
    x, y = images(16)
    settings = {"plateau_epochs": 1, "plateau_threshold": 0.0, "batch_size": 16}
    fitted, own = small(**settings).fit(x, y, epochs=4), small(**settings)
    orders = torch.Generator().manual_seed(0)
    for _ in range(4):
        order = torch.randperm(16, generator=orders)
        own.step(x[order], y[order])
        own.end_epoch()
    assert [line["train/loss"] for line in own.history] == [line["train/loss"] for line in fitted.history]
    assert [line["lr_layer0"] for line in own.history] == [line["lr_layer0"] for line in fitted.history]
    rates = own.method.rates()["lr"]
    worst = {"label": torch.zeros(16, dtype=torch.int64)}
    for _ in range(3):
        own.step(x, y)
        line = own.end_epoch((x, worst["label"]))
    assert line["val/error"] >= 0.5 and own.method.rates()["lr"] < rates
    with pytest.raises(ffrepro.FfreproError) as error:
        own.end_epoch()
    assert error.value.where == "end_epoch"


def test_freezing_and_fine_tuning():
    x, y = images(16)
    torch.manual_seed(0)
    pretrained = Net()
    before = copy.deepcopy(pretrained.state_dict())
    learner = ffrepro.wrap(pretrained, AT, classes=CLASSES, lr=1e-2).freeze("one")
    learner.step(x, y)
    learner.freeze("two.0")
    halfway = copy.deepcopy(pretrained.state_dict())
    learner.step(x, y)
    after = pretrained.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith("one."))
    assert torch.equal(after["two.0.weight"], halfway["two.0.weight"])
    assert not torch.equal(halfway["two.0.weight"], before["two.0.weight"])
    assert not torch.equal(after["fc.weight"], halfway["fc.weight"])
    with pytest.raises(ffrepro.FfreproError):
        learner.freeze("three")


def fit_again(learner, x, y):
    learner.fit(x, y, epochs=1, validation=(x, y))
    learner.fit(x, y, epochs=1)


def predict_and_fit(learner, x, y):
    learner.fit(x, y, epochs=1)
    learner.score(x, y)
    learner.fit(x, y, epochs=1)


def one_step(learner, x, y):
    learner.step(x, y)


@pytest.mark.parametrize("method", ["sff", "bp"])
@pytest.mark.parametrize("train", [fit_again, predict_and_fit, one_step])
@pytest.mark.parametrize("begin", ["new", "loaded in eval mode", "unwrapped", "by hand"])
def test_what_is_frozen_stays_however_it_is_trained(method, train, begin):
    x, y = images(16)
    torch.manual_seed(0)
    model = Net()
    if begin == "loaded in eval mode":
        model.eval()
    elif begin == "unwrapped":
        model = ffrepro.wrap(model, AT, method, classes=CLASSES).fit(x, y, epochs=1).unwrap()
    elif begin == "by hand":
        model.one.requires_grad_(False).eval()
    learner = ffrepro.wrap(model, AT, method, classes=CLASSES)
    if begin != "by hand":
        learner.freeze("one")
    before = copy.deepcopy(model.state_dict())
    train(learner, x, y)
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.startswith("one.")}


@pytest.mark.parametrize("method", ["sff", "bp"])
def test_what_is_unfrozen_learns(method):
    x, y = images(16)
    torch.manual_seed(0)
    model = Net()
    model.two.requires_grad_(False)  # by hand, and its BatchNorm not in evaluation mode
    learner = ffrepro.wrap(model, AT, method, classes=CLASSES, schedule="multistep", lr=1e-2).freeze("one")
    learner.step(x, y)
    learner.unfreeze("one")
    model.two.requires_grad_(True)
    before, method = copy.deepcopy(model.state_dict()), learner.method
    learner.step(x, y)
    assert not any(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert learner.method is not method and learner.method.rates()["lr"] == 1e-2
    method = learner.method
    learner.freeze("one").step(x, y)
    learner.unfreeze("one").step(x, y)
    assert learner.method is method  # nothing that its optimizers do not have
    with pytest.raises(ffrepro.FfreproError):
        learner.unfreeze("three")


@pytest.mark.parametrize("method", ["sff", "cwc", "bp"])
def test_inputs_get_the_models_floating_type(method):
    x, y = images(16)
    torch.manual_seed(0)
    double = ffrepro.wrap(Net().double(), AT, method, classes=CLASSES, batch_size=8)
    double.fit(x, y, epochs=1, validation=(x, y))
    assert double.score(x.double(), y) == double.score(x, y) and double.model.fc.weight.dtype == torch.float64
    torch.manual_seed(0)
    single, same = small(method), small(method)
    assert single.step(x.double(), y) == same.step(x, y)


def test_a_file_keeps_what_is_frozen(tmp_path):
    x, y = images(16)
    learner = small().fit(x, y, epochs=1).freeze("one", "two.0")
    learner.save(tmp_path / "learner.pt")
    again = ffrepro.WrappedLearner.load(tmp_path / "learner.pt", Net().eval())
    before = copy.deepcopy(again.model.state_dict())
    assert again.step(x, y).keys() == learner.step(x, y).keys()
    again.fit(x, y, epochs=1)
    same = {name for name, value in again.model.state_dict().items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.startswith(("one.", "two.0."))}


def test_a_model_in_evaluation_mode_is_trained_all_the_same():
    x, y = images(16)
    model = Net().eval()
    ffrepro.wrap(model, AT, classes=CLASSES).step(x, y)
    assert int(model.one[1].num_batches_tracked) == 1


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
