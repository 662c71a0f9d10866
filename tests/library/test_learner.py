"""A net, a method, a user's own data: what is learnt, what is kept, and by which loop."""

import json

import numpy as np
import pytest
import torch
from helpers.method_cases import BP_IMAGES, FF, FF_IMAGES
from helpers.plans import make_image_plan, make_plan
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ffrepro
from ffrepro import methods
from ffrepro.core import seeds
from ffrepro.nets import CNN, MLP, RNN, blocks
from ffrepro.training import loop, parts

LINE = {"classes": 10, "grouped": True}
# method -> net, whether it takes images, settings, accuracy on samples not trained on that it must beat
LEARNS = {
    "backprop": (lambda: MLP(64, (60,)), False, {"lr": 3e-3}, 0.75),
    "backprop_blocks": (lambda: MLP(64, (60, 20)), False, {"lr": 1e-2}, 0.6),
    "cwc_blocks": (lambda: MLP(64, (60, 60)), False, {"lr": 3e-3}, 0.75),
    "sff": (lambda: MLP(64, (60, 60)), False, {"lr": 3e-3}, 0.75),
    "cwc": (lambda: MLP(64, (60, 60), batch_norm=True, **LINE), False, {}, 0.8),
    "ff": (lambda: MLP(64, (60, 60)), False, {"lr": 3e-3}, 0.75),
    "ff_unsupervised": (lambda: MLP((1, 8, 8), (60,)), True, {"lr": 3e-3}, 0.6),
    "scff": (lambda: MLP(64, (60, 60)), False, {"lr": 3e-3}, 0.75),
    "uff": (lambda: MLP(64, (60, 60)), False, {"lr": 3e-3}, 0.6),
}


def small(method="ff", seed=0, **settings):
    return ffrepro.Learner(MLP(64, (30, 30)), method, seed=seed, **settings)


ELSEWHERE = {  # on sequences, tokens and words, or by search: tests of their own
    "ff_recurrent", "ff_rnn", "backprop_rnn", "backprop_tokens", "cwc_maps_tokens", "cwc_tokens", "ff_tokens",
    "hybrid_tokens", "backprop_words", "ff_words", "evolution", "genetic",
}  # fmt: skip


def test_every_method_has_its_case():
    assert sorted([*LEARNS, *ELSEWHERE]) == sorted(methods.names())


@pytest.mark.parametrize("method", LEARNS)
def test_a_method_learns_with_its_defaults(method, digits):
    (X, y), (X_test, y_test) = digits
    net, images, settings, bound = LEARNS[method]
    if images:
        X, X_test = X.reshape(-1, 1, 8, 8), X_test.reshape(-1, 1, 8, 8)
    learner = ffrepro.fit(net(), (X, y), method, epochs=5, **settings)
    assert learner.score(X_test, y_test) > bound
    assert [line["epoch"] for line in learner.history] == [1, 2, 3, 4, 5]
    assert learner.classes == 10 and learner.predict(X_test[:3]).shape == (3,)


@pytest.mark.parametrize("method", ["ff_rnn", "backprop_rnn"])
def test_recurrent_methods_learn_sequences(method, sequences):
    learner = ffrepro.fit(RNN(2, 16, 2), sequences, method, epochs=5, lr=3e-3)
    assert learner.score(*sequences) > 0.8
    assert learner.scores(sequences[0]).shape == (80,) and set(learner.predict(sequences[0])) == {0, 1}


def test_a_convolutional_net_gets_a_label_that_convolutions_see(digits):
    (X, y), _ = digits
    learner = ffrepro.fit(CNN((1, 8, 8), (4, 4)), (X[:64].reshape(-1, 1, 8, 8), y[:64]), "ff", epochs=1)
    assert learner.hyperparameters["label"] == "fourier" and learner.hyperparameters["loss"] == "symba"
    assert small().hyperparameters["label"] == "overlay"
    assert ffrepro.Learner(CNN((1, 8, 8), (4,)), "ff", label="embedding").hyperparameters["label"] == "embedding"


