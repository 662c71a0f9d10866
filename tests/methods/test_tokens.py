"""What a net of tokens is evaluated by: features for a linear probe, the loss; steps of FF's options by hand."""

import copy

import pytest
import torch
from helpers.method_cases import CASES, WORDS, build, make_tokens
from torch.nn import functional as F


@pytest.mark.parametrize("pass_on", ["normalised", "nothing"])
def test_features_are_of_the_inputs_that_blocks_learn_from(pass_on):
    """Where no output is passed on, the second block's features are of the embedded text as well."""
    (case,) = [name for name, entry in CASES.items() if name.startswith("ff_tokens") and same(entry, pass_on)][:1]
    method = build(case, dtype=torch.float64)
    batch = make_tokens(8, masked=True)
    start, layout = method.net.embed(batch["x"].long())
    first, second = method.net.blocks
    below = start if pass_on == "nothing" else first(start, layout)
    expected = [layout.mean(F.layer_norm(z, z.shape[1:])) for z in (first(start, layout), second(below, layout))]
    assert torch.allclose(method.features(batch), torch.cat(expected, 1), rtol=1e-12)


def same(entry, pass_on):
    settings = entry[1]
    return settings.get("pass_on") == pass_on and not settings.get("active_set")


def test_the_loss_of_validation_is_the_one_that_is_trained():
    """Of an aggregated hinge: max(0, wrong - true + margin) of the goodness summed over layers."""
    method = build("ff_tokens aggregated", dtype=torch.float64)
    batch = make_tokens(8, masked=True)
    out = method.evaluate_batch(batch)
    wrong_B = (batch["label"] + 1 + batch["index"] % (method.classes - 1)) % method.classes
    rows = torch.arange(8)
    gap_B = out["scores_goodness"][rows, wrong_B] - out["scores_goodness"][rows, batch["label"]]
    assert torch.allclose(out["loss"], (gap_B + method.margins[0]).clamp(min=0).unsqueeze(1))
    assert build("ff_tokens", dtype=torch.float64).evaluate_batch(batch)["loss"].shape == (8, 2)


def test_an_aggregated_hinge_honours_what_is_passed_on():
    """A hand-made step: every block sees the embedded text, one hinge is on the sum of both layers' goodness."""
    case, batch = "ff_tokens aggregated", make_tokens(8, masked=True)
    changed = {"pass_on": "nothing", "delta": 5.0}
    method, by_hand = (build(case, dtype=torch.float64, **changed) for _ in range(2))
    passing = build(case, dtype=torch.float64, delta=5.0)
    out = method.step(batch)
    passing.step(batch)
    start, layout = by_hand.net.embed(*by_hand.pairs(batch), everywhere=True)
    first, second = by_hand.net.blocks
    drops = [by_hand.draw(block, start, 2) for block in (first, second)]
    total = sum(
        norms(block(z, layout, drop), layout)
        for block, z, drop in zip((first, second), (start, start.detach()), drops, strict=True)
    )
    true, wrong = total.chunk(2)
    loss = (wrong - true + 5.0).clamp(min=0).mean()
    loss.backward()
    assert float(out["loss"]) == pytest.approx(float(loss.detach()), rel=1e-12) and float(out["loss"]) > 0
    same_gradients(method, by_hand)
    assert not torch.allclose(second.sublayers[1].up.weight.grad, passing.net.blocks[1].sublayers[1].up.weight.grad)


def norms(z, layout):
    """The norm (G,) of each sample's activations behind a ReLU, by a loop."""
    return torch.stack([z[layout.sample_N == row].relu().norm() for row in range(len(layout.count_B))])


def same_gradients(method, by_hand):
    """Gradients, not weights: Adam blows the rounding of a key's bias up, whose gradient is zero."""
    for name, parameter in method.net.named_parameters():
        wanted = by_hand.net.get_parameter(name).grad
        assert (parameter.grad is None) == (wanted is None), name
        if wanted is not None:
            torch.testing.assert_close(parameter.grad, wanted, rtol=1e-9, atol=1e-12, msg=name)


