"""Whatever a user gives that does not fit is an FfreproError that says where."""

import numpy as np
import pytest
import torch
from torch import nn

import ffrepro
from ffrepro import FfreproError
from ffrepro.nets import CNN, MLP, RNN, blocks
from ffrepro.training import machine

X = torch.rand(40, 12, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 4
IMAGES = X.view(40, 3, 2, 2)
SEQUENCES = X.view(40, 6, 2)


def mlp():
    return MLP(12, (8, 8))


def fit(data=(X, Y), method="ff", net=None, **settings):
    return lambda: ffrepro.fit(net or mlp(), data, method, epochs=settings.pop("epochs", 1), **settings)


def nan():
    x = X.clone()
    x[3, 4] = float("nan")
    return x


def ragged():
    return [(X[0], 0), (X[1][:5], 1)]


grouped = {"classes": 4, "grouped": True}
WRONG = {
    # data
    "one dimension": (fit((Y.float(), Y)), "train"),
    "no samples": (fit((X[:0], Y[:0])), "train"),
    "no features": (fit((X[:, :0], Y)), "train"),
    "empty data set": (fit([]), "train"),
    "fewer labels": (fit((X, Y[:7])), "train"),
    "labels in a column": (fit((X, Y[:, None])), "train"),
    "one-hot labels": (fit((X, nn.functional.one_hot(Y))), "train"),
    "labels of floats": (fit((X, Y.float())), "train"),
    "labels of text": (fit((X, ["a", "b"] * 20)), "train"),
    "inputs of text": (fit(([["a", "b"]] * 40, Y)), "train"),
    "complex inputs": (fit((X + 1j, Y)), "train"),
    "nan": (fit((nan(), Y)), "train"),
    "beyond float32": (fit((X.double() * 1e300, Y)), "train"),
    "negative labels": (fit((X, Y - 1)), "labels"),
    "labels are no classes": (fit((X, Y + 1000)), "labels"),
    "one class": (fit((X, Y * 0 + 2)), "labels"),
    "fewer classes than labels": (fit(classes=3), "labels"),
    "ragged": (fit(ragged()), "train"),
    "a number": (fit(5), "train"),
    "text": (fit("data.csv"), "train"),
    "a dictionary": (fit({"x": X, "y": Y}), "train"),
    "batches without labels": (fit([X, X, X]), "train"),
    "nothing": (fit(None), "train"),
    "no share": (fit(validation=0.0), "validation"),
    "a share of all": (fit(validation=1.0), "validation"),
    "validation of another shape": (fit(validation=(X[:, :5], Y)), "validation"),
    "validation of other classes": (fit(validation=(X, Y + 1)), "val"),
    # net
    "no module": (lambda: ffrepro.Learner("mlp"), "net"),
    "another number of inputs": (fit(net=MLP(13)), "net, LinearBlock"),
    "a module in no order": (fit(net=nn.Linear(12, 3)), "net"),
    "a module without weights": (fit(net=nn.Sequential(nn.ReLU())), "net"),
    "a module that does not fit itself": (fit(net=nn.Sequential(nn.Linear(12, 5), nn.Linear(6, 5))), "net, Linear"),
    "a module that returns more": (fit((SEQUENCES, Y % 2), net=nn.Sequential(nn.LSTM(2, 5))), "net, LSTM"),
    "a net for other classes": (fit(net=MLP(12, (8,), classes=2, grouped=True), method="cwc"), "labels"),
    "a net for fewer classes": (fit(net=MLP(12, (8,), **grouped), method="cwc", classes=5), "classes"),
    "cwc without groups": (fit(method="cwc"), "net"),
    "cwc on a module": (fit(net=nn.Sequential(nn.Linear(12, 8)), method="cwc"), "net"),
    "uff on convolutions": (fit((IMAGES, Y), "uff", CNN((3, 2, 2), (4,))), None),
    "closed form of a module": (fit(net=nn.Sequential(nn.Linear(12, 8)), gradient="closed_form"), "method.gradient"),
    "no such part": (lambda: blocks(mlp(), ["block.0"], example=X), "at"),
    "an image for a recurrent net": (fit((IMAGES, Y % 2), "ff_rnn", RNN(2, 4)), "inputs"),
    "sequences of other features": (fit((SEQUENCES, Y % 2), "ff_rnn", RNN(3, 4)), "inputs"),
    "sequences of four classes": (fit((SEQUENCES, Y), "ff_rnn", RNN(2, 4)), "labels"),
    "a recurrent method on a net of blocks": (fit(method="backprop_rnn"), "method"),
    "a recurrent net for ff": (fit((SEQUENCES, Y % 2), net=RNN(2, 4)), "method"),
    "no size": (lambda: MLP(0), "inputs"),
    "no layers": (lambda: MLP(3, ()), "layers"),
    "a size that is no number": (lambda: CNN((1, 8, 8), ("a",)), "channels"),
    "images of two dimensions": (lambda: CNN((8, 8)), "CNN"),
    "groups without classes": (lambda: MLP(3, (8,), grouped=True), "classes"),
    "groups that do not divide": (lambda: MLP(3, (9,), **grouped), "net"),
    # method and settings
    "no such method": (fit(method="bakprop"), None),
    "no such setting": (fit(tetha=1.0), "tetha"),
    "no such schedule": (fit(schedule="plataeu"), "schedule"),
    "a setting of another schedule": (fit(milestones=[2], schedule="cosine"), "milestones"),
    "a value out of range": (fit(norm_epsilon="small"), "norm_epsilon"),
    "no such inference": (fit(inference="two_pass"), "method ff"),
    "no epochs": (fit(epochs=0), "max_epochs"),
    "half an epoch": (fit(epochs=0.5), "max_epochs"),
    "a batch of one": (fit(batch_size=1), "batch_size"),
    "no rate": (fit(lr=0), "lr"),
    "one class asked for": (fit(classes=1), "classes"),
    "a seed that is none": (fit(seed="a"), "seed"),
    "no such device": (fit(device="tpu"), "device"),
    "a device that is not here": (fit(device="cuda:99"), "device"),
    "hybrids of vectors": (fit(method="ff_unsupervised"), "method.negatives"),
    "waves over vectors": (fit(label="fourier"), "method.label"),
    "an overlay of more classes than numbers": (fit((X[:, :2], Y), net=MLP(2)), "method.label"),
    "patches that do not tile": (
        fit((IMAGES, Y), "ff_unsupervised", MLP((3, 2, 2)), negatives="patches", patch_side=3), None,
    ),
    "a plateau without validation": (fit(schedule="plateau"), "validation"),
    "a rate that diverges": (fit(lr=1e30, epochs=3), "fit ff"),
    # order of calls
    "predict before fit": (lambda: ffrepro.Learner(mlp()).predict(X), "Learner"),
    "save before fit": (lambda: ffrepro.Learner(mlp()).save("x.pt"), "Learner"),
    "a step without classes": (lambda: ffrepro.Learner(mlp()).step(X, Y), "classes"),
    "a step in phases": (lambda: ffrepro.Learner(mlp(), classes=4, update="greedy").step(X, Y), "step"),
    "predict on other samples": (lambda: fit()().predict(X[:, :5]), "inputs"),
    "predict on one sample": (lambda: fit()().predict(X[0]), "inputs"),
    "score on other labels": (lambda: fit()().evaluate(X, Y + 2), "train"),
    "fit on other samples": (lambda: fit()().fit(X[:, :5], Y), "inputs"),
    "no file": (lambda: ffrepro.Learner.load("/nowhere/x.pt", mlp()), "/nowhere/x.pt"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_refused_with_its_place(case):
    call, where = WRONG[case]
    with pytest.raises(FfreproError) as caught:
        call()
    assert caught.value.where == where
    assert caught.value.fix or where is None


@pytest.mark.parametrize(("given", "meant"), [("tetha", "theta"), ("batchsize", "batch_size"), ("epoch", "epochs")])
def test_the_nearest_setting_is_suggested(given, meant):
    with pytest.raises(FfreproError) as caught:
        ffrepro.fit(mlp(), (X, Y), "ff", **{given: 3})
    assert repr(meant) in caught.value.fix


def test_a_setting_without_a_default_must_be_given(monkeypatch):
    from ffrepro.base import settings
    from ffrepro.methods import ff

    monkeypatch.setitem(ff.SETTINGS, "needed", settings.number("a number that nobody knows"))
    with pytest.raises(FfreproError) as caught:
        ffrepro.fit(mlp(), (X, Y), "ff")
    assert caught.value.where == "needed"


@pytest.mark.parametrize("content", [b"", b"no file of torch", None])
def test_a_file_that_is_no_learner_is_refused(content, tmp_path):
    path = tmp_path / "x.pt"
    if content is None:
        torch.save({"format": 1}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(FfreproError) as caught:
        ffrepro.Learner.load(path, mlp())
    assert caught.value.where == path


def test_another_architecture_does_not_take_the_weights(tmp_path):
    fit()().save(tmp_path / "x.pt")
    with pytest.raises(FfreproError) as caught:
        ffrepro.Learner.load(tmp_path / "x.pt", MLP(12, (8, 9)))
    assert caught.value.where == tmp_path / "x.pt"


def test_a_label_over_many_features_is_told():
    with pytest.warns(UserWarning, match="first 4 of the 12"):
        fit()()
    with np.testing.suppress_warnings() as told:
        record = told.record(UserWarning)
        ffrepro.fit(MLP(16), (nn.functional.pad(X, (4, 0)), Y), "ff", epochs=1)
    assert not record


def test_the_best_device_is_chosen(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert machine.choose(None) == "cuda" and machine.choose("cuda:1") == "cuda:1" and machine.choose("cpu") == "cpu"
    with pytest.raises(FfreproError):
        machine.choose("cuda:2")


def test_score_takes_no_label_that_is_no_class():
    learner = fit()()
    with pytest.raises(FfreproError) as caught:
        learner.score(X, Y + 4)
    assert caught.value.where == "score" and "0 to 3" in caught.value.what


def test_recurrent_methods_say_that_they_tell_two_classes_apart():
    with pytest.raises(FfreproError) as caught:
        fit((SEQUENCES, Y), "ff_rnn", RNN(2, 4, 1))()
    assert "0 to 3" in caught.value.what and "two classes" in caught.value.what


def test_a_wrapped_models_file_is_no_learners(tmp_path):
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    learner = ffrepro.wrap(model, at=["1"], method="bp", classes=4)
    learner.fit((X, Y), epochs=1)
    learner.save(tmp_path / "wrapped.pt")
    with pytest.raises(FfreproError) as caught:
        ffrepro.Learner.load(tmp_path / "wrapped.pt", mlp())
    assert "WrappedLearner.load" in caught.value.fix


def test_bp_is_backpropagation_here_as_for_a_wrapped_model():
    assert fit(method="bp")().method_name == "backprop"
    with pytest.raises(FfreproError) as caught:
        fit(method="mine")()
    assert "FFREPRO_EXTENSIONS" in caught.value.fix
