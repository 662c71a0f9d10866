"""The fast implementations give what the plain ones give, step after step, in float64."""

import pytest
import torch
from helpers.method_cases import CASES, batch_for, build, is_classifier, is_image_case

PAIRS = [
    ("ff_rnn rms", {}, {"gradient": "autograd"}),
    ("ff_rnn standardize", {}, {"gradient": "autograd"}),
    ("ff_rnn rms published", {}, {"gradient": "autograd"}),
    ("ff_rnn standardize published", {}, {"gradient": "autograd"}),
    ("backprop_rnn by hand", {}, {"gradient": "autograd"}),
    ("backprop_rnn checkpointed", {}, {"checkpoint": False}),
    ("backprop_rnn micro-batches", {}, {"micro_batches": 1}),
    ("ff closed form", {}, {"gradient": "autograd"}),
    ("ff sgd", {}, {"gradient": "autograd"}),
    ("ff convolutions closed form", {}, {"gradient": "autograd"}),
    ("ff convolutions closed form", {"goodness": "sum"}, {"goodness": "sum", "gradient": "autograd"}),
    ("ff convolutions", {"gradient": "closed_form"}, {}),
    ("cwc closed form", {}, {"gradient": "autograd"}),
    *(
        ("cwc closed form", changed, {**changed, "gradient": "autograd"})
        for loss in ("logistic", "symba", "distance")
        for kind in ("sum", "mean")
        for changed in [{"loss": loss, "negative_goodness": kind}]
    ),
    ("ff learnt labels closed form", {}, {"gradient": "autograd"}),
    ("ff topk", {"gradient": "closed_form"}, {}),
    ("ff cubes", {}, {"gradient": "autograd"}),
    ("ff kurtosis", {}, {"gradient": "autograd"}),
    *(
        (
            "ff learnt labels closed form",
            {"goodness": form, "theta": None},
            {"goodness": form, "theta": None, "gradient": "autograd"},
        )
        for form in ("topk", "cubes", "kurtosis")
    ),
    ("ff_unsupervised noise", {}, {"gradient": "autograd"}),
    ("scff", {"gradient": "closed_form"}, {}),
    ("backprop checkpointed", {}, {"checkpoint": False}),
]


@pytest.mark.parametrize(
    ("case", "ours", "plain", "masked"),
    [(*pair, masked) for pair in PAIRS for masked in ([False] if is_image_case(pair[0]) else [False, True])],
)
def test_same_weights_after_training(case, ours, plain, masked):
    fast, slow = build(case, dtype=torch.float64, **ours), build(case, dtype=torch.float64, **plain)
    start = {k: v.clone() for k, v in fast.weights().items()}
    for number in range(6):
        batch = batch_for(case, 20 if number < 5 else 7, seed=number, masked=masked, dtype=torch.float64)
        a, b = fast.step(batch), slow.step(batch)
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-8)
    for name, value in fast.weights().items():
        of_cwc = case.startswith("ff ") and name.startswith("head.")  # FF has a readout of its own
        assert of_cwc or not torch.equal(value, start[name])
        torch.testing.assert_close(value, slow.weights()[name], rtol=1e-6, atol=1e-8)


def reference_ff_step(method, batch, norm):
    """One FF update written as the paper's equations read, with loops and autograd; returns the layers' gradients."""
    theta = method.hp["theta"]
    x = batch["x"]
    mask = batch.get("mask", torch.ones(x.shape[:2], dtype=x.dtype))
    grads, losses = [], []
    for block in method.net.blocks:
        w_ih, w_hh, b1, b2 = (p.detach().clone().requires_grad_() for p in block.parameters())
        h = x.new_zeros(x.shape[1], w_hh.shape[0])
        states = []
        for t in range(len(x)):
            h = torch.relu(x[t] @ w_ih.T + b1 + h @ w_hh.T + b2)
            states.append(h)
        states = torch.stack(states)
        per_class = []
        for value, sign in ((1, 1.0), (0, -1.0)):
            members = [i for i in range(x.shape[1]) if int(batch["label"][i]) == value]
            total = 0.0
            for i in members:
                steps = [t for t in range(len(x)) if mask[t, i] > 0]
                g = torch.stack([(states[t, i] ** 2).sum() for t in steps])
                total = total - torch.log(torch.sigmoid(sign * (g - theta))).mean()
            per_class.append(total / len(members))
        loss = sum(per_class)
        loss.backward()
        grads.append([p.grad for p in (w_ih, w_hh, b1, b2)])
        losses.append(float(loss.detach()))
        states = states.detach()
        if norm == "rms":
            x = states / torch.sqrt((states**2).mean(-1, keepdim=True) + 1e-5)
        else:
            x = torch.zeros_like(states)
            for i in range(states.shape[1]):
                valid = mask[:, i] > 0
                own = states[valid, i]
                x[valid, i] = (own - own.mean(0)) / (own.std(0, unbiased=False) + 1e-5)
    return grads, losses


@pytest.mark.parametrize("norm", ["rms", "standardize"])
def test_gradients_are_those_of_the_papers_equations(norm, batch):
    batch = {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}
    method = build(f"ff_rnn {norm}", dtype=torch.float64)
    expected, losses = reference_ff_step(method, batch, norm)
    out = method.step(batch)
    for layer, block in enumerate(method.net.blocks):
        assert float(out[f"loss_layer{layer}"]) == pytest.approx(losses[layer], rel=1e-12)
        for parameter, wanted in zip(block.parameters(), expected[layer], strict=True):
            assert wanted.abs().max() > 1e-6
            torch.testing.assert_close(parameter.grad, wanted, rtol=1e-9, atol=1e-12)
    assert float(out["loss"]) == pytest.approx(sum(losses), rel=1e-12)


def test_evaluation_agrees_with_the_loss_that_step_reports(batch):
    """Per-sample losses of evaluate_batch, reduced by class, are the batch loss of step (before its update)."""
    for case in CASES:
        if is_classifier(case):  # BatchNorm, dropout: a step's numbers are not those of evaluate_batch
            continue
        method = build(case)
        seen = method.evaluate_batch(batch)
        loss = float(method.step(batch)["loss"])
        label = batch["label"] == 1
        if method.hp.get("loss_reduction") == "per_class":
            reduced = seen["loss"][label].mean(0).sum() + seen["loss"][~label].mean(0).sum()
        else:
            reduced = seen["loss"].mean(0).sum()
        assert float(reduced) == pytest.approx(loss, rel=1e-4), case
