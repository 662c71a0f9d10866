"""FF on recurrent layers of any cell: by hand, against ``ff_rnn``, and its options."""

import numpy as np
import pytest
import torch
from helpers.method_cases import FF, FF_RECURRENT, HIDDEN, LAYERS, T, build, make_batch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from ffrepro import methods, nets
from ffrepro.base.errors import FfreproError
from ffrepro.core import detection, early_exit
from ffrepro.nets.rnn import Rnn

DOUBLE = torch.float64


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("norm", ["rms", "standardize"])
@pytest.mark.parametrize("reduction", ["per_class", "joint"])
def test_relu_cells_and_one_threshold_are_ff_rnn(norm, reduction, masked):
    same = {"norm": norm, "loss_reduction": reduction}
    ours, closed = build("ff_recurrent", dtype=DOUBLE, **same), build("ff_rnn rms", dtype=DOUBLE, **same)
    for number in range(6):
        batch = make_batch(20 if number < 5 else 7, number, masked, DOUBLE)
        assert float(ours.step(batch)["loss"]) == pytest.approx(float(closed.step(batch)["loss"]), rel=1e-9)
    for name, value in ours.weights().items():
        torch.testing.assert_close(value, closed.weights()[name], rtol=1e-6, atol=1e-8)
    seen, expected = ours.evaluate_batch(batch), closed.evaluate_batch(batch)
    assert seen.keys() == expected.keys()
    for name, value in seen.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-8)


def by_hand(block, x_TBI, cell):
    """States of a gated layer, step by step, as its equations read."""
    w_ih, w_hh, b_ih, b_hh = block.parameters()
    h = c = x_TBI.new_zeros(x_TBI.shape[1], HIDDEN)
    states = []
    for x in x_TBI:
        from_x, from_h = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
        if cell == "lstm":
            i, f, g, o = (from_x + from_h).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        else:
            (r, z, n), (hr, hz, hn) = from_x.chunk(3, 1), from_h.chunk(3, 1)
            z = (z + hz).sigmoid()
            h = (1 - z) * (n + (r + hr).sigmoid() * hn).tanh() + z * h
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gradients_of_gated_layers_are_those_of_their_equations(cell):
    method, batch = build(f"ff_recurrent {cell}", dtype=DOUBLE, norm="rms"), make_batch(8, dtype=DOUBLE)
    x, sign = batch["x"], batch["label"].double() * 2 - 1
    expected = []
    for block in method.net.blocks:
        h = by_hand(block, x, cell)
        loss = F.softplus(-sign * (h.square().sum(-1) - 2.0)).mean(0)
        reduced = loss.mean() * (1 if cell == "lstm" else 2)  # joint; or the sum of two means over equal classes
        expected.append(torch.autograd.grad(reduced, list(block.parameters())))
        h = h.detach()
        x = h / (h.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    method.step(batch)
    for block, wanted in zip(method.net.blocks, expected, strict=True):
        for parameter, gradient in zip(block.parameters(), wanted, strict=True):
            assert gradient.abs().max() > 1e-6
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-12)


def test_thresholds_by_layer_and_sign():
    method, batch = build("ff_recurrent thetas", dtype=DOUBLE), make_batch(6, dtype=DOUBLE)
    seen = method.evaluate_batch(batch)
    torch.testing.assert_close(seen["layer_logit"], seen["goodness"] - torch.tensor([1.5, 2.0, 2.5], dtype=DOUBLE))
    g_TB = method.net.blocks[0](batch["x"])[0].square().sum(-1)
    for sample, label in enumerate(batch["label"].tolist()):
        z_T = g_TB[:, sample] - 2.0 if label else 1.0 - g_TB[:, sample]
        torch.testing.assert_close(seen["loss"][sample, 0], torch.log1p(torch.exp(-z_T)).mean())


def test_thresholds_for_another_number_of_layers_are_refused():
    with pytest.raises(FfreproError) as error:
        build("ff_recurrent", theta_negative=[1.0, 2.0])
    assert error.value.where == "method.theta_negative"


def test_kl_is_that_of_normal_distributions_over_a_samples_own_steps():
    method, batch = build("ff_recurrent kl", dtype=DOUBLE, norm_epsilon=1e-12), make_batch(6, 3, True, DOUBLE)
    seen = method.evaluate_batch(batch)["loss"][:, 0]
    g_TB = method.net.blocks[0](batch["x"])[0].square().sum(-1)
    compared = 0
    for sample, label in enumerate(batch["label"].tolist()):
        own = g_TB[batch["mask"][:, sample] > 0, sample]
        if len(own) > 1:
            found = Normal(own.mean(), own.std(unbiased=False))
            torch.testing.assert_close(seen[sample], kl_divergence(found, Normal(3.0 if label else 1.0, 1.0)))
            compared += 1
    assert compared >= 4


