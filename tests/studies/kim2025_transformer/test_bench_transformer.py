"""The bench of the transformer: shares of active pairs are those asked for, and an active set learns what pairs do."""

import json
from types import SimpleNamespace

import pytest
import torch
from helpers.method_cases import BP_TOKENS, CASES, CWC_MAPS, FF_TOKENS, WORD_CASES, build, make_tokens
from helpers.plans import REVIEWS, TRANSFORMER, make_text_plan
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ffrepro.core import gradients
from ffrepro.studies.kim2025_transformer import active_sets, bench_growth, bench_probes, bench_transformer
from ffrepro.training import record_check


def test_rows_shares_and_bounds():
    result = bench_transformer.measure(2, 1, batch=8, length=6, vocabulary=20, width=8, heads=2, feedforward=8)
    rows = {row["name"]: row for row in result["rows"]}
    assert rows[result["baseline"]]["ratio_to_bp"] == 1.0 and result["baseline"].startswith("BP, ")
    for share, bound in ((1.0, 2.0), (0.5, 5 / 3), (0.25, 3.5 / 3), (0.1, 2.6 / 3)):
        row = rows[f"FF-All, active set, q {share:g}"]
        assert active_sets.bound(share) == pytest.approx(bound)
        assert row["bound"] == pytest.approx(active_sets.bound(row["share"]))
        assert row["share"] == pytest.approx(share, abs=0.26)  # of eight pairs
    assert rows["single pass, by blocks"]["peak_bytes"] < rows[result["baseline"]]["peak_bytes"]
    lines = bench_transformer.describe(result).splitlines()
    assert all(any(line.startswith(name) for line in lines) for name in rows)
    (half,) = (line.split() for line in lines if line.startswith("FF-All, active set, q 0.5 "))
    assert f"{(2 + 2 * rows['FF-All, active set, q 0.5']['share']) / 3:.2f}" in half


def test_single_pass_by_blocks_saves_one_product_a_border():
    """That which would carry the gradient of a block's queries, keys and values to its entrance; pairs take twice as
    many products."""
    batch, found = make_tokens(8, masked=True), {}
    for name in ("backprop_tokens", "cwc_tokens", "ff_tokens"):
        method = build(name)
        method.step(batch)
        with FlopCounterMode(display=False) as counter:
            method.step(batch)
        products = counter.get_flop_counts()["Global"].items()
        found[name] = sum(count for operation, count in products if "mm" in str(operation))
    modules = [module for block in method.net.blocks for module in block.modules()]
    maps = [module.weight.numel() for module in modules if isinstance(module, nn.Linear)]
    entries = [block.sublayers[0].entry.weight.numel() for block in method.net.blocks[1:]]
    share = 1 - sum(entries) / (3 * sum(maps))  # forward, and two products backward
    assert share < 0.95
    assert found["cwc_tokens"] == pytest.approx(share * found["backprop_tokens"], rel=0.02)
    assert found["ff_tokens"] == pytest.approx(2 * share * found["backprop_tokens"], rel=0.02)


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


def bench_plan(name, methods, **bench):
    """A bench's plan on the stand-in reviews."""
    plan = make_text_plan("backprop_tokens", BP_TOKENS)
    for key in ("method", "net", "training"):
        del plan[key]
    variants = {variant: {"net": TRANSFORMER, "method": method} for variant, method in methods.items()}
    run = f"smoke/cpu/transformer_{name}_imdb_corrected/interleaved/seed0"
    own = {"kind": "bench", "paper": "kim2025_transformer", "run": run, "variant": "interleaved"}
    return {**plan, **own, "experiment": run.split("/")[2],
            "bench": {"name": name, **bench}, "variants": variants}  # fmt: skip


METHODS = {
    "bp": {"name": "backprop_tokens", **BP_TOKENS},
    "ff": {"name": "ff_tokens", **FF_TOKENS},
    "ff_active": {"name": "ff_tokens", **FF_TOKENS, "active_set": True},
    "ff_maps": {"name": "cwc_maps_tokens", **CWC_MAPS},
}


def checked(place, plan):
    """The rows of a plan's record by name, after the check that every record goes through."""
    record_check.check(record_check.read(place.runs / plan["run"]), plan["run"])
    content = record_check.read(place.runs / plan["run"])["result.json"]
    return {row["name"]: row for row in json.loads(content)["rows"]}


