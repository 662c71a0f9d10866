"""FF on images with labels: its samples and its optimizers."""

import math

import pytest
import torch
from helpers import method_cases
from helpers.method_cases import CLASSES, SIDE, build, make_images
from torch.utils.flop_counter import FlopCounterMode

from ffrepro.base.errors import FfreproError
from ffrepro.core import early_exit
from ffrepro.methods import ff


@pytest.mark.parametrize("label", ["overlay", "fourier", "embedding"])
def test_normalised_samples_have_one_length(label):
    batch = make_images(6, dtype=torch.float64)
    method = build("ff sgd", label=label, dtype=torch.float64)
    plain = build("ff sgd", label=label, dtype=torch.float64, normalise_samples=False)
    x, label_B = method.images(batch), batch["label"]
    for sample, raw in ((method.put(x, label_B), plain.put(x, label_B)), (method.put_neutral(x), plain.put_neutral(x))):
        rms = raw.square().flatten(1).mean(1).sqrt().view(-1, 1, 1, 1)
        assert rms.std() > 1e-3
        torch.testing.assert_close(sample, raw / rms, rtol=1e-4, atol=1e-5)


def test_hard_negatives_from_a_head_that_learns_afterwards_are_refused():
    with pytest.raises(FfreproError, match="learns after the blocks") as error:
        build("ff hard negatives", head="after")
    assert "set `head` to concurrent" in str(error.value)


def test_sgd_steps_along_the_gradient_with_momentum():
    batch, lr = make_images(20), 1e-4
    method = build("ff sgd", lr=lr, weight_decay=0.0, momentum=0.5, layers=1)
    method.begin_phase(method.phases()[0])
    weight = method.net.blocks[0].linear.weight
    velocity = torch.zeros_like(weight)
    for _ in range(3):
        before = weight.detach().clone()
        method.step(batch)
        velocity = 0.5 * velocity + weight.grad
        torch.testing.assert_close(weight.detach(), before - lr * velocity)
    assert not torch.equal(velocity, weight.grad)
    names = [type(optimizer).__name__ for optimizer in method.optimizers]
    assert names == ["SGD", "Adam"]  # the head's is Adam


def test_readouts_see_their_blocks_and_learn_as_if_alone():
    batch = make_images(20)
    names = ["last_1", "all", "from_second", "last_2", "last_3"]
    together, alone = build("ff", readouts=names), build("ff", readouts=["last_1"])
    head = together.head
    assert head.first == {"last_1": 2, "all": 0, "from_second": 1, "last_2": 1, "last_3": 0}  # of three blocks
    assert sorted(head.layers) == ["0", "1", "2"]
    assert [head.layers[first].in_features for first in ("0", "1", "2")] == [120, 80, 40]
    others = ("extra.head.layers.0", "extra.head.layers.1")
    alone.load_weights({name: value for name, value in together.weights().items() if not name.startswith(others)})
    for method in (together, alone):
        method.generator.manual_seed(1)
        for _ in range(3):
            method.step(batch)
    mine, theirs = (method.evaluate_batch(batch) for method in (together, alone))
    torch.testing.assert_close(mine["scores_one_pass"], theirs["scores_one_pass"], rtol=0, atol=0)
    assert {name for name in mine if name.startswith("scores_one_pass_")} == {f"scores_one_pass_{n}" for n in names[1:]}
    activations = together.activations(together.put_neutral(together.images(batch)))
    for name, first in (("all", 0), ("from_second", 1), ("last_2", 1), ("last_3", 0)):
        readout = head.layers[str(first)]
        expected = torch.cat(activations[first:], 1) @ readout.weight.T + readout.bias
        torch.testing.assert_close(mine[f"scores_one_pass_{name}"], expected)


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("ff convolutions closed form", {"loss": "symba"}),
        ("ff convolutions closed form", {"label": "embedding"}),
        ("ff convolutions closed form", {"goodness": "topk"}),
        ("ff closed form", {"label": "embedding", "net": {"input_norm": "batch"}}),
    ],
)
def test_what_has_no_closed_form_is_refused(case, change, monkeypatch):
    _change_mlps(monkeypatch, change.get("net", {}))
    change = {name: value for name, value in change.items() if name != "net"}
    with pytest.raises(FfreproError, match="closed form") as error:
        build(case, **change)
    assert "set `gradient` to autograd" in str(error.value)
    build(case, gradient="autograd", **change)