def test_learnt_weights_begin_equal_stay_positive_and_move():
    plain = build("ff_recurrent", goodness="mean")
    method, batch = build("ff_recurrent weighted"), make_batch()
    torch.testing.assert_close(method.evaluate_batch(batch)["goodness"], plain.evaluate_batch(batch)["goodness"])
    for _ in range(20):
        method.step(batch)
    weight_H = torch.softmax(method.extra["goodness0"].detach(), 0) * HIDDEN
    assert float(weight_H.mean()) == pytest.approx(1, abs=1e-5) and weight_H.min() > 0 and weight_H.std() > 0.02
    h_TBH = method.net.blocks[0](batch["x"])[0]
    expected = (h_TBH.square() * weight_H).mean(-1).mean(0)
    torch.testing.assert_close(method.evaluate_batch(batch)["goodness"][:, 0], expected.detach())


def test_a_readout_learns_and_changes_no_layer():
    method, plain, batch = build("ff_recurrent readout"), build("ff_recurrent"), make_batch(masked=True)
    first = float(method.step(batch)["loss_readout"])
    assert first == pytest.approx(np.log(2))
    plain.step(batch)
    for _ in range(60):
        last = method.step(batch)["loss_readout"]
        plain.step(batch)
    assert last < 0.5 * first
    weights = method.weights()
    assert all(torch.equal(value, weights[name]) for name, value in plain.weights().items())
    seen = method.evaluate_batch(batch)
    features = []
    x_TBI, count = batch["x"], batch["mask"].sum(0).unsqueeze(1)
    for index in range(LAYERS):
        h_TBH, _ = method._layer(index, x_TBI, batch["mask"])
        features.append(h_TBH.sum(0) / count)
        x_TBI = method._passed_on(index, h_TBH.detach(), batch["mask"])
    expected = torch.cat(features, 1) @ weights["extra.readout"] + weights["extra.bias"]
    torch.testing.assert_close(seen["readout_logit"], expected.detach())
    assert torch.equal(method.scores(batch, "readout"), seen["readout_logit"])


@pytest.mark.parametrize("masked", [False, True])
def test_leaving_early_decides_as_the_record_says(masked):
    method, batch = build("ff_recurrent thetas"), make_batch(40, 2, masked)
    batch["x"] = batch["x"] * torch.linspace(0.2, 1.5, 40)[:, None]
    for _ in range(15):
        method.step(batch)
    logit_BL = method.evaluate_batch(batch)["layer_logit"]
    level = float(logit_BL[:, 0].abs().median())
    expected = early_exit.leave(detection.scores_of_classes(logit_BL), level)
    found = method.leave_early(batch, level)
    assert len(found[1].unique()) > 1
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(("name", "settings"), [
    ("ff_rnn", FF),
    ("backprop_rnn", {"readout": "all_steps", "clip_norm": 1.0, "gradient": "closed_form", "weight_decay": 0.0}),
])  # fmt: skip
def test_gradients_written_for_relu_refuse_gated_cells(name, settings):
    net = Rnn(2, 4, 2, "torch_default", torch.Generator(), "gru")
    with pytest.raises(FfreproError) as error:
        methods.module(name).Method(net, settings, {"x": torch.zeros(T, 4, 2)}, torch.Generator(), 1e-3)
    assert error.value.where == "net.cell"


@pytest.mark.parametrize(("cell", "kind", "gates"), [("rnn", nn.RNN, 1), ("gru", nn.GRU, 3), ("lstm", nn.LSTM, 4)])
def test_a_net_of_each_cell(cell, kind, gates):
    settings = {"name": "recurrent", "cell": cell, "hidden": 300, "layers": 2, "init": "xavier_normal"}
    net = nets.build(settings, 2, 2, torch.Generator().manual_seed(0))
    assert all(isinstance(block, kind) for block in net.blocks)
    weight = net.blocks[1].weight_hh_l0.detach()
    assert weight.shape == (gates * 300, 300)
    for gate in weight.split(300):
        assert float(gate.std()) == pytest.approx((2 / 600) ** 0.5, rel=0.02)
    by_size = nets.RNN(2, 300, 2, cell=cell, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), by_size.parameters(), strict=True))


def test_an_unknown_cell_is_refused():
    with pytest.raises(FfreproError):
        nets.RNN(2, cell="gruu")


def test_defaults_are_the_papers_threshold():
    assert methods.module("ff_recurrent").SETTINGS["theta_positive"].default == [7.0]
    assert set(FF_RECURRENT) == set(methods.module("ff_recurrent").SETTINGS)
