"""Methods that foretell words: the checks of the conformance suite on texts and their corrupted twins."""

import copy

import pytest
import torch
from helpers.method_cases import LENGTH, TOKENS, WORD_CASES, WORDS

from ffrepro import methods, nets

OPTIONS = {
    "mistakes": {"negatives": "mistakes"},
    "swap": {"negatives": "swap"},
    "random": {"negatives": "random"},
    "published": {"goodness": "sum", "goodness_of": "batch", "pass_on": "nothing", "delta": 3000.0},
    "aggregated": {"hinge": "aggregated", "goodness_of": "token", "delta": 2.0},
    "no hinge": {"hinge": "none"},
    "micro-batches": {"micro_batches": 3},
}
CASES = [*WORD_CASES, *(f"{'backprop' if name == 'micro-batches' else 'ff'}_words {name}" for name in OPTIONS)]


def build(case, seed=0, lr=1e-2, dtype=torch.float32, **net_settings):
    name, _, options = case.partition(" ")
    generator = torch.Generator().manual_seed(seed)
    net = nets.build(TOKENS | net_settings, (WORDS, LENGTH), None, generator).to(dtype)
    settings = WORD_CASES[name] | OPTIONS.get(options, {})
    return methods.module(name).Method(net, settings, make_batch(2), generator, lr)


def make_batch(size=20, seed=0, causal=False):
    """Texts that count up from a random word; two words each are others."""
    g = torch.Generator().manual_seed(seed)
    clean = 2 + (torch.randint(0, WORDS - 2, (size, 1), generator=g) + torch.arange(LENGTH)) % (WORDS - 2)
    clean[torch.arange(LENGTH) >= torch.randint(5, LENGTH + 1, (size, 1), generator=g)] = 0
    x, target = clean.clone(), torch.zeros(size, LENGTH + 1, dtype=torch.int64)
    index = torch.arange(size)
    for _ in range(2):
        place = torch.randint(0, 5, (size,), generator=g)
        x[index, place] = 2 + (clean[index, place] + 3) % (WORDS - 2)
        target[index, place + 1] = clean[index, place]
    return {"x": x, "clean": clean, "target": target, "index": index}


def same(a, b):
    return all(torch.equal(a[key], b[key]) for key in a) and a.keys() == b.keys()


@pytest.mark.parametrize("case", CASES)
def test_words_are_learnt_and_nothing_but_the_seed_decides(case):
    batch, runs = make_batch(), []
    for _ in range(2):
        method = build(case)
        before = method.evaluate_batch(batch)
        for _ in range(60):
            out = method.step(batch)
        runs.append(copy.deepcopy(method.weights()))
    after = method.evaluate_batch(batch)
    assert out["loss"].isfinite()
    # A local method's readout sees what blocks have learnt without it.
    bound = 0.5 if case.startswith("backprop") else 0.85
    assert after["loss_sum"].sum() < bound * before["loss_sum"].sum()
    assert after["right"].sum() > 2 * before["right"].sum()
    assert same(*runs)
    assert same(after, method.evaluate_batch(batch))


@pytest.mark.parametrize("case", CASES)
def test_save_and_load_go_on_bit_for_bit(case, tmp_path):
    method, batch = build(case), make_batch()
    method.step(batch)
    torch.save(method.state_dict(), tmp_path / "state.pt")
    again = build(case, seed=9)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for _ in range(2):
        assert float(method.step(batch)["loss"]) == float(again.step(batch)["loss"])
    assert same(method.weights(), again.weights())


@pytest.mark.parametrize("case", ["ff_words", "ff_words swap", "ff_words published"])
def test_no_gradient_comes_from_the_readout_or_from_above(case):
    first, second = build(case), build(case)
    with torch.no_grad():
        for parameter in [*second.net.blocks[1].parameters(), *second.extra.parameters()]:
            parameter.mul_(-1.7).add_(0.01)
    for _ in range(3):
        first.step(make_batch())
        second.step(make_batch())
    assert same(first.net.blocks[0].state_dict(), second.net.blocks[0].state_dict())
    assert torch.equal(first.net.tokens.weight, second.net.tokens.weight)


@pytest.mark.parametrize("case", WORD_CASES)
def test_what_is_measured_by_hand(case):
    """Sums of a padded batch are those of its texts one by one, and the prediction stands where a word is asked."""
    method, batch = build(case), make_batch(4)
    out = method.evaluate_batch(batch)
    for row in range(4):
        length = int((batch["x"][row] != 0).sum())
        cut = {"x": length, "clean": length, "target": length + 1, "index": None}
        alone = {
            name: batch[name][row : row + 1, :end] if end else batch[name][row : row + 1] for name, end in cut.items()
        }
        single = method.evaluate_batch(alone)
        assert torch.allclose(single["loss_sum"], out["loss_sum"][row], atol=1e-4)
        assert int(out["count"][row]) == int((batch["target"][row] > 0).sum())
        assert torch.equal(out["prediction"][row] > 0, batch["target"][row] > 0)