def test_a_plans_bench_leaves_a_record(place):
    plan = bench_plan("transformer", METHODS, bench_batch=8, bench_rounds=3, bench_singles=2)
    result = bench_transformer.run(plan, place)
    rows = checked(place, plan)
    assert {"bp_2l", "bp_2l, foreach Adam", "bp_2l, 8 parts", "ff_2l", "ff_active_2l, q 0.1", "ff_maps_2l"} < set(rows)
    assert rows[result["baseline"]]["ratio_to_bp"] == 1.0 and result["baseline"].startswith("bp_2l")
    assert all(row["latency_ms"] > 0 for row in rows.values())
    assert rows["ff_maps_2l"]["peak_bytes"] < rows["bp_2l"]["peak_bytes"]
    assert all(name in bench_transformer.describe(result) for name in rows)


def test_words_stand_beside_backpropagation_in_parts_of_a_batch(place):
    methods = {
        f"{name}_words": {"name": method, **WORD_CASES[method]}
        for name, method in zip(("bp", "ff"), ("backprop_words", "ff_words"), strict=True)
    }
    plan = bench_plan("transformer", methods, bench_batch=8, bench_rounds=3, bench_singles=2)
    plan["data"] = {"name": "denoise", **REVIEWS, "corruption": "random", "corruption_share": 0.15}
    plan["protocol"] = plan["protocol"] | {"task": "denoise"}
    result = bench_transformer.run(plan, place)
    rows = checked(place, plan)
    ways = {
        "bp_words_2l",
        *(f"bp_words_2l, {way}" for way in ("single-tensor Adam", "foreach Adam", "4 parts", "8 parts")),
    }
    assert set(rows) == ways | {"ff_words_2l"} and result["baseline"] in ways
    assert rows["bp_words_2l, 8 parts"]["peak_bytes"] < rows["bp_words_2l"]["peak_bytes"]


def test_words_stand_beside_local_window_attention(place):
    """Every variant has a net of its own; a window is under backpropagation alone."""
    methods = {
        "bp_words": {"name": "backprop_words", **WORD_CASES["backprop_words"]},
        "bp_local_words": {"name": "backprop_words", **WORD_CASES["backprop_words"]},
        "ff_words": {"name": "ff_words", **WORD_CASES["ff_words"]},
    }
    plan = bench_plan("transformer", methods, bench_batch=8, bench_rounds=3, bench_singles=2)
    plan["data"] = {"name": "denoise", **REVIEWS, "corruption": "random", "corruption_share": 0.15}
    plan["protocol"] = plan["protocol"] | {"task": "denoise"}
    plan["variants"]["bp_local_words"]["net"] = TRANSFORMER | {"window": 2}
    result = bench_transformer.run(plan, place)
    rows = checked(place, plan)
    assert {"bp_words_2l", "bp_local_words_2l", "ff_words_2l", "bp_words_2l, 8 parts"} <= set(rows)
    assert result["baseline"].startswith("bp_words_2l")
    assert rows["bp_local_words_2l"]["ratio_to_bp"] > 0 and rows["bp_local_words_2l"]["latency_ms"] is None


def test_bounds_and_where_they_are_crossed():
    """(2 + 6 q) / 3 = .8 at q = 1 / 15; (2 + 2 q) / 3 = .8 at q = 1 / 5; lines between measured points."""
    assert active_sets.bound(1.0) == 2.0 and active_sets.bound(1.0, closed_form=True) == 4 / 3
    points = [(q / 1000, active_sets.bound(q / 1000)) for q in range(1001)]
    assert active_sets.crossing(points, 0.8) == pytest.approx(1 / 15, abs=1e-3)
    assert active_sets.crossing(points, 1.0) == pytest.approx(1 / 6, abs=1e-3)
    closed = [(q / 1000, active_sets.bound(q / 1000, closed_form=True)) for q in range(1001)]
    assert active_sets.crossing(closed, 0.8) == pytest.approx(1 / 5, abs=1e-3)
    assert active_sets.crossing([(1.0, 2.0), (0.5, 1.0), (0.25, 0.9)], 0.95) == pytest.approx(0.375)
    assert active_sets.crossing([(1.0, 2.0), (0.5, 1.5)], 1.0) is None


def test_the_command_measures_in_fresh_processes(monkeypatch, tmp_path, capsys):
    """Each depth three times; the ratios of all stand in one line."""

    def repeated(on_cpu, threads, measure, layers, rounds):
        rows = [{"name": "BP", "ratio_to_bp": 1.0}, {"name": "FF", "ratio_to_bp": layers / 10}]
        return [{"layers": layers, "rows": rows}] * 3

    monkeypatch.setattr(bench_transformer, "repeated", repeated)
    monkeypatch.setattr(bench_transformer, "describe", lambda result: "table")
    bench_transformer.main(SimpleNamespace(rounds=3, threads=1, out=tmp_path / "bench.json"))
    said = capsys.readouterr().out
    assert "   0.200   0.200   0.200" in said and "12 layers" in said
    depths = json.loads((tmp_path / "bench.json").read_text())["depths"]
    assert [(depth["layers"], len(depth["processes"])) for depth in depths] == [(2, 3), (4, 3), (12, 3)]