def test_all_forms_of_data_give_the_same_numbers(digits):
    (X, y), _ = digits
    X, y = X[:100], y[:100]
    tensors = torch.from_numpy(X), torch.from_numpy(y)
    pairs = list(zip(X, y, strict=True))
    whole = DataLoader(TensorDataset(*tensors), batch_size=30)
    named = [{"x": x, "label": label} for x, label in whole]
    forms = [(X, y), tensors, (X.tolist(), y.tolist()), TensorDataset(*tensors), pairs, whole, iter(named)]
    losses = [[line["train/loss"] for line in small().fit(form, epochs=2).history] for form in forms]
    assert losses[1:] == losses[:-1]
    assert small().fit(X, y, epochs=2).history[1]["train/loss"] == losses[0][1]


def test_bytes_become_zero_to_one(digits):
    (X, y), _ = digits
    byte = np.round(X * 255).astype(np.uint8)
    found = [small().fit(x, y, epochs=1).history[0]["train/loss"] for x in (byte, byte.astype("float32") / 255)]
    assert found[0] == found[1]


def test_the_seed_decides_everything(digits):
    (X, y), _ = digits
    again = [small(seed=seed).fit(X, y, epochs=2).scores(X[:20]) for seed in (3, 3, 4)]
    assert np.array_equal(again[0], again[1]) and not np.array_equal(again[0], again[2])


def test_validation_keeps_the_best_epoch_and_a_plateau_stops_early(digits):
    (X, y), test = digits
    learner = small("backprop", lr=0.1, schedule="plateau", early_stop_epochs=2).fit(X, y, epochs=40, validation=test)
    losses = [line["val/loss"] for line in learner.history]
    assert len(losses) == losses.index(min(losses)) + 3 < 40
    assert learner.evaluate(*test)["loss"] == pytest.approx(min(losses), rel=1e-5)
    assert 0 < learner.history[0]["val/accuracy"] < 1


def test_a_share_is_held_out(digits):
    (X, y), _ = digits
    learner = small("backprop").fit(X, y, epochs=1, validation=0.25)
    assert "val/loss" in learner.history[0]


def test_fit_goes_on_with_the_readout_too(digits):
    (X, y), _ = digits
    learner = small("backprop").fit(X, y, epochs=1)
    before = {name: value.clone() for name, value in learner.method.weights().items()}
    learner.training["lr"] = 1e-12
    learner.fit(X, y, epochs=1)
    assert len(learner.history) == 2
    for name, value in learner.method.weights().items():
        torch.testing.assert_close(value, before[name])


def test_a_saved_learner_predicts_the_same(digits, tmp_path):
    (X, y), _ = digits
    for method in ("ff", "backprop", "uff"):
        learner = small(method).fit(X, y, epochs=1)
        learner.save(tmp_path / "deep" / f"{method}.pt")
        again = ffrepro.Learner.load(tmp_path / "deep" / f"{method}.pt", MLP(64, (30, 30), seed=5))
        assert np.array_equal(learner.scores(X), again.scores(X))
        assert again.hyperparameters == learner.hyperparameters and again.training == learner.training


def test_steps_of_ones_own_are_those_of_fit(digits):
    (X, y), _ = digits
    whole = small("backprop", batch_size=600, lr=1e-2).fit(X, y, epochs=3)
    stepper = small("backprop", classes=10, lr=1e-2)
    losses = [stepper.step(X, y)["loss"] for _ in range(3)]
    np.testing.assert_allclose(losses, [line["train/loss"] for line in whole.history], rtol=1e-5)
    assert stepper.score(X, y) == whole.score(X, y)


def test_a_last_batch_of_one_sample_joins_the_one_before(digits):
    (X, y), _ = digits
    net = nn.Sequential(nn.Linear(64, 20), nn.BatchNorm1d(20), nn.ReLU())
    learner = ffrepro.fit(net, (X[:33], y[:33]), "scff", epochs=1, validation=(X[:65], y[:65]), classes=10)
    assert np.isfinite(learner.history[0]["val/loss"])


