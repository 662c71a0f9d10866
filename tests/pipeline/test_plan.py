"""Expansion: which runs there are, what exactly stands in a plan file, which layer wins."""

import pytest

from ffrepro.base.plans import result_hash
from ffrepro.pipeline import params, plan
from ffrepro.pipeline.plan import expand


@pytest.fixture
def plans(project):
    """Expand the small project: ``plans("smoke", "cpu")``."""

    def expanded(scale="smoke", *hardware):
        loaded = params.load(project)
        return expand(
            loaded.raw, loaded.vocabulary, scale, hardware or ["cpu"], lambda entry: "code of " + entry["kind"]
        )

    return expanded


def by_run(plans):
    return {entry["run"]: entry for entry in plans}


def test_every_run_once_in_the_order_of_the_file(plans):
    runs = [entry["run"] for entry in plans()]
    # 2 data sets x 2 treatments x 2 variants x 2 seeds, 2 grid points x 2 seeds, 1 bench
    assert len(runs) == len(set(runs)) == 16 + 4 + 1
    assert runs[:3] == [
        "smoke/cpu/rnn_dollar_corrected/bptt/seed0",
        "smoke/cpu/rnn_dollar_corrected/bptt/seed1",
        "smoke/cpu/rnn_dollar_corrected/ff_std/seed0",
    ]
    assert runs[-5:] == [
        "smoke/cpu/theta_mcyt_corrected/ff_std_theta0.5/seed0",
        "smoke/cpu/theta_mcyt_corrected/ff_std_theta0.5/seed1",
        "smoke/cpu/theta_mcyt_corrected/ff_std_theta2/seed0",
        "smoke/cpu/theta_mcyt_corrected/ff_std_theta2/seed1",
        "smoke/cpu/bench_dollar_corrected/interleaved/seed0",
    ]


def test_scale_and_hardware_multiply(plans):
    runs = by_run(plans("lite", "cpu", "h200"))
    assert len(runs) == 2 * (24 + 6 + 1)
    assert runs["lite/h200/rnn_mcyt_corrected/bptt/seed2"]["profile"] == {
        "device": "cuda",
        "precision": "float32",
        "memory_cap_gb": 80,
    }
    assert {entry["source"] for entry in runs.values()} == {"upstream"}


def test_a_plan_file_holds_everything_the_run_needs_and_nothing_else(plans):
    assert by_run(plans())["smoke/cpu/rnn_mcyt_as_published/ff_std/seed1"] == {
        "schema": 2,
        "run": "smoke/cpu/rnn_mcyt_as_published/ff_std/seed1",
        "kind": "train",
        "paper": "paper_a",
        "experiment": "rnn_mcyt_as_published",
        "variant": "ff_std",
        "seed": 1,
        "scale": "smoke",
        "hardware": "cpu",
        "profile": {"device": "cpu", "precision": "float32", "memory_cap_gb": None},
        "protocol": {"treatment": "as_published", "task": "classify", "inference": "ensemble"},
        "dataset": "mcyt",
        "source": "standin",
        "data": {"name": "trajectories", "length": 70},
        "net": {"name": "rnn", "hidden": 96},
        "method": {"name": "ff_rnn", "norm": "standardize", "theta": 7.0},
        "training": {"schedule": "constant", "max_epochs": 2, "lr": 0.001},
        "origin": {
            "data.length": "released code",
            "net.hidden": "paper, Sec. 3.5",
            "method.norm": "paper, Sec. 3.6.2",
            "method.theta": "paper, Sec. 3.6.3",
            "training.max_epochs": "scale smoke",
            "training.lr": "paper, Sec. 3.6.4",
        },
        "tags": {"tables": ["table1", "table2"]},
        "code": "code of train",
    }


def test_a_bench_plan_holds_every_variant(plans):
    bench = by_run(plans())["smoke/cpu/bench_dollar_corrected/interleaved/seed0"]
    assert (bench["kind"], bench["variant"], bench["seed"]) == ("bench", "interleaved", 0)
    assert bench["protocol"] == {"treatment": "corrected"}
    assert bench["bench"] == {"name": "rnn", "bench_rounds": 30}
    assert bench["variants"] == {
        "bptt": {"net": {"name": "rnn", "hidden": 96}, "method": {"name": "backprop_rnn", "clip_norm": 1.0}},
        "ff_std": {
            "net": {"name": "rnn", "hidden": 96},
            "method": {"name": "ff_rnn", "norm": "standardize", "theta": 7.0},
        },
    }
    assert bench["origin"]["variants.ff_std.method.theta"] == "paper, Sec. 3.6.3"
    assert bench["origin"]["bench.bench_rounds"] == "chosen"
    assert not {"net", "method", "training"} & set(bench)


def test_later_layers_win_and_only_where_they_match(plans):
    smoke, lite = by_run(plans()), by_run(plans("lite"))
    assert smoke["smoke/cpu/rnn_mcyt_corrected/ff_std/seed0"]["data"]["length"] == 100
    assert smoke["smoke/cpu/rnn_mcyt_as_published/ff_std/seed0"]["data"]["length"] == 70
    assert smoke["smoke/cpu/rnn_mcyt_as_published/bptt/seed0"]["data"]["length"] == 100
    assert smoke["smoke/cpu/rnn_mcyt_corrected/bptt/seed0"]["training"]["max_epochs"] == 2
    assert lite["lite/cpu/rnn_mcyt_corrected/bptt/seed0"]["training"]["max_epochs"] == 200