def test_growth_is_an_exponent_of_each_axis(place):
    plan = bench_plan("growth", {name: METHODS[name] for name in ("bp", "ff")}, bench_batch=4, bench_rounds=3)
    result = bench_growth.run(plan, place)
    assert result["config"]["sizes"] == {"length": [6, 12, 24], "width": [8, 16]}
    rows = checked(place, plan)
    assert set(rows) == {f"{name}, {axis}" for name in ("bp", "ff") for axis in ("length", "width")}
    for row in rows.values():
        assert 0.4 < row["exponent_memory"] < 2.2  # activations of a packed batch, and of attention
    assert all(name in bench_growth.describe(result) for name in rows)


def test_probes_of_what_the_paper_says_in_words(place):
    plan = bench_plan("probes", METHODS, bench_batch=20, bench_rounds=6, bench_lr=3e-3, noise_share=0.1)
    result = bench_probes.run(plan, place)
    rows = checked(place, plan)
    for name, row in rows.items():
        assert row["gradient_spread"] > 0 and 0 < row["accuracy"] <= 1 and 0 < row["accuracy_perturbed"] <= 1
        assert row["words_named"] == row["words_right"] == 1.0, name  # no method hides a text's words
        pairs = name in ("ff", "ff_active")
        assert (row["attention_max"] is not None) == (row["auc_pairs"] is not None) == pairs
        assert not pairs or row["auc_pairs"] > 0.5
        assert row["gradient_first"] > 0 and row["gradient_last"] > 0 and row["diverged"] == 0
        assert 0 <= row["accuracy_perturbed_10x"] <= 1 and 0 <= row["accuracy_perturbed_3x"] <= 1
        assert not pairs or 0 < row["attention_entropy"] < 4
    assert all(name in bench_probes.describe(result) for name in rows)


def test_a_probe_that_finds_zero_says_zero(place, monkeypatch):
    """Nothing right, no spread and no word named are measured; the share of right words among none is not."""
    monkeypatch.setattr(bench_probes, "accuracy", lambda method, task: 0.0)
    monkeypatch.setattr(bench_probes, "gradient_norms", lambda net: [2.0, 2.0])
    plan = bench_plan("probes", {"bp": METHODS["bp"]}, bench_batch=20, bench_rounds=4, bench_lr=3e-3, noise_share=0.1)
    bench_probes.run(plan, place)
    row = checked(place, plan)["bp"]
    assert row["accuracy"] == row["accuracy_perturbed"] == row["gradient_spread"] == 0.0


def test_norms_by_block_and_the_auc_of_held_out_pairs(monkeypatch):
    """Two texts of two classes: goodness 3 and 1 under the true label, 2 and 0 under the wrong one: 3 of 4 pairs."""
    method = build("ff_tokens")
    method.step(make_tokens(8, masked=True))
    first = torch.cat([p.grad.flatten() for p in method.net.blocks[0].parameters()])
    assert bench_probes.gradient_norms(method.net)[0] == pytest.approx(float(first.norm()))
    scores = {"scores_goodness": torch.tensor([[3.0, 2.0], [0.0, 1.0]])}
    task = SimpleNamespace(in_order=lambda split: [{"label": torch.tensor([0, 1])}])
    monkeypatch.setattr(method, "evaluate_batch", lambda batch: scores)
    assert bench_probes.auc_pairs(method, task, 0) == 0.75
    assert bench_probes.auc_pairs(build("backprop_tokens"), task, 0) is None
    # Positives 3 and 1, their negatives 2 and 0: 3 of 4 again.
    method.hp = {**method.hp, "negatives": "random"}
    pair = (torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0]))
    monkeypatch.setattr(method, "pair_goodness", lambda batch: pair)
    assert bench_probes.auc_pairs(method, task, 0) == 0.75


@pytest.mark.parametrize("kind", ["swap", "random", "noise"])
def test_held_out_negatives_are_the_same_before_and_after_training(kind):
    """They are drawn apart from the method's own draws, which training goes on with."""
    method, batch = build("ff_tokens"), make_tokens(24, masked=True)
    method.hp = {**method.hp, "negatives": kind}
    task, state = SimpleNamespace(in_order=lambda split: [batch]), method.generator.get_state()
    first, again = (bench_probes.auc_pairs(method, task, 5) for _ in range(2))
    assert first == again != bench_probes.auc_pairs(method, task, 6)
    assert torch.equal(state, method.generator.get_state())
    positive, negative = method.pair_goodness(batch)
    assert positive.shape == negative.shape == (24,) and not torch.equal(positive, negative)
    assert not positive.requires_grad and not any(p.grad is not None for p in method.net.parameters())


