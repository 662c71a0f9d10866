"""The bench of the transformer: shares of active pairs are those asked for, and an active set learns what pairs do."""

import pytest
import torch
from helpers.method_cases import CASES, build, make_tokens

from ffrepro.studies.kim2025_transformer import bench_transformer


def test_rows_shares_and_bounds():
    result = bench_transformer.measure(2, 1, batch=8, length=6, vocabulary=20, width=8, heads=2, feedforward=8)
    rows = {row["name"]: row for row in result["rows"]}
    assert rows[result["baseline"]]["ratio_to_bp"] == 1.0 and result["baseline"].startswith("BP, ")
    for share, bound in ((1.0, 2.0), (0.5, 5 / 3), (0.25, 3.5 / 3), (0.1, 2.6 / 3)):
        row = rows[f"FF-All, active set, q {share:g}"]
        assert row["bound"] == pytest.approx(bound)
        assert row["share"] == pytest.approx(share, abs=0.26)  # of eight pairs
    assert rows["single pass, by blocks"]["peak_bytes"] < rows[result["baseline"]]["peak_bytes"]
    assert all(name in bench_transformer.describe(result) for name in rows)


def test_an_active_set_gives_the_gradients_of_all_pairs():
    """Under the same dropout, whatever share is active; one layer, so that nothing but this block's step differs."""
    plain, active = build("ff_tokens", dtype=torch.float64), build("ff_tokens active set", dtype=torch.float64)
    assert CASES["ff_tokens active set"][1]["l1"]
    active.hp = {**active.hp, "l1": 0.0}
    batch = make_tokens(24, masked=True)
    for method in (plain, active):
        g = method.goodness(*_run(method, batch)).chunk(2)
        method.margins = [float((g[0] - g[1]).detach().median())] * 2
        method.shares = [0.5, 0.5]
        method.generator.manual_seed(3)
        method.step(batch)
    for name in ("sublayers.0.qkv.weight", "sublayers.1.down.bias"):
        ours, theirs = (dict(m.net.blocks[0].named_parameters())[name].grad for m in (plain, active))
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12) and ours.abs().max() > 0
    assert torch.allclose(plain.net.tokens.weight.grad, active.net.tokens.weight.grad, rtol=1e-9, atol=1e-12)
    assert plain.shares == active.shares and 0 < plain.shares[0] < 1


def _run(method, batch):
    method.generator.manual_seed(3)
    x, label = method.pairs(batch)
    z, layout = method.net.embed(x, label, everywhere=True)
    block = method.net.blocks[0]
    return block(z, layout, method.draw(block, z, 2)), layout
