"""CwC: the nets that it refuses, its gradients by hand, and what it holds of the layers below a group."""

import copy

import pytest
import torch
from helpers.method_cases import CWC, build, make_images
from torch.nn import functional as F

from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.nets.cnn import MODELS, Model
from ffrepro.training.memory import Peak

CNN = {"name": "cnn", "cfse": False, "init": "torch_default"}
SCHEDULE = {"schedule": "multistep", "milestones": [], "gamma": 0.1, "lr": 1e-3}
MLP = {"name": "mlp", "layers": [20, 20], "input_norm": "none", "bias": True, "groups": 10, "init": "torch_default"}


@pytest.mark.parametrize("settings", [MLP, {**CNN, "model": "mnist_original"}], ids=["mlp", "no groups"])
def test_a_net_without_groups_or_head_is_refused(settings):
    generator = torch.Generator().manual_seed(0)
    net = nets.build(settings, (1, 28, 28), 10, generator)
    with pytest.raises(FfreproError, match="channel groups") as error:
        methods.module("cwc").Method(net, CWC, {"x": torch.zeros(2, 1, 28, 28)}, generator, 1e-3)
    assert error.value.where == "net"


@pytest.mark.parametrize("update", ["simultaneous", "chunked", "overlapping"])
def test_autograd_holds_one_group_whatever_the_depth(update, monkeypatch):
    """What four more layers cost is their weights, gradients and optimizers' state: no maps."""
    peaks = []
    batch = {"x": torch.randn(128, 3, 16, 16), "label": torch.arange(128) % 10}
    for depth in (4, 8):
        monkeypatch.setitem(MODELS, "uniform", Model((20,) * depth, (3,) * depth, ()))
        generator = torch.Generator().manual_seed(0)
        net = nets.build({**CNN, "model": "uniform"}, (3, 16, 16), 10, generator)
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

    def watched(*args, **more):
        gc.collect()
        alive.append([ref() is not None for ref in made])
        hs = run(*args, **more)
        made.extend(weakref.ref(h) for h in hs)
        return hs

    monkeypatch.setattr(method, "_run", watched)
    method.step({"x": torch.randn(20, 3, 10, 10), "label": torch.arange(20) % 10})
    assert alive == [[], [False, False]]


def test_epochs_to_learn_in_are_given_for_every_layer():
    with pytest.raises(FfreproError, match=r"\b3 layers.* 2\b") as error:
        build("cwc simultaneous", layer_epochs=[[0, 5], [0, 5]])
    assert error.value.where == "method.layer_epochs"


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
        losses = [] if phase.name == "head" else [f"loss_layer{layer}" for layer in expected]
        assert [key for key in out if key.startswith("loss_layer")] == losses


def by_hand(h):
    """Goodness (B, 10): mean of squares of every class's channels and positions."""
    return h.square().unflatten(1, (10, -1)).mean((2, 3, 4))


def gradients_of_step(method, batch):
    """Each block's gradients at the moment of its optimizer's step."""
    found = {}
    for index, (block, optimizer) in enumerate(zip(method.net.blocks, method.optimizers, strict=False)):
        step = optimizer.step

        def noting(index=index, block=block, step=step):
            assert index not in found, "a layer made two steps"
            found[index] = {name: p.grad.clone() for name, p in block.named_parameters()}
            step()

        optimizer.step = noting
    method.step(batch)
    return [found[index] for index in range(len(found))]


def assert_gradients(found, net):
    assert len(found) == len(net.blocks)
    for grads, block in zip(found, net.blocks, strict=True):
        for name, parameter in block.named_parameters():
            assert parameter.grad.abs().max() > 0
            torch.testing.assert_close(grads[name], parameter.grad, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("update", "steps", "losses"),
    [  # losses: (layer that a group's input comes out of, layer of its loss), -1: the images
        ("simultaneous", 0, [(-1, 0), (0, 1), (1, 2)]),
        ("chunked", 0, [(-1, 1), (1, 2)]),
        ("alternating", 0, [(-1, 1), (1, 2)]),
        ("alternating", 1, [(-1, 0), (0, 2)]),
        ("overlapping", 0, [(-1, 1), (0, 2)]),  # layer 1 learns from both
    ],
)
def test_gradients_of_groups(update, steps, losses):
    """What autograd gives for the losses at the groups' last layers, cut off where a group starts."""
    batch = make_images(dtype=torch.float64)
    method = build("cwc simultaneous", dtype=torch.float64, update=update, head="after")
    method.begin_phase(method.phases()[0])
    method.steps = steps
    net = copy.deepcopy(method.net).train()
    with torch.no_grad():
        maps = [batch["x"]]
        for block in copy.deepcopy(net).blocks:
            maps.append(block(maps[-1]))
    total = 0
    for source, last in losses:
        h = maps[source + 1]
        for block in net.blocks[source + 1 : last + 1]:
            h = block(h)
        total = total + F.cross_entropy(by_hand(h), batch["label"])
    total.backward()
    assert_gradients(gradients_of_step(method, batch), net)


def test_random_feedback_replaces_the_gradient_inside_a_group():
    """The last layer's error on its goodness, projected by fixed noise on the map of the layer below."""
    batch = make_images(dtype=torch.float64)
    method = build("cwc random feedback", dtype=torch.float64, head="after")
    method.begin_phase(method.phases()[0])
    net = copy.deepcopy(method.net).train()
    first = net.blocks[0](batch["x"])
    second = net.blocks[1](first.detach())
    third = net.blocks[2](second.detach())
    g = by_hand(second)
    (F.cross_entropy(g, batch["label"]) + F.cross_entropy(by_hand(third), batch["label"])).backward()
    error = (g.softmax(1) - F.one_hot(batch["label"], 10)).detach() / len(g)
    signal = torch.einsum("bj,jchw->bchw", error, method._feedback[0]) / 10**0.5 / first[0].numel()
    first.backward(signal)
    assert_gradients(gradients_of_step(method, batch), net)


