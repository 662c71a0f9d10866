"""The hybrids' own rule: backpropagation passes through what learns by FF, and never updates it."""

import pytest
import torch
from helpers.method_cases import build, make_tokens

CASES = ["hybrid_tokens attention sublayers", "hybrid_tokens feed-forward sublayers"]


@pytest.mark.parametrize("case", CASES)
def test_what_learns_by_ff_does_not_see_the_readouts_loss(case):
    first, second = build(case), build(case)
    with torch.no_grad():
        second.extra["readout"].weight.mul_(-3)
    for method in (first, second):
        method.step(make_tokens())
    for index in first.local:
        ours, theirs = (m.net.blocks[index].state_dict() for m in (first, second))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not torch.equal(first.net.tokens.weight, second.net.tokens.weight)


@pytest.mark.parametrize("case", CASES)
def test_every_parameter_has_one_optimizer_and_gradients_pass_through(case):
    method = build(case)
    learnt = [id(p) for optimizer in method.optimizers for group in optimizer.param_groups for p in group["params"]]
    assert sorted(learnt) == sorted(id(p) for p in [*method.net.parameters(), *method.extra.parameters()])
    before = method.net.tokens.weight.clone()
    method.step(make_tokens())
    # The embedding lies below every sublayer that learns by FF: the readout's loss reaches it through them.
    assert not torch.equal(before, method.net.tokens.weight)
    assert [block.sublayers[0].kind for block in method.net.blocks] == ["attention", "feedforward"] * 2
    assert method.local == ([0, 2] if "attention" in case else [1, 3])


@pytest.mark.parametrize("case", CASES)
def test_what_learns_by_backpropagation_does_not_see_the_pairs(case):
    """Without a pair that learns, all else learns the same; no update reaches the embeddings of the classes."""
    first, second = build(case), build(case)
    second.margins = [-1e9] * len(second.margins)  # met by all pairs: no gradient
    start = build(case).net.labels.weight
    for method in (first, second):
        method.step(make_tokens())
    local = {name for index in first.local for name in names_of(first, index)}
    ours, theirs = (method.weights() for method in (first, second))
    assert {name for name in ours if not torch.equal(ours[name], theirs[name])} <= local
    assert any(not torch.equal(ours[name], theirs[name]) for name in local)
    classes = first.net.labels.weight[:-1]
    assert torch.equal(classes, start[:-1]) and not torch.equal(first.net.labels.weight[-1], start[-1])


def names_of(method, index):
    return [f"blocks.{index}.{name}" for name in method.net.blocks[index].state_dict()]
