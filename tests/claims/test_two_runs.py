"""Two runs side by side: lookup by name and folder, what differs, numbers by seed and over seeds."""

import math
from dataclasses import replace

import pytest
from scipy import stats

from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.files import dump_json, read_json, write_json
from ffrepro.claims import run_lookup, two_runs

FF, BP = "rnn_mcyt_corrected/ff_std", "rnn_mcyt_corrected/bptt"
ACCURACY = {FF: (0.90, 0.92, 0.94), BP: (0.95, 0.96, 0.97)}


@pytest.fixture
def project(world):
    """Three seeds of two variants, on one machine."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    for plan in world.plans:
        values = ACCURACY.get(f"{plan['experiment']}/{plan['variant']}")
        if values:
            world.record(plan, accuracy=values[plan["seed"]], auc=0.99, epochs=20)
    return world


def sides(world, *names):
    return [run_lookup.find(world.root, name) for name in names]


def metric(found, name):
    return next(row for row in found["metrics"] if row["name"] == name)


def test_settings_that_differ_have_their_sources(project):
    a, b = sides(project, FF, BP)
    a.records[0].plan["net"]["hidden"] = 48
    found = two_runs.compare(a, b)
    rows = {row["name"]: row for row in found["settings"]}
    assert rows["net.hidden"] == {
        "name": "net.hidden", "a": 48, "b": 96, "source_a": "paper, Sec. 3.5", "source_b": "paper, Sec. 3.5"
    }  # fmt: skip
    assert (rows["method.name"]["a"], rows["method.name"]["b"]) == ("ff_rnn", "backprop_rnn")
    assert (rows["method.theta"]["a"], rows["method.theta"]["b"]) == (7.0, None)
    assert "training.lr" not in rows and "seed" not in rows and "variant" not in rows


def test_over_seeds_by_hand_and_by_scipy(project):
    found = two_runs.compare(*sides(project, FF, BP), margin=0.1)
    row = metric(found, "test/accuracy")
    assert row["a"] == pytest.approx({"n": 3, "mean": 0.92, "std": 0.02})
    assert row["b"] == pytest.approx({"n": 3, "mean": 0.96, "std": 0.01})
    assert row["difference"] == pytest.approx(0.04)
    assert [one["difference"] for one in row["per_seed"]] == pytest.approx([0.05, 0.04, 0.03])
    assert row["welch_p"] == pytest.approx(stats.ttest_ind(ACCURACY[BP], ACCURACY[FF], equal_var=False).pvalue)
    tested = [m["welch_p"] for m in found["metrics"] if m["welch_p"] is not None]
    assert row["holm_p"] == pytest.approx(
        min(1.0, max(p * (len(tested) - i) for i, p in enumerate(sorted(tested)) if p <= row["welch_p"] + 1e-12))
    )
    error, df = (
        math.sqrt(0.02**2 / 3 + 0.01**2 / 3),
        (0.0004 / 3 + 0.0001 / 3) ** 2 / ((0.0004 / 3) ** 2 / 2 + (0.0001 / 3) ** 2 / 2),
    )
    assert row["tost_p"] == pytest.approx(float(stats.t.cdf((0.04 - 0.1) / error, df)))
    assert metric(found, "epochs")["tost_p"] is None  # a margin is of metrics
    assert metric(found, "test/accuracy")["shown"] and not metric(found, "test/loss")["shown"]
    assert any(name.startswith("test/accuracy_layer") for name in found["only_a"]) and found["only_b"] == []
    dump_json(found)  # holds no NaN


def test_runs_of_one_split_are_tested_within_seeds_as_well(project):
    def compare(split):
        a, b = sides(project, FF, BP)
        for record in (*a.records, *b.records):
            record.plan["data"] = record.plan["data"] | {"split_seed": split}
        return two_runs.compare(a, b)

    found = compare("run")
    row = metric(found, "test/accuracy")
    within = stats.ttest_rel(ACCURACY[BP], ACCURACY[FF])
    assert found["paired"] and row["paired_p"] == pytest.approx(within.pvalue)
    assert (row["paired_low"], row["paired_high"]) == pytest.approx(tuple(within.confidence_interval()))
    assert row["welch_p"] == pytest.approx(stats.ttest_ind(ACCURACY[BP], ACCURACY[FF], equal_var=False).pvalue)
    p_values = [m["welch_p"] if m["paired_p"] is None else m["paired_p"] for m in found["metrics"]]
    tested = sorted(p for p in p_values if p is not None)
    assert row["holm_p"] == pytest.approx(
        min(1.0, max(p * (len(tested) - i) for i, p in enumerate(tested) if p <= within.pvalue + 1e-12))
    )
    dump_json(found)
    other = compare(0)
    assert not other["paired"] and metric(other, "test/accuracy")["paired_p"] is None


def test_other_seeds_are_not_paired(project):
    a, b = sides(project, FF, BP)
    for record in (*a.records, *b.records):
        record.plan["data"] = record.plan["data"] | {"split_seed": "run"}
    fewer = replace(b, records=b.records[:2])
    assert not two_runs.compare(a, fewer)["paired"]


def test_one_run_each_has_values_and_no_test(project):
    found = two_runs.compare(*sides(project, f"{FF}/seed0", f"{BP}/seed2"), margin=0.1)
    row = metric(found, "test/accuracy")
    assert (row["a"]["mean"], row["b"]["mean"], row["a"]["std"]) == (0.90, 0.97, None)
    assert (len(row["per_seed"]), row["welch_p"], row["tost_p"]) == (1, None, None)


def test_times_only_of_one_machine(project):
    a, b = sides(project, FF, BP)
    assert metric(two_runs.compare(a, b), "time/train_s")["a"]["n"] == 3
    b.records[0].about["machine"] = {**b.records[0].about["machine"], "cpu": "another"}
    found = two_runs.compare(a, b)
    names = {row["name"] for row in found["metrics"]} | {*found["only_a"], *found["only_b"]}
    assert not found["same_machine"] and not {name for name in names if name.startswith(("time/", "memory/"))}
    assert "machine.cpu" in {row["name"] for row in found["facts"]}


def test_different_tasks_share_names_and_no_test(project):
    a, b = sides(project, FF, BP)
    for record in b.records:
        record.plan["dataset"] = "raton"
    found = two_runs.compare(a, b, margin=0.1)
    assert not found["same_task"] and metric(found, "test/accuracy")["difference"] == pytest.approx(0.04)
    assert all(row["welch_p"] is None and row["tost_p"] is None for row in found["metrics"])


def test_a_folder_serves_as_a_name(project):
    folder = project.root / "runs/lite/cpu" / FF
    assert len(run_lookup.find(project.root, str(folder)).records) == 3
    assert run_lookup.find(project.root, str(folder / "seed1")).name == f"lite/cpu/{FF}/seed1"


def test_what_is_unknown_unfinished_planned_or_bad(project):
    with pytest.raises(FfreproError, match="'ff_std'"):
        run_lookup.find(project.root, "ff_sdt")
    with pytest.raises(FfreproError, match=r"ffrepro train plan/lite/cpu/rnn_mcyt_corrected/ff_rms/seed0\.json"):
        run_lookup.find(project.root, "rnn_mcyt_corrected/ff_rms", lambda: project.plans)
    folder = project.root / "runs/lite/cpu" / FF
    (folder / "seed2/result.json").unlink()
    found = run_lookup.find(project.root, FF)
    assert (len(found.records), found.unfinished) == (2, (f"lite/cpu/{FF}/seed2",))
    with pytest.raises(FfreproError) as error:
        run_lookup.find(project.root, f"{FF}/seed2")
    assert error.value.where == folder / "seed2"
    result = read_json(folder / "seed0/result.json")
    write_json(folder / "seed0/result.json", result | {"epochs": 7})
    with pytest.raises(DataFileError):
        run_lookup.find(project.root, f"{FF}/seed0")


def test_a_changed_committed_record_is_refused(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    world.commit_records(world.plans[:1], accuracy=0.9, auc=0.9)
    run = world.plans[0]["run"]
    assert run_lookup.find(world.root, run).committed
    path = world.root / "reports/reference" / run / "metrics.jsonl"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(DataFileError, match=r"metrics\.jsonl"):
        run_lookup.find(world.root, run)