@pytest.mark.parametrize(
    ("form", "theta", "counted"),
    [("sum", 0.1, 40), ("mean", 0.1, 1), ("topk", 1.0, 4), ("cubes", 0.1, 40), ("kurtosis", 5.0, 1)],
)
def test_threshold_of_each_form(form, theta, counted):
    """Null stands for the form's own; a pair at the threshold loses 2 log 2. Layers of 40 units, a tenth counted."""
    at = torch.full((2,), theta * counted, dtype=torch.float64)
    for given in (None, theta):
        method = build("ff", goodness=form, theta=given, dtype=torch.float64)
        assert float(method.pair_loss(at, 40)) == pytest.approx(2 * math.log(2), rel=1e-12)
        assert float(method.pair_loss(at + 1, 40)) > 2 * math.log(2)


@pytest.mark.parametrize("net", [{"input_norm": "batch"}, {"input_norm": "batch", "bias": False}, {"bias": False}])
def test_closed_form_of_other_linear_blocks_equals_autograd(net, monkeypatch):
    """Weights and running statistics after some steps, and a last batch of one image with its negative."""
    _change_mlps(monkeypatch, net)
    fast, slow = (build("ff closed form", gradient=g, dtype=torch.float64) for g in ("closed_form", "autograd"))
    start = {name: value.clone() for name, value in fast.weights().items()}
    assert any(name.endswith("running_var") for name in start) == ("input_norm" in net)
    for number, size in enumerate((20, 20, 7, 1)):
        batch = make_images(size, seed=number, dtype=torch.float64)
        a, b = fast.step(batch), slow.step(batch)
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-9)
    for name, value in fast.weights().items():
        assert name.startswith("head.") or not torch.equal(value, start[name])
        torch.testing.assert_close(value, slow.weights()[name], rtol=1e-7, atol=1e-9)


def _change_mlps(monkeypatch, changes):
    real = method_cases.nets.build
    monkeypatch.setattr(method_cases.nets, "build", lambda settings, *rest: real(settings | changes, *rest))


def test_hard_negatives_follow_the_heads_mistakes(monkeypatch):
    """Never the true label; the others as often as the head's softmax, without the true label, says."""
    method = build("ff hard negatives")
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.5, -30.0, 0.0, 0.0, 1.5, -2.0])
    label_B = torch.tensor([0, 5]).repeat(20_000)
    monkeypatch.setattr(method.head, "forward", lambda activations: logits.expand(len(label_B), -1))
    wrong_B = method._wrong_labels([], label_B)
    for label in (0, 5):
        share = logits.softmax(0)
        share[label] = 0
        found = torch.bincount(wrong_B[label_B == label], minlength=10) / 20_000
        assert found[label] == 0
        torch.testing.assert_close(found, share / share.sum(), rtol=0, atol=0.015)