def test_a_grid_point_wins_over_blocks_and_matches_as_its_variant(plans):
    entry = by_run(plans())["smoke/cpu/theta_mcyt_corrected/ff_std_theta0.5/seed0"]
    assert entry["method"] == {"name": "ff_rnn", "norm": "standardize", "theta": 0.5}
    assert entry["origin"]["method.theta"] == "grid of experiment theta"
    assert entry["tags"] == {"tables": []}


def test_an_experiment_has_settings_of_its_own(plans, edit):
    edit("    grid: {theta: [0.5, 2.0]}", "    grid: {theta: [0.5, 2.0]}\n    set: {lr: {value: 0.5, source: x}}")
    runs = by_run(plans())
    assert runs["smoke/cpu/theta_mcyt_corrected/ff_std_theta2/seed0"]["training"]["lr"] == 0.5
    assert runs["smoke/cpu/rnn_mcyt_corrected/ff_std/seed0"]["training"]["lr"] == 0.001


def test_notes_do_not_change_what_a_run_is(plans, edit):
    before = by_run(plans())["smoke/cpu/rnn_mcyt_corrected/bptt/seed0"]
    edit(
        'clip_norm: {value: 1.0, source: "released code"}', 'clip_norm: {value: 1.0, source: "released code, line 12"}'
    )
    edit(
        "    variants: [bptt, ff_std]\n    tables: [table1, table2]",
        "    variants: [bptt, ff_std]\n    tables: [table1]",
    )
    after = by_run(plans())["smoke/cpu/rnn_mcyt_corrected/bptt/seed0"]
    assert before != after and result_hash(before) == result_hash(after)
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    assert result_hash(by_run(plans())["smoke/cpu/rnn_mcyt_corrected/bptt/seed0"]) != result_hash(after)


def test_grid_values_in_names():
    case = plan.Case("p", "theta", {"kind": "train"}, "mcyt", "corrected", "ff", (("theta", 10.0), ("norm", "rms")))
    assert case.variant_name == "ff_theta10_normrms"
    assert case.experiment == "theta_mcyt_corrected"
    assert plan.Case("p", "t", {}, "d", "c", "ff", (("lr", 1e-05),)).variant_name == "ff_lr1e-05"


def test_a_new_variant_is_one_entry(plans, edit):
    """It takes its parent's method, net and settings, and joins the experiments that it names."""
    before = by_run(plans())
    entry = "  ff_rms: {extends: ff_std, label: FF2, experiments: [rnn], set: {norm: {value: rms, source: x}}}\n"
    edit("groups:\n", entry + "groups:\n")
    after = by_run(plans())
    assert {run: plan for run, plan in after.items() if "/ff_rms/" not in run} == before
    new = {run: plan for run, plan in after.items() if run not in before}
    assert len(new) == 2 * 2 * 2  # data sets, treatments, seeds
    plan = new["smoke/cpu/rnn_mcyt_as_published/ff_rms/seed0"]
    assert plan["method"] == {"name": "ff_rnn", "norm": "rms", "theta": 7.0} and plan["data"]["length"] == 70
    assert (plan["origin"]["method.norm"], plan["origin"]["method.theta"]) == ("x", "paper, Sec. 3.6.3")


def test_blocks_win_in_the_documented_order(plans, edit):
    """One setting, given in every kind of block: each later one takes over what the earlier ones gave."""
    run = "smoke/cpu/theta_mcyt_corrected/ff_std_theta2/seed0"
    blocks = [
        ("  methods:\n", "  methods:\n    ff_rnn: {{lr: {}}}\n"),
        ("    as_published:\n", "    corrected: {{lr: {}}}\n    as_published:\n"),
        ("    label: FF\n    set:\n", "    label: FF\n    set:\n      lr: {}\n"),
        ("  training: {kind", "  training: {{set: {{lr: {}}}, kind"),
        ("    grid: {theta: [0.5, 2.0]}\n", "    grid: {{theta: [0.5, 2.0]}}\n    set: {{lr: {}}}\n"),
        ("    smoke:\n", "    smoke:\n      lr: {}\n"),
        ("    datasets: [mcyt]\n", "    datasets: [mcyt]\n    scales: {{smoke: {{set: {{lr: {}}}}}}}\n"),
    ]
    for number, (old, new) in enumerate(blocks, 1):
        edit(old, new.format(f"{{value: 0.{number}, source: block {number}}}"))
        plan = by_run(plans())[run]
        assert (plan["training"]["lr"], plan["origin"]["training.lr"]) == (number / 10, f"block {number}")


def test_variants_that_an_experiment_leaves_out_are_named():
    entry = {"variants": ["ff", "mine", "bp"], "scales": {"smoke": {"variants": ["ff", "bp"]}}}
    raw = {"papers": {"a": {"experiments": {"rnn": entry, "theta": {"variants": ["ff"]}}}}}
    assert plan.left_out(raw, "smoke") == plan.left_out(raw, "smoke", "rnn_mcyt_corrected") == {"rnn": ["mine"]}
    assert plan.left_out(raw, "lite") == plan.left_out(raw, "smoke", "theta") == {}
    said = plan.why_left_out(raw, "smoke", "train/smoke/cpu/rnn_mcyt_corrected/mine/seed0")
    assert "rnn" in said and "mine" in said and "smoke" in said
    assert plan.why_left_out(raw, "smoke", "train/smoke/cpu/rnn_mcyt_corrected/bp/seed0") == ""