def test_a_shared_layer_counts_a_batch_once():
    """BatchNorm's running statistics under overlapping updates are those of layers on their own, a batch later."""
    overlapping, alone = (build("cwc simultaneous", update=update) for update in ("overlapping", "simultaneous"))
    for method in (overlapping, alone):
        method.step(make_images())
    for ours, theirs in zip(overlapping.net.blocks, alone.net.blocks, strict=True):
        assert ours.bn.num_batches_tracked == theirs.bn.num_batches_tracked == 1
        assert ours.bn.momentum == theirs.bn.momentum > 0
    torch.testing.assert_close(overlapping.net.blocks[1].bn.running_mean, alone.net.blocks[1].bn.running_mean)


@pytest.mark.parametrize(("kind", "others"), [("sum", 1), ("mean", 9)])
@pytest.mark.parametrize("loss", ["logistic", "symba", "distance"])
def test_pairwise_losses_set_the_true_class_against_all_others(loss, kind, others):
    batch = make_images(dtype=torch.float64)
    method = build(
        "cwc simultaneous", dtype=torch.float64, loss=loss, negative_goodness=kind, theta=0.3, alpha=2.0, margin=0.7,
        mixing_weight=0.4,
    )  # fmt: skip
    net = copy.deepcopy(method.net).eval()
    with torch.no_grad():
        g = by_hand(net.blocks[0](batch["x"]))
    own = F.one_hot(batch["label"], 10).bool()
    positive, negative = g[own], g.masked_fill(own, 0).sum(1) / others
    absolute = torch.log1p(torch.exp(0.3 - positive)) + torch.log1p(torch.exp(negative - 0.3))
    relative = torch.log1p(torch.exp(0.7 - positive + negative))
    expected = {
        "logistic": absolute,
        "symba": torch.log1p(torch.exp(-2 * (positive - negative))),
        "distance": 0.4 * absolute + 0.6 * relative,
    }[loss]
    torch.testing.assert_close(method.evaluate_batch(batch)["loss"][:, 0], expected, rtol=1e-10, atol=0)


def test_goodness_is_that_of_the_last_two_layers():
    batch = make_images(dtype=torch.float64)
    method = build("cwc simultaneous", dtype=torch.float64)
    method.step(batch)
    h, goods = batch["x"], []
    with torch.no_grad():
        for block in copy.deepcopy(method.net).eval().blocks:
            h = block(h)
            goods.append(by_hand(h))
    seen = method.evaluate_batch(batch)
    torch.testing.assert_close(seen["scores_goodness"], goods[1] + goods[2], rtol=1e-10, atol=0)
    torch.testing.assert_close(seen["scores_all"], goods[0] + goods[1] + goods[2], rtol=1e-10, atol=0)
    torch.testing.assert_close(seen["scores_last1"], goods[2], rtol=1e-10, atol=0)


def test_two_stages_of_interleaved_training_by_hand():
    """Stopping epochs are those of each layer's lowest loss; each phase begins anew; the last stops layers there."""
    method, batch = build("cwc simultaneous", ilt_patience=2), make_images()
    initial = {name: value.clone() for name, value in method.weights().items()}
    assert [phase.name for phase in method.phases()] == ["find_layer0", "find_layer1", "find_layer2", "train"]
    losses = {0: [3.0, 2.0, 2.0, 2.5], 1: [5.0, 6.0, 7.0], 2: [9.0, 8.0, 7.0]}  # the last one is cut off, still falling
    learnt = {}
    for phase in method.phases():
        method.begin_phase(phase)
        layer = method.interleaved.finds(phase.name)
        epochs = range(3) if layer is None else range(len(losses[layer]))
        for epoch in epochs:
            method.begin_epoch(epoch)
            if epoch == 0:
                assert all(torch.equal(value, initial[name]) for name, value in method.weights().items())
                assert not any(optimizer.state for optimizer in method.optimizers)
            learnt[phase.name, epoch] = method.learning()
            method.begin_schedule(SCHEDULE, 5)
            train = {name: float(value) for name, value in method.step(batch).items()}
            assert not method.phase_done()
            method.end_epoch(train, {} if layer is None else {f"loss_layer{layer}": losses[layer][epoch]})
        assert method.phase_done() == (layer in (0, 1))
    assert method.interleaved.stops == [2, 1, 3]
    assert [learnt["find_layer0", epoch] for epoch in range(4)] == [[0]] * 4
    assert [learnt["find_layer1", epoch] for epoch in range(3)] == [[0, 1], [0, 1], [1]]
    assert [learnt["find_layer2", epoch] for epoch in range(3)] == [[0, 1, 2], [0, 2], [2]]
    assert [learnt["train", epoch] for epoch in range(3)] == [[0, 1, 2], [0, 2], [2]]
    other = build("cwc simultaneous", ilt_patience=2)
    other.load_state_dict(copy.deepcopy(method.state_dict()))
    assert other.interleaved.stops == [2, 1, 3]


def test_epochs_are_found_or_given():
    with pytest.raises(FfreproError) as error:
        build("cwc simultaneous", ilt_patience=2, layer_epochs=[[0, 5]] * 3)
    assert error.value.where == "method.layer_epochs"
