"""The math of the methods without labels and of the learnt label images, against plain autograd in float64."""

import pytest
import torch
from helpers.method_cases import CASES, build, make_images
from torch.nn import functional as F

from ffrepro.base.errors import FfreproError
from ffrepro.core import early_exit
from ffrepro.data import label_negatives

UNLABELLED = [case for case, (name, _) in CASES.items() if name in ("ff_unsupervised", "scff", "uff")]


def images():
    return make_images(dtype=torch.float64)


def weight_of(method):
    """Of the only readout that these methods have."""
    (readout,) = method.head.layers.values()
    return readout.weight


def relu_layer(block, x):
    return torch.relu(x.flatten(1) @ block.linear.weight.T + block.linear.bias)


def grads(block):
    return [parameter.grad.clone() for parameter in block.parameters()]


def equal(ours, expected):
    for a, b in zip(ours, expected, strict=True):
        assert b.abs().max() > 1e-9
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", UNLABELLED)
def test_labels_teach_the_readout_only(case):
    batch = images()
    other = {**batch, "label": (batch["label"] + 3) % 10}
    first, second = build(case, dtype=torch.float64), build(case, dtype=torch.float64)
    for _ in range(3):
        first.step(batch)
        second.step(other)
    assert all(torch.equal(a, b) for a, b in zip(first.net.parameters(), second.net.parameters(), strict=True))
    assert not torch.equal(weight_of(first), weight_of(second))


@pytest.mark.parametrize("case", UNLABELLED)
def test_the_readout_afterwards_leaves_the_blocks_alone(case):
    method = build(case, head="after")
    batch = make_images()
    phases = method.phases()
    assert [phase.name for phase in phases] == ["train", "head"]
    method.begin_phase(phases[0])
    head = weight_of(method).clone()
    out = method.step(batch)
    assert torch.equal(head, weight_of(method)) and "loss_head" not in out
    assert "scores_one_pass" in method.evaluate_batch(batch)  # at chance, but there
    blocks = [p.clone() for p in method.net.parameters()]
    method.begin_phase(phases[1])
    out = method.step(batch)
    assert float(out["loss"]) == float(out["loss_head"])
    assert not torch.equal(head, weight_of(method))
    assert all(torch.equal(a, b) for a, b in zip(blocks, method.net.parameters(), strict=True))


@pytest.mark.parametrize("case", ["ff_unsupervised hybrid", "ff_unsupervised noise", "ff_unsupervised patches", "scff"])
def test_pairs_are_those_of_the_papers_and_their_gradient_that_of_eq_1(case):
    method = build(case, dtype=torch.float64, loss="logistic", goodness="mean", theta=0.1)
    batch = images()
    x, state = batch["x"], method.generator.get_state()
    g = torch.Generator()
    g.set_state(state)
    positive, negative = {
        "ff_unsupervised hybrid": lambda: (x, label_negatives.hybrid_images(x, 2, g)),
        "ff_unsupervised noise": lambda: (x, x + 0.5 * torch.randn(x.shape, generator=g).double()),
        "ff_unsupervised patches": lambda: (x, label_negatives.shuffle_patches(x, 5, g)),
        "scff": lambda: (2 * x, x + x[label_negatives.partners(len(x), g)]),
    }[case]()
    first, second = method.net.blocks[:2]
    expected = []
    for block in (first, second):
        twin = torch.nn.ParameterList(p.detach().clone() for p in block.parameters())
        h = [torch.relu(part.flatten(1) @ twin[0].T + twin[1]) for part in (positive, negative)]
        good, bad = (part.square().mean(1) for part in h)
        (-F.logsigmoid(good - 0.1) - F.logsigmoid(0.1 - bad)).mean().backward()
        expected.append([p.grad for p in twin])
        # The next block learns from what this one gave before its update, without its length.
        positive, negative = ((part / (part.square().mean(1, keepdim=True).sqrt() + 1e-5)).detach() for part in h)
    method.step(batch)
    equal(grads(first), expected[0])
    equal(grads(second), expected[1])