def by_loops(z, layout, form, of, activation):
    """Goodness as the settings say, token by token; of a batch: of its positive and of its negative half."""
    h = {"relu": torch.relu, "sigmoid": torch.sigmoid}[activation](z)
    count = len(layout.count_B)
    if of == "token":
        groups = [[row] for row in range(len(h))]
    else:
        groups = [[] for _ in range(2 if of == "batch" else count)]
        for row, sample in enumerate(layout.sample_N.tolist()):
            groups[sample // (count // 2) if of == "batch" else sample].append(row)
    found = [h[rows] if form == "linear" else h[rows].square() for rows in groups]
    return torch.stack([values.sum() if form == "sum" else values.mean() for values in found])


ONE_FACTOR = [
    {"negatives": "swap"},
    {"negatives": "random"},
    {"negatives": "noise"},
    {"hinge": "none"},
    {"goodness_of": "batch", "goodness": "sum", "delta": 900.0},
    {"goodness_of": "token"},
    {"goodness_activation": "sigmoid", "delta": 0.1},
    {"goodness": "linear"},
    {"label": "token"},
    {"l1": 1e-2},
]


@pytest.mark.parametrize("changed", ONE_FACTOR, ids=str)
def test_a_step_by_hand(changed):
    method, by_hand = (build("ff_tokens", dtype=torch.float64, **changed) for _ in range(2))
    hp, batch = method.hp, make_tokens(8, masked=True)
    out = method.step(batch)
    x, label = by_hand.pairs(batch)
    assert torch.equal(x[:8], batch["x"])
    z, layout = by_hand.net.embed(x, label, everywhere=hp["label"] == "everywhere")
    if hp["negatives"] == "noise":
        half = len(z) // 2
        noise = torch.randn(half, z.shape[1], generator=by_hand.generator).double()
        z = torch.cat([z[:half], z[half:] + 0.1 * noise])
    for index, block in enumerate(by_hand.net.blocks):
        h = block(z, layout, by_hand.draw(block, z, 2))
        true, other = by_loops(h, layout, hp["goodness"], hp["goodness_of"], hp["goodness_activation"]).chunk(2)
        gap = other - true
        pairs = gap if hp["hinge"] == "none" else (gap + hp["delta"]).clamp(min=0)
        pairs.mean().backward()
        assert float(out[f"loss_layer{index}"]) == pytest.approx(float(pairs.mean().detach()), rel=1e-10)
        if hp["hinge"] == "layer":
            assert float(out[f"active_layer{index}"]) == float((pairs > 0).double().mean()) > 0
        else:
            assert f"active_layer{index}" not in out
        for parameter in block.parameters():
            if parameter.ndim > 1:  # d|w|/dw is the sign of w; biases and norms are not penalised, nor embeddings
                parameter.grad += hp["l1"] * parameter.detach().sign()
        z = h.detach()
    assert by_hand.net.blocks[1].sublayers[1].up.weight.grad.abs().max() > 1e-6
    weights = dict(method.net.named_parameters())
    assert weights["tokens.weight"].grad.any() or hp["negatives"] == "noise"
    same_gradients(method, by_hand)


@pytest.mark.parametrize("kind", ["swap", "random", "noise"])
def test_corrupted_texts_bear_the_neutral_label(kind):
    method, batch = build("ff_tokens", negatives=kind), make_tokens(40, masked=True)
    x, label = method.pairs(batch)
    clean, other = x.chunk(2)
    assert torch.equal(clean, batch["x"]) and (label == method.net.neutral).all() and len(label) == 80
    assert torch.equal(other == 0, clean == 0)
    changed = (other != clean).double().sum() / (clean != 0).sum()
    if kind == "noise":
        assert torch.equal(other, clean)
        z = [method._embed(x, label)[0] for _ in range(2)]
        half = len(z[0]) // 2
        plain, _ = method.net.embed(x, label, everywhere=True)
        assert torch.equal(z[0][:half], plain[:half]) and not torch.equal(z[0], z[1])
        assert float((z[0] - plain)[half:].detach().std()) == pytest.approx(0.1, rel=0.03)
    elif kind == "swap":
        assert torch.equal(other.sort(1).values, clean.sort(1).values) and 0.15 < changed < 0.35
    else:
        assert 0.2 < changed < 0.4
        assert not torch.equal(other.sort(1).values, clean.sort(1).values)


def test_random_words_come_from_the_pool_that_a_task_gave():
    """Never the word that was there: of two words in the pool one is left."""
    method = build("ff_tokens", negatives="random", corrupted=1.0)
    batch = make_tokens(10, masked=True)
    x, _ = method.pairs(batch)
    assert set(x[10:][x[10:] != 0].tolist()) <= set(batch["x"][batch["x"] != 0].tolist())
    method.net.pools = [torch.tensor([28, 29, 29])]
    clean, other = method.pairs(batch)[0].chunk(2)
    assert set(other[clean != 0].tolist()) == {28, 29}
    assert (other[clean == 28] == 29).all() and (other[clean == 29] == 28).all() and (clean == 29).any()


def test_an_adaptive_margin_moves_towards_half_of_the_pairs():
    """By 5 % where all or none are active; the next step's hinge has the new one."""
    method, batch = build("ff_tokens", dtype=torch.float64, margin="adaptive", delta=0.01), make_tokens(8)
    out = method.step(batch)
    active = [float(out[f"active_layer{index}"]) for index in range(2)]
    assert 0 < active[0] < 1
    assert method.margins == pytest.approx([0.01 * (1 + 0.05 * (1 - 2 * share)) for share in active])
    margins, by_hand = list(method.margins), copy.deepcopy(method)
    out = method.step(batch)
    x, label = by_hand.pairs(batch)
    z, layout = by_hand.net.embed(x, label, everywhere=True)
    block = by_hand.net.blocks[0]
    true, other = by_loops(block(z, layout, by_hand.draw(block, z, 2)), layout, "mean", "sample", "relu").chunk(2)
    assert float(out["loss_layer0"]) == pytest.approx(float((other - true + margins[0]).clamp(min=0).mean().detach()))
    for delta, factor in ((100.0, 0.95), (0.0, None)):
        method = build("ff_tokens", dtype=torch.float64, margin="adaptive", delta=delta)
        method.step(batch)
        assert method.margins[0] == (delta * factor if factor else 0.0)


@pytest.mark.parametrize("negatives", ["label", "swap", "random", "noise"])
def test_reviews_of_one_word(negatives):
    """One among longer ones, and a batch of nothing else: trained, and evaluated as it would be alone."""
    method, batch = build("ff_tokens", dtype=torch.float64, negatives=negatives), make_tokens(6, masked=True)
    method.net.pools = [torch.arange(2, WORDS)]
    batch["x"][2, 1:] = 0
    short = {name: value[2:3] for name, value in batch.items()} | {"x": batch["x"][2:3, :1]}
    for one in (batch, short):
        before = {name: value.clone() for name, value in method.weights().items()}
        out = method.step(one)
        assert all(value.isfinite() for value in out.values())
        assert not torch.equal(before["tokens.weight"], method.weights()["tokens.weight"])
        clean, other = method.pairs(one)[0].chunk(2)
        row = 2 if one is batch else 0
        assert (other[row, 0] == clean[row, 0]) == (negatives != "random") and not other[row, 1:].any()
    together, alone = method.evaluate_batch(batch), method.evaluate_batch(short)
    for name in ("layer_scores", "scores_goodness", "loss"):
        torch.testing.assert_close(together[name][2:3], alone[name])
    torch.testing.assert_close(method.features(batch)[2:3], method.features(short))