@pytest.mark.parametrize("case", CASES)
def test_a_batch_in_which_no_word_is_asked(case):
    """The readout, and a net that learns from it, stay as they are, bit for bit; blocks of FF learn without it."""
    method, batch = build(case), make_batch()
    method.step(batch)
    before = copy.deepcopy(method.weights())
    silent = batch | {"target": torch.zeros_like(batch["target"])}
    out = method.step(silent)
    after = method.weights()
    assert float(out["loss"]) == 0
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith("extra."))
    name = "blocks.1.sublayers.1.up.weight"
    assert torch.equal(after[name], before[name]) == case.startswith("backprop")
    measured = method.evaluate_batch(silent)
    for name in ("loss_sum", "count", "right", "loss", "prediction"):
        assert not measured[name].any(), name
    assert measured["prediction"].shape == (len(batch["x"]), LENGTH + 1)
    assert method.step(batch)["loss"].isfinite()


def test_a_step_of_table_5_by_hand():
    """Each block sees the embedded text; one sum of squares of all true texts stands against one of all corrupted."""
    method, by_hand = (build("ff_words published", dtype=torch.float64, dropout=0.0) for _ in range(2))
    batch = make_batch(6)
    out = method.step(batch)
    both = torch.cat([batch["clean"], batch["x"]])
    start, layout = by_hand.net.embed(both)
    for index, block in enumerate(by_hand.net.blocks):
        z = block(start if index == 0 else start.detach(), layout)
        true = sum(row.relu().square().sum() for row, sample in zip(z, layout.sample_N, strict=True) if sample < 6)
        other = sum(row.relu().square().sum() for row, sample in zip(z, layout.sample_N, strict=True) if sample >= 6)
        loss = other - true + 3000.0
        loss.backward()
        assert float(out[f"loss_layer{index}"]) == pytest.approx(float(loss.detach()), rel=1e-12)
        for (name, ours), wanted in zip(method.net.blocks[index].named_parameters(), block.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, wanted.grad, rtol=1e-8, atol=1e-10, msg=name)
        assert block.sublayers[1].up.weight.grad.abs().max() > 1e-3
    torch.testing.assert_close(method.net.tokens.weight.grad, by_hand.net.tokens.weight.grad, rtol=1e-8, atol=1e-10)


def test_one_hinge_of_tokens_by_hand():
    """Every token of a true text against the one at its place: their mean squares, summed over both layers."""
    method, by_hand = (build("ff_words aggregated", dtype=torch.float64, dropout=0.0) for _ in range(2))
    batch = make_batch(6)
    out = method.step(batch)
    z, layout = by_hand.net.embed(torch.cat([batch["clean"], batch["x"]]))
    goods = []
    for block in by_hand.net.blocks:
        h = block(z, layout)
        goods.append(torch.stack([row.relu().square().mean() for row in h]))
        z = h.detach()
    true, other = (goods[0] + goods[1]).chunk(2)
    loss = (other - true + 2.0).clamp(min=0).mean()
    loss.backward()
    assert float(out["loss_layer0"]) == pytest.approx(float(loss.detach()), rel=1e-12) and "loss_layer1" not in out
    for name, parameter in method.net.blocks.named_parameters():
        torch.testing.assert_close(parameter.grad, by_hand.net.blocks.get_parameter(name).grad, rtol=1e-8, atol=1e-12)


def test_where_nothing_is_passed_on_words_are_read_from_the_embedded_text():
    """Evaluation and generation do as training: the first block changes nothing of what the last one gives."""
    batch = make_batch()
    for case in ("ff_words published", "ff_words"):
        method = build(case)
        before = method.evaluate_batch(batch)["loss_sum"], method.next_word(batch["x"][:, :5])
        with torch.no_grad():
            method.net.blocks[0].sublayers[1].up.weight.mul_(-3.0)
        after = method.evaluate_batch(batch)["loss_sum"], method.next_word(batch["x"][:, :5])
        for ours, others in zip(before, after, strict=True):
            assert torch.equal(ours, others) == (case == "ff_words published")


def test_parts_of_a_batch_change_no_number():
    """Parts ask for different numbers of words; one asks for none."""
    whole, parts = (build(case, dtype=torch.float64, dropout=0.0) for case in CASES if case.startswith("backprop"))
    for seed in range(3):
        batch = make_batch(seed=seed)
        batch["target"][:7], batch["target"][7, 1:] = 0, batch["clean"][7]
        first, second = whole.step(batch), parts.step(batch)
        assert float(first["loss"]) == pytest.approx(float(second["loss"]), rel=1e-12)
        for name, parameter in whole.net.named_parameters():
            if parameter.grad is not None:
                wanted = parts.net.get_parameter(name).grad
                torch.testing.assert_close(parameter.grad, wanted, rtol=1e-9, atol=1e-12, msg=name)
    assert float(first["loss"]) > 0