def test_noise_raises_the_goodness_of_an_untrained_net():
    """So that its AUC lies below .5 (claim 132), the further the more noise there is; without any it is .5."""
    method, batch = build("ff_tokens"), make_tokens(24, masked=True)
    task, found = SimpleNamespace(in_order=lambda split: [batch]), []
    for deviation in (1e-9, 0.3, 1.0):
        method.hp = {**method.hp, "negatives": "noise", "noise_std": deviation}
        found.append(bench_probes.auc_pairs(method, task, 0))
    none, some, much = found
    assert none == pytest.approx(0.5, abs=0.01) and none > some + 0.1 > much + 0.2


def test_probes_of_the_papers_own_negatives(place):
    """Trained nets tell texts from random words better than the same net did before."""
    kinds = {f"ff_{kind}": {**METHODS["ff"], "negatives": kind} for kind in ("swap", "random", "noise")}
    plan = bench_plan("probes", kinds, bench_batch=20, bench_rounds=30, bench_lr=3e-3, noise_share=0.1)
    bench_probes.run(plan, place)
    rows = checked(place, plan)
    assert set(rows) == set(kinds)
    assert all(0 <= row[f"auc_pairs{name}"] <= 1 for row in rows.values() for name in ("", "_untrained"))
    assert rows["ff_random"]["auc_pairs"] > max(0.5, rows["ff_random"]["auc_pairs_untrained"])


def test_records_from_before_a_column_came_are_still_read(place):
    plan = bench_plan("probes", {"ff": METHODS["ff"]}, bench_batch=20, bench_rounds=4, bench_lr=3e-3, noise_share=0.1)
    bench_probes.run(plan, place)
    entry = record_check.read(place.runs / plan["run"])
    result = json.loads(entry["result.json"])
    for column in bench_probes.LATER:
        assert result["rows"][0].pop(column) is not None
    record_check.check(entry | {"result.json": json.dumps(result).encode()}, plan["run"])


def test_a_diverged_net_is_counted_and_has_no_number_that_is_none(place, monkeypatch):
    monkeypatch.setattr(bench_probes, "gradient_norms", lambda net: [float("nan"), float("inf")])
    step = bench_probes.parts.make_method

    def broken(*args):
        method = step(*args)
        learn = method.step
        method.step = lambda batch: learn(batch) | {"loss": torch.tensor(float("nan"))}
        return method

    monkeypatch.setattr(bench_probes.parts, "make_method", broken)
    plan = bench_plan("probes", {"bp": METHODS["bp"]}, bench_batch=20, bench_rounds=4, bench_lr=3e-3, noise_share=0.1)
    bench_probes.run(plan, place)
    row = checked(place, plan)["bp"]
    assert row["diverged"] == 1.0 and row["gradient_spread"] is row["gradient_first"] is None


def test_pairs_whose_margins_are_met_name_no_word():
    method = build("ff_tokens")
    method.margins = [-1e9] * 2
    assert bench_probes.named(method, make_tokens(8, masked=True)) == {"words_named": 0.0, "words_right": None}
    norms = bench_probes.gradient_norms(method.net)
    assert norms == [0.0, 0.0] and gradients.spread(norms) is gradients.middle(norms) is None


def test_an_active_set_without_an_active_pair_moves_as_all_pairs_do():
    """Adam's moments move on under gradients of zero: the update without them is another algorithm."""
    plain, active = build("ff_tokens", dtype=torch.float64), build("ff_tokens active set", dtype=torch.float64)
    active.hp = {**active.hp, "l1": 0.0}
    batch = make_tokens(24, masked=True)
    for margin in (1e3, -1e9):
        for method in (plain, active):
            method.margins = [margin] * 2
            method.shares = [0.5, 0.5]
            method.generator.manual_seed(3)
            method.step(batch)
    assert plain.shares == active.shares == [0.0, 0.0]
    ours, theirs = (dict(method.net.named_parameters()) for method in (active, plain))
    start = dict(build("ff_tokens", dtype=torch.float64).net.named_parameters())
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-12) for name in ours)
    assert sum(not torch.equal(ours[name], start[name]) for name in ours) > 10


def _run(method, batch):
    method.generator.manual_seed(3)
    x, label = method.pairs(batch)
    z, layout = method.net.embed(x, label, everywhere=True)
    block = method.net.blocks[0]
    return block(z, layout, method.draw(block, z, 2)), layout