def test_autoencoder_cells_learn_to_bring_back_their_input():
    method = build("uff autoencoder", dtype=torch.float64)
    batch, cell, block = images(), method.cells[1], method.net.blocks[1]
    below = relu_layer(method.net.blocks[0], batch["x"])
    x = (below / (below.square().mean(1, keepdim=True).sqrt() + 1e-5)).detach()
    own = [p.detach().clone().requires_grad_() for p in (*block.parameters(), *cell.parameters())]
    h = torch.relu(x @ own[0].T + own[1])
    loss = ((h @ own[2].T + own[3] - x) ** 2).sum() / x.numel()
    loss.backward()
    out = method.step(batch)
    assert float(out["loss_layer1"]) == pytest.approx(float(loss.detach()), rel=1e-12)
    equal([*grads(block), *grads(cell)], [p.grad for p in own])


def test_a_gan_cells_two_players_learn_from_their_own_losses():
    method = build("uff gan", dtype=torch.float64, noise_size=5)
    batch, cell, block = images(), method.cells[0], method.net.blocks[0]
    g = torch.Generator()
    g.set_state(method.generator.get_state())
    noise = torch.randn(len(batch["x"]), 5, generator=g).double()
    fake = cell["generate"](noise)

    def judge(x):
        return cell["judge"](relu_layer(block, x)).squeeze(1)

    everything = [*block.parameters(), *cell["judge"].parameters(), *cell["generate"].parameters()]
    against = -F.logsigmoid(judge(batch["x"])).mean() - F.logsigmoid(-judge(fake)).mean()
    discriminator = torch.autograd.grad(against, everything[:4], retain_graph=True)
    generator = torch.autograd.grad(-F.logsigmoid(judge(fake)).mean(), everything[4:])
    method.step(batch)
    equal([p.grad for p in everything], [*discriminator, *generator])


def test_cells_are_for_fully_connected_nets():
    from helpers.method_cases import UFF

    from ffrepro import methods
    from ffrepro.nets.cnn import Cnn

    g = torch.Generator().manual_seed(0)
    net = Cnn((3, 10, 10), "test", classes=10, cfse=False, init="torch_default", generator=g)
    with pytest.raises(FfreproError, match="convolutions"):
        methods.module("uff").Method(net, UFF, make_images(), g, 1e-3)


@pytest.mark.parametrize("case", ["ff learnt labels", "ff learnt labels closed form"])
def test_label_images_learn_from_the_first_blocks_loss_alone(case):
    method = build(case, dtype=torch.float64)
    batch, block, label_B = images(), method.net.blocks[0], images()["label"]
    g = torch.Generator()
    g.set_state(method.generator.get_state())
    wrong_B = label_negatives.wrong_labels(label_B, 10, g)
    table = method.table.weight.detach().clone().requires_grad_()
    theta = method.hp["theta"] * 40
    good, bad = (
        relu_layer(block, batch["x"] + table[which].view(-1, 1, 10, 10)).square().sum(1) for which in (label_B, wrong_B)
    )
    (F.softplus(theta - good) + F.softplus(bad - theta)).mean().backward()
    method.step(batch)
    equal([method.table.weight.grad], [table.grad])


def test_label_images_rest_while_an_upper_layer_learns():
    method = build("ff learnt labels", update="greedy")
    first, second = method.phases()[:2]
    table = method.table.weight.clone()
    method.begin_phase(second)
    method.step(make_images())
    assert torch.equal(table, method.table.weight)
    method.begin_phase(first)
    method.step(make_images())
    assert not torch.equal(table, method.table.weight)


@pytest.mark.parametrize("case", ["ff", "ff learnt labels", "ff waves", "cwc simultaneous"])
def test_schemes_alone_are_what_observe_gives_with_everything(case):
    method, batch = build(case), make_images()
    method.step(batch)
    seen = method.evaluate_batch(batch)
    for name in [name for name in seen if name.startswith("scores_")]:
        assert torch.equal(method.scores(batch, name.removeprefix("scores_")), seen[name]), name
    with torch.no_grad():
        threshold = float(early_exit.confidence(seen["layer_scores"][:, 0].double()).median())
        ours = early_exit.run(*method.exits(batch), threshold)
    expected = early_exit.leave(seen["layer_scores"], threshold)
    assert torch.equal(ours[0], expected[0]) and torch.equal(ours[1], expected[1])
    assert ours[1].min() == 1 < ours[1].max()
