"""What stays of a wrapped model: unwrapped, saved, frozen, in evaluation mode."""

import copy

import numpy as np
import pytest
import torch
from helpers.wrapped_models import AT, CLASSES, Net, images, small
from torch import nn

import ffrepro
from ffrepro.data.vision import torchvision


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


OF_TORCHVISION = {
    "resnet18": torchvision.models.resnet18,
    "mobilenet_v3_small": torchvision.models.mobilenet_v3_small,
    "densenet121": torchvision.models.densenet121,
    "vit": lambda num_classes: torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=num_classes
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_TORCHVISION)
def test_models_of_torchvision_unwrapped_predict_the_same_and_load_into_their_like(name):
    x, y = images(8)
    torch.manual_seed(0)
    build = OF_TORCHVISION[name]
    learner = ffrepro.wrap(build(num_classes=CLASSES), classes=CLASSES, inference="head", lr=1e-3)
    for _ in range(2):
        learner.step(x, y)
    scores = learner.scores(x)
    with torch.no_grad():
        found = learner.unwrap(norms=True)(x).numpy()
    assert np.abs(found - scores).max() < 1e-5 * max(1, np.abs(scores).max())
    again = build(num_classes=CLASSES)
    again.load_state_dict(learner.model.state_dict())  # strict: no name more, none fewer


@pytest.mark.parametrize("head", ["all", "none"])
def test_a_head_that_was_not_trained_is_not_unwrapped_with_norms(head):
    x, y = images(16)
    learner = small(head=head)
    learner.step(x, y)
    with pytest.raises(ffrepro.FfreproError) as error:
        learner.unwrap(norms=True)
    assert error.value.where == "unwrap" and head in str(error.value)
    learner.step(x, y)  # goes on
    assert learner.unwrap() is learner.model
    bare = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5))  # nothing behind the last block
    learner = ffrepro.wrap(bare, ["1", "2"], classes=CLASSES, head=head)
    learner.step(torch.rand(8, 4), y[:8])
    out = learner.unwrap(norms=True)(torch.rand(3, 4))
    assert torch.allclose(out.square().mean(1), torch.ones(3), atol=1e-3)


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
