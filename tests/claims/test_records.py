"""Evidence: which records are used, which are left out and why, and which speak first."""

import json
from pathlib import Path

import pytest

from ffrepro import methods
from ffrepro.base.files import write_json
from ffrepro.claims.records import Evidence, Record, Store, differences
from ffrepro.training import classifiers, method_versions

EXPERIMENT = "rnn_mcyt_corrected"


def test_metrics_by_name(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn", "bench"])
    world.record(world.find(EXPERIMENT, "ff_std")[0], accuracy=0.9, epochs=33)
    world.record(world.find("bench_mcyt_corrected", "interleaved")[0], ratio={"FF-Std": 1.5})
    store = Store(world.root, world.plans)
    record = store.best(EXPERIMENT, "ff_std").records[0]
    assert record.value("test/accuracy") == 0.9
    assert record.value("test/accuracy_layer2") == 0.88
    assert record.value("epochs") == 33
    assert record.value("time/epoch_s_median") == 0.5
    assert record.value("memory/peak_bytes") == 300_000_000
    assert record.value("test/nothing") is None
    assert len(record.metrics()) == 33
    assert record.arrays()["test_goodness"].shape == (100, 3)
    bench = store.best("bench_mcyt_corrected", "interleaved", 1).records[0]
    assert bench.value("bench/ratio_to_bp", "FF-Std") == 1.5
    assert bench.value("bench/ratio_to_bp", "FF-Tsd") is None
    assert bench.capped_at(200) is None and bench.arrays() == {}


def test_capped_means_below_the_papers_budget(world):
    world.add_plans("lite", "paper", datasets=["mcyt"], families=["rnn"])
    for scale in ("lite", "paper"):
        world.record(world.find(EXPERIMENT, "ff_std", scale)[0])
    world.record(world.find(EXPERIMENT, "bptt")[0], epochs=60)
    store = Store(world.root, world.plans)
    assert store.at_scale(EXPERIMENT, "ff_std", "lite").records[0].capped_at(200) == 60
    assert store.at_scale(EXPERIMENT, "ff_std", "paper").records[0].capped_at(200) is None
    assert store.at_scale(EXPERIMENT, "bptt", "lite").records[0].capped_at(200) is None  # stopped by itself


def test_best_scale_is_the_largest_with_enough_runs(world):
    world.add_plans("smoke", "lite", "paper", datasets=["mcyt"], families=["rnn"])
    for scale in ("smoke", "lite"):
        for plan in world.find(EXPERIMENT, "ff_std", scale):
            world.record(plan)
    world.record(world.find(EXPERIMENT, "ff_std", "paper")[0])
    store = Store(world.root, world.plans)
    best = store.best(EXPERIMENT, "ff_std")
    assert (best.scale, len(best), best.standin) == ("lite", 3, False)  # one run at scale paper is too few
    for plan in world.find(EXPERIMENT, "ff_std", "paper")[1:3]:
        world.record(plan)
    assert Store(world.root, world.plans).best(EXPERIMENT, "ff_std").scale == "paper"


def test_real_data_come_before_stand_ins(world):
    world.add_plans("smoke", "lite", datasets=["mcyt"], families=["rnn"])
    for plan in world.find(EXPERIMENT, "bptt", "smoke"):
        world.record(plan)
    world.record(world.find(EXPERIMENT, "bptt", "lite")[0])
    best = Store(world.root, world.plans).best(EXPERIMENT, "bptt")
    assert (best.scale, len(best)) == ("lite", 1)


def test_one_machine_at_a_time_the_preferred_one_first(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"], hardware="h200")
    for plan in world.find(EXPERIMENT, "bptt"):
        world.record(plan)
    assert len(Store(world.root, world.plans).best(EXPERIMENT, "bptt")) == 3
    assert Store(world.root, world.plans, ["h200", "cpu"]).best(EXPERIMENT, "bptt").hardware == "h200"
    assert Store(world.root, world.plans, ["cpu"]).best(EXPERIMENT, "bptt").hardware == "cpu"


def test_records_of_other_settings_are_left_out(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    plan = world.find(EXPERIMENT, "ff_std")[0]
    world.record(plan | {"training": plan["training"] | {"max_epochs": 61}})
    store = Store(world.root, world.plans)
    assert store.best(EXPERIMENT, "ff_std") is None
    assert store.left_out == [(plan["run"], "its settings are not the plan's: training.max_epochs")]
    assert plan["run"] in store.missing("lite")


def test_only_another_version_of_the_method_is_marked_not_other_code(world, monkeypatch):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    plans = world.find(EXPERIMENT, "ff_std")
    world.record(plans[0] | {"code": "0lder"})  # from before records named versions: version 1
    world.record(plans[1], methods={"ff_rnn": 2})

    def marks():
        return [record.other_version for record in Store(world.root, world.plans).best(EXPERIMENT, "ff_std").records]

    assert marks() == [None, "made by version 2 of ff_rnn, now 1"]
    monkeypatch.setattr(methods, "version", lambda name: 2)
    assert marks() == ["made by version 1 of ff_rnn, now 2", None]


def test_versions_of_a_bench_and_of_a_fit():
    bench = {"kind": "bench", "variants": {name: {"method": {"name": name}} for name in ("uff", "ff")}}
    assert method_versions.of_plan(bench) == {"ff": methods.version("ff"), "uff": methods.version("uff")}
    assert method_versions.of_plan({"kind": "sklearn_baseline", "classifier": {"name": "gbt"}}) == {
        "gbt": classifiers.VERSION
    }
    assert methods.version("gone") == 1


def test_unplanned_and_damaged_records_are_no_evidence(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    plans = world.find(EXPERIMENT, "ff_std")
    world.record(plans[0])
    (world.record(plans[1]) / "result.json").write_text("{")
    unplanned = plans[2]
    world.record(unplanned)
    world.plans.remove(unplanned)
    store = Store(world.root, world.plans)
    assert [record.run for record in store.best(EXPERIMENT, "ff_std").records] == [plans[0]["run"]]
    assert [run for run, _ in store.left_out] == [plans[1]["run"]]


def test_committed_records_fill_in_and_must_be_what_the_index_says(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    bptt = world.find(EXPERIMENT, "bptt")
    world.commit_records(bptt, accuracy=0.98, epochs=30)
    world.record(bptt[0], accuracy=0.99, epochs=30)  # this checkout's own record comes first
    store = Store(world.root, world.plans)
    found = store.best(EXPERIMENT, "bptt").records
    assert [(r.committed, r.value("test/accuracy")) for r in found] == [(False, 0.99), (True, 0.98), (True, 0.98)]
    path = world.root / "reports/reference" / bptt[1]["run"] / "result.json"
    write_json(path, json.loads(path.read_text()) | {"epochs": 29})
    store = Store(world.root, world.plans)
    assert len(store.best(EXPERIMENT, "bptt")) == 2
    assert "result.json: not what the index lists" in dict(store.left_out)[bptt[1]["run"]]


def test_committed_records_of_another_machine_count(world):
    world.add_plans("lite", datasets=["mcyt"], families=["rnn"])
    elsewhere = [
        plan | {"hardware": "h200", "run": plan["run"].replace("/cpu/", "/h200/")}
        for plan in world.find(EXPERIMENT, "bptt")
    ]
    world.commit_records(elsewhere, epochs=30)
    assert Store(world.root, world.plans, ["cpu"]).best(EXPERIMENT, "bptt").hardware == "h200"
    assert Store(world.root, [], ["cpu"]).left_out[0][1] == "params.yaml does not declare it any more"


def test_missing_runs_are_those_of_the_chosen_hardware(world):
    world.add_plans("lite", datasets=["mcyt"], families=["bench"], treatments=["corrected"])
    world.add_plans("lite", datasets=["mcyt"], families=["bench"], treatments=["corrected"], hardware="h200")
    assert len(Store(world.root, world.plans).missing("lite")) == 4
    assert len(Store(world.root, world.plans, ["cpu"]).missing("lite")) == 2


def test_differences_name_the_settings():
    old = {"run": "a", "seed": 0, "net": {"hidden": 96, "layers": 3}, "dataset": "mcyt", "code": "1"}
    new = {"run": "b", "seed": 1, "net": {"hidden": 64, "layers": 3}, "dataset": "raton", "code": "2"}
    assert differences(old, new) == ["net.hidden", "dataset"]


def test_a_plan_of_schema_1_differs_only_where_it_meant_something_else():
    old = {"schema": 1, "data": {"length": 70}, "training": {"lr": 0.1}}
    new = {
        "schema": 2,
        "data": {"name": "trajectories", "length": 70},
        "training": {"schedule": "plateau", "lr": 0.1},
    }
    assert differences(old, new) == []
    assert differences(old, new | {"data": {"name": "matched", "length": 70}}) == ["data.name"]


@pytest.mark.parametrize(
    ("origin", "cut"),
    [({"data.train_samples": "scale lite"}, 1000), ({}, 1000), ({"data.train_samples": "paper, Sec. 5: 1,000"}, None)],
)
def test_a_run_is_cut_down_where_the_scale_asks_for_it_not_where_the_paper_does(origin, cut):
    plan = {"data": {"train_samples": 1000}, "origin": origin}
    record = Record(Path("."), {"plan": plan}, {}, committed=True)
    assert (record.train_samples, record.cut_to, Evidence((record,)).cut_to) == (1000, cut, cut)
