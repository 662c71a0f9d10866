"""What is given to wrapped models: loaders, streams, several inputs, samples that go different ways, features."""

import copy
import math
from itertools import chain

import numpy as np
import pytest
import torch
from helpers.wrapped_models import CLASSES, images, small
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import ffrepro
from ffrepro.data import loaders
from ffrepro.data.vision import torchvision


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