@pytest.mark.parametrize("size", [20, 12])
def test_multi_pass_is_the_goodness_of_all_layers_under_each_label(size):
    """Label by label, or all labels of a few images in one pass."""
    batch = make_images(size, dtype=torch.float64)
    method = build("ff", dtype=torch.float64)
    method.step(batch)
    expected = torch.zeros(size, 10, dtype=torch.float64)
    with torch.no_grad():
        for label in range(10):
            x = batch["x"].clone()
            x.flatten(1)[:, :10] = 0
            x.flatten(1)[:, label] = 1
            h = x.flatten(1)
            for index, block in enumerate(method.net.blocks):
                h = h if index == 0 else h / (h.square().mean(1, keepdim=True).sqrt() + 1e-5)
                h = (h @ block.linear.weight.T + block.linear.bias).clamp_min(0)
                expected[:, label] += h.square().sum(1)
    torch.testing.assert_close(method.evaluate_batch(batch)["scores_multi_pass"], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("case", ["ff", "ff hard negatives", "ff_unsupervised hybrid", "uff autoencoder"])
def test_what_the_head_reads_is_gone_before_the_blocks_learn(case, monkeypatch):
    import gc
    import weakref

    method, read, alive = build(case), [], []
    see, learn = method.activations, method.learn_blocks

    def activations(x):
        out = see(x)
        read.extend(weakref.ref(h) for h in out)
        return out

    def learn_blocks(*args):
        gc.collect()
        alive.extend(ref() is not None for ref in read)
        return learn(*args)

    monkeypatch.setattr(method, "activations", activations)
    monkeypatch.setattr(method, "learn_blocks", learn_blocks)
    out = method.step(make_images())
    assert alive == [False] * 3 and "loss_head" in out


SHARED = [
    ("ff", {}),
    ("ff", {"negatives": "hard", "norm": "length"}),
    ("ff", {"update": "greedy"}),
    ("ff closed form", {}),
    ("ff closed form", {"negatives": "hard", "goodness": "mean", "label_scale": 2.0}),
    ("ff closed form", {"net": {"input_norm": "batch"}}),
    ("ff closed form", {"net": {"input_norm": "batch", "bias": False}, "normalise_samples": True, "negatives": "hard"}),
    ("ff closed form", {"net": {"bias": False}, "update": "greedy"}),
    ("ff sgd", {}),
    ("ff sgd", {"gradient": "autograd", "norm": "length"}),
    ("ff sgd", {"negatives": "hard", "norm": "length", "label_scale": 0.5}),
    ("ff topk", {}),
    ("ff cubes", {"negatives": "hard"}),
    ("ff kurtosis", {}),
]


@pytest.mark.parametrize(("case", "change"), SHARED)
def test_a_shared_first_layer_is_the_same_function(case, change, monkeypatch):
    """Losses, weights, running statistics and scores of both forms after some steps, the last of them uneven."""
    _change_mlps(monkeypatch, change.get("net", {}))
    change = {name: value for name, value in change.items() if name != "net"}
    forms = [build(case, first_layer=form, dtype=torch.float64, **change) for form in ("shared", "separate")]
    shared, separate = forms
    assert shared.shares and not separate.shares
    start = {name: value.clone() for name, value in shared.weights().items()}
    for phase in shared.phases():
        for number, size in enumerate((20, 20, 7)):
            batch = make_images(size, seed=number, dtype=torch.float64)
            for method in forms:
                method.begin_phase(phase)
            a, b = (method.step(batch) for method in forms)
            assert a.keys() == b.keys()
            for name, value in a.items():
                torch.testing.assert_close(value, b[name], rtol=1e-9, atol=0)
    assert all(not torch.equal(value, start[name]) for name, value in shared.weights().items())
    for name, value in shared.weights().items():
        torch.testing.assert_close(value, separate.weights()[name], rtol=1e-8, atol=1e-10)
    monkeypatch.setattr(ff, "LABELLED", 60)
    for size in (6, 13, 140):  # all labels in one pass, in several, one by one
        batch = make_images(size, seed=9, dtype=torch.float64)
        a, b = (method.evaluate_batch(batch) for method in forms)
        assert a.keys() == b.keys()
        for name, value in a.items():
            torch.testing.assert_close(value, b[name], rtol=1e-7, atol=1e-9)
            assert not name.startswith("scores") or torch.equal(value.argmax(1), b[name].argmax(1))
        left = [early_exit.run(*method.exits(batch), threshold=0.1) for method in forms]
        assert all(torch.equal(first, second) for first, second in zip(*left, strict=True))


def test_products_of_the_first_layer_are_counted():
    """Of a pair step with hard negatives: one product with the images and one for the gradient, not three and two."""
    counts = {}
    for form in ("shared", "separate"):
        method, batch = build("ff sgd", negatives="hard", first_layer=form, layers=1), make_images(20)
        method.begin_phase(method.phases()[0])
        with FlopCounterMode(display=False) as counter:
            method.step(batch)
        counts[form] = counter.get_total_flops() // 2
    inputs, units, label = 3 * SIDE * SIDE, 40, CLASSES + 1
    readout = 2 * 20 * units * CLASSES * 2  # of the readouts ``all`` and ``last_1``, which are one here
    head = counts["separate"] - 5 * 20 * inputs * units
    assert 0 < head <= 2 * readout
    assert counts["shared"] - head == 2 * 20 * inputs * units + 5 * 20 * label * units


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("ff learnt labels", {}),
        ("ff waves", {}),
        ("ff convolutions", {}),
        ("ff convolutions", {"label": "overlay"}),
        ("ff", {"net": {"input_norm": "batch"}}),
    ],
)
def test_where_nothing_is_shared_the_numbers_are_those_of_separate_samples(case, change, monkeypatch):
    _change_mlps(monkeypatch, change.get("net", {}))
    change = {name: value for name, value in change.items() if name != "net"}
    shared, separate = (build(case, first_layer=form, **change) for form in ("shared", "separate"))
    batch = make_images(12)
    a, b = (method.step(batch) for method in (shared, separate))
    assert not shared.shares and a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    a, b = (method.evaluate_batch(batch) for method in (shared, separate))
    assert all(torch.equal(a[name], b[name]) for name in b)
