"""What a net of tokens is evaluated by: features for a linear probe, the loss."""

import pytest
import torch
from helpers.method_cases import CASES, build, make_tokens
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