class Named(nn.Module):
    """Parts with names, which do not say in which order they run."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.low = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.Tanh())
        self.high = nn.Linear(20, 30)


class OwnBlocks(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(64, 20), nn.Sequential(nn.ReLU(), nn.Linear(20, 30))])


@pytest.mark.parametrize("form", ["sequential", "named", "blocks"])
def test_no_gradient_crosses_the_blocks_of_a_users_module(form, digits):
    """The lower block learns the same whatever lies above it."""
    (X, y), _ = digits

    def first_weights(change):
        torch.manual_seed(0)
        if form == "sequential":
            net = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 30), nn.ReLU())
            low, high = net[1], net[3]
        elif form == "named":
            module = Named()
            net = blocks(module, ["low", "high"], example=torch.from_numpy(X[:2]))
            low, high = module.low[1], module.high
        else:
            net = OwnBlocks()
            low, high = net.blocks[0], net.blocks[1][1]
        before = low.weight.detach().clone(), high.weight.detach().clone()
        with torch.no_grad():
            high.weight.mul_(change)
        learner = ffrepro.fit(net, (X[:200], y[:200]), "ff", epochs=1)
        assert learner.method.layers == 2
        assert not torch.equal(before[0], low.weight) and not torch.equal(before[1] * change, high.weight)
        return low.weight.detach()

    assert torch.equal(first_weights(1.0), first_weights(-3.0))


# -- one loop ----------------------------------------------------------------------------------------------------------


def run_by_plan(plan, net, place, monkeypatch):
    """The metrics of a run of the pipeline, with the library's net and seeds, and the task that it learnt."""
    monkeypatch.setattr(seeds, "generator", lambda *purpose: torch.Generator().manual_seed(0))

    def build(settings, inputs, classes, generator):
        net.classes = classes
        return net

    monkeypatch.setattr(parts, "build", build)
    loop.run(plan, place)
    lines = [json.loads(line) for line in (place.runs / plan["run"] / "metrics.jsonl").read_text().splitlines()]
    return lines, parts.make_task(plan, parts.load_data(plan, place.prepared), "cpu", torch.float32)


def of_split(task, split, axis=0):
    batches = list(task.in_order(split))
    x = torch.cat([batch["x"] for batch in batches], axis)
    return x.transpose(0, axis), torch.cat([batch["label"] for batch in batches])


def without_time(lines, *prefixes):
    return [{k: v for k, v in line.items() if k != "seconds" and k.startswith(prefixes)} for line in lines]


@pytest.mark.parametrize(("method", "settings"), [("ff", FF_IMAGES), ("backprop", BP_IMAGES)])
def test_the_pipeline_and_the_library_train_alike(method, settings, place, monkeypatch):
    """One epoch: the pipeline's images draw their augmentation after the order, so that later orders differ. The fixed
    wrong labels of FF's validation loss go by a sample's place in the set."""
    plan = make_image_plan(method, settings, max_epochs=1)
    lines, task = run_by_plan(plan, MLP((1, 28, 28), (20, 20, 20)), place, monkeypatch)
    learner = ffrepro.fit(
        MLP((1, 28, 28), (20, 20, 20)), of_split(task, "train"), method, epochs=1, batch_size=50, lr=1e-3,
        validation=of_split(task, "val"), inference="one_pass", **settings,
    )  # fmt: skip
    kinds = ("train", "val/error", "epoch") if method == "ff" else ("train", "val", "lr")
    assert without_time(learner.history, *kinds) == without_time(lines, *kinds)
    assert lines[0]["train/loss"] > 0


def test_they_train_recurrent_nets_alike_for_many_epochs(place, monkeypatch):
    plan = make_plan("ff_rnn", FF, data={"padding": "counted", "batches": "shuffled"}, max_epochs=3)
    net = RNN(2, 16, 3)
    lines, task = run_by_plan(plan, net, place, monkeypatch)
    names = ("plateau_on", "plateau_epochs", "plateau_factor", "plateau_threshold", "early_stop_epochs")
    schedule = {name: plan["training"][name] for name in ("schedule", *names)}
    learner = ffrepro.fit(
        RNN(2, 16, 3), of_split(task, "train", 1), "ff_rnn", epochs=3, batch_size=60,
        validation=of_split(task, "val", 1), **FF, **schedule,
    )  # fmt: skip
    assert len(lines) == 3
    assert without_time(learner.history, "") == without_time(lines, "")
