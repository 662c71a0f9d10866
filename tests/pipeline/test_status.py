"""States of runs, estimates, limits and selections."""

import os
import re

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.base.plans import result_hash
from ffrepro.pipeline import hardware, probes, similar, status
from ffrepro.pipeline.estimates import Estimate, Estimator, duration, over_limits, totals
from ffrepro.pipeline.probes import Probe
from ffrepro.pipeline.selection import Selection
from ffrepro.pipeline.workspace import open_workspace

RUN = "smoke/cpu/rnn_mcyt_corrected/bptt/seed0"


@pytest.fixture
def plan_of(project):
    """The plan of a run as params.yaml stands now."""
    return lambda run=RUN: next(plan for plan in open_workspace(project).plans if plan["run"] == run)


def state(project, run=RUN):
    workspace = open_workspace(project)
    return status.of_run(workspace, next(plan for plan in workspace.plans if plan["run"] == run))


def test_todo_then_done_then_stale_after_an_edit(project, edit, finish, plan_of):
    assert state(project) == status.Status("todo")
    finish(plan_of())
    assert state(project) == status.Status("done")
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    assert state(project) == status.Status("stale", "method.clip_norm")
    edit("return 1", "return 3", file="src/ffrepro/nets/rnn.py")
    assert state(project).detail == "method.clip_norm, code"


def test_a_better_word_for_a_source_makes_nothing_stale(project, edit, finish, plan_of):
    finish(plan_of())
    edit('1.0, source: "released code"', '1.0, source: "released code, line 3"')
    assert state(project) == status.Status("done")


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "result.json", "arrays.npz"])
def test_a_record_with_a_file_missing_is_not_done(project, finish, plan_of, name):
    (finish(plan_of()) / name).unlink()
    assert state(project).state == ("todo" if name == "result.json" else "bad")


def test_a_record_that_cannot_be_read_is_not_done(project, finish, plan_of):
    (finish(plan_of()) / "result.json").write_text('{"half": ')
    found = state(project)
    assert found.state == "bad" and "(result.json)" in found.detail


def test_work_in_progress_of_this_plan_is_partial_of_another_it_is_not(project, edit, plan_of):
    partial = project / "runs" / RUN / f".partial-{result_hash(plan_of())[:12]}"
    partial.mkdir(parents=True)
    (partial / "metrics.jsonl").write_text('{"epoch": 1}\n')
    assert state(project) == status.Status("partial", "1 of at most 2 epochs")
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    assert state(project).state == "todo"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("epoch 1\nffrepro: error: the loss is not finite\n  fix:   lower lr\n", "the loss is not finite"),
        ("Traceback (most recent call last):\n  File x\nValueError: no\n", "ValueError: no"),
    ],
)
def test_a_run_whose_log_ends_in_an_error_has_failed(project, plan_of, text, detail):
    log = project / "logs" / f"{RUN}.log"
    log.parent.mkdir(parents=True)
    log.write_text(text)
    assert state(project) == status.Status("failed", f"{detail} (logs/{RUN}.log)")
    partial = project / "runs" / RUN / f".partial-{result_hash(plan_of())[:12]}"
    partial.mkdir(parents=True)
    (partial / "state.pt").write_text("x")
    os.utime(log, (1, 1))  # something has moved since: it is being run again
    assert state(project).state == "partial"


def test_a_log_without_an_error_says_nothing(project):
    log = project / "logs" / f"{RUN}.log"
    log.parent.mkdir(parents=True)
    log.write_text("epoch 1 loss 0.7\n")
    assert state(project).state == "todo"


def test_absent_hardware_is_not_run_unless_its_record_was_imported(project, edit, finish, plan_of):
    edit("hardware: [cpu]", "hardware: [h200]")
    run = RUN.replace("cpu", "h200")
    assert state(project, run) == status.Status("not run: no such hardware here")
    finish(plan_of(run))
    assert state(project, run) == status.Status("done")


def test_estimates_come_from_finished_runs_of_any_seed_first(project, finish, plan_of):
    workspace = open_workspace(project)
    unknown = Estimator(workspace).of_run(plan_of())
    assert unknown == Estimate(None, "unknown", None, None)
    finish(plan_of(), seconds=30.0)
    finish(plan_of(RUN.replace("seed0", "seed1")), seconds=50.0, folder="reports/reference")
    estimate = Estimator(workspace).of_run(plan_of())
    assert (estimate.seconds, estimate.source, estimate.memory_mb) == (40.0, "mean of 2 finished", 900)
    assert 0.5 < estimate.disk_kb < 5
    assert Estimator(workspace, committed=True).of_run(plan_of()).seconds == 50.0  # in every checkout the same


def test_a_bench_takes_from_its_first_to_its_last_second(project, finish, plan_of):
    bench = plan_of("smoke/cpu/bench_dollar_corrected/interleaved/seed0")
    finish(bench)
    assert Estimator(open_workspace(project)).of_run(bench).seconds == 60.0


def test_totals_count_what_is_known_and_say_how_much_is_not():
    known, unknown = Estimate(40.0, "a probe", 900.0, 512.0), Estimate(None, "unknown", None, None)
    total = totals([known, unknown, known])
    assert (total.runs, total.seconds, total.unknown, total.longest) == (3, 80.0, 1, 40.0)
    assert (total.memory_mb, total.disk_mb) == (900.0, 1.0)
    total = totals([unknown])
    assert (total.seconds, total.unknown, total.memory_mb, total.disk_mb) == (0, 1, None, None)


@pytest.fixture
def probed(project):
    """The small project at scale lite after probes of two variants, by seconds an epoch of BPTT."""

    def probe(bptt):
        workspace = open_workspace(project, "lite")
        plans = {plan["run"].removeprefix("lite/cpu/"): plan for plan in workspace.plans}
        for name, seconds in (("bptt", bptt), ("ff_std", 2.0)):
            plan = plans[f"rnn_mcyt_corrected/{name}/seed0"]
            result = {"epochs": 1, "max_epochs": 200, "time": {"train_s": seconds, "evaluate_s": 0.0}}
            Estimator(workspace).learn(Probe(plan, result))
        return workspace, plans

    return probe


def test_a_probe_tells_of_runs_like_it_until_a_record_does(probed, finish):
    workspace, plans = probed(5.0)
    estimator = Estimator(workspace)
    found = estimator.of_run(plans["rnn_mcyt_corrected/bptt/seed2"])
    assert (found.seconds, found.source) == (200 * 5.0, "a probe")
    assert estimator.of_run(plans["theta_mcyt_corrected/ff_std_theta0.5/seed0"]).seconds == 200 * 2.0
    assert Estimator(workspace, committed=True).of_run(plans["rnn_mcyt_corrected/bptt/seed2"]).seconds is None
    assert estimator.of_run(plans["rnn_dollar_corrected/bptt/seed0"]).seconds is None
    assert estimator.of_run(plans["bench_dollar_corrected/interleaved/seed0"]).seconds is None
    finish(plans["rnn_mcyt_corrected/bptt/seed0"], seconds=30.0)
    assert Estimator(workspace).of_run(plans["rnn_mcyt_corrected/bptt/seed2"]).seconds == 30.0


def test_a_probe_of_another_machine_says_nothing_and_a_new_one_replaces_the_old(probed, monkeypatch):
    probed(5.0)
    workspace, plans = probed(6.0)
    run = plans["rnn_mcyt_corrected/bptt/seed0"]
    assert Estimator(workspace).of_run(run).seconds == 200 * 6.0
    assert len(Estimator(workspace).probes) == 2
    monkeypatch.setattr(hardware, "this_machine", lambda: hardware.Machine("Another CPU"))
    assert Estimator(workspace).of_run(run).seconds is None


def test_committed_probes_tell_where_no_other_does_and_on_every_machine(probed, monkeypatch):
    workspace, plans = probed(5.0)
    run, root = plans["rnn_mcyt_corrected/bptt/seed0"], workspace.root
    here = probes.read(root, hardware.this_machine().cpu)
    other = {**here[0].result, "time": {"train_s": 3.0, "evaluate_s": 0.0}}
    probes.add(root, "Another CPU", Probe(run, other))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(hardware, "this_machine", lambda: hardware.Machine("Another CPU"))
        assert probes.keep(root, "Another CPU") == 1
        found = Estimator(workspace, committed=True).of_run(run)
        assert (found.seconds, found.source) == (200 * 3.0, "a committed probe")
    assert Estimator(workspace).of_run(run).source == "a probe"  # this machine's own
    assert probes.keep(root, hardware.this_machine().cpu) == 3


def test_a_probe_of_a_search_tells_of_all_its_trials(plan_of):
    plan = plan_of() | {"kind": "search", "search": {"trials": 7}}
    plan = plan | {"training": plan["training"] | {"max_epochs": 11}}
    one = Probe(plan, {"epochs": 1, "max_epochs": 11, "time": {"train_s": 2.0, "evaluate_s": 0.0}})
    found = similar.seconds(plan, [one], base=lambda plan: plan["variant"], samples={}, scales=["smoke"], took=duration)
    assert found[0] == 7 * 11 * 2.0


@pytest.mark.parametrize("text", ['{"probes": 5}', '{"probes": [{"machine": "x"}]}', "{", "[]"])
def test_a_file_of_probes_that_is_none_is_named(project, plan_of, text):
    path = project / probes.FILE
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(FfreproError) as caught:
        Estimator(open_workspace(project)).of_run(plan_of())
    assert str(path) in str(caught.value.where)


def test_limits_of_the_scale_of_a_run_and_of_a_paper(project, probed):
    lite, _ = probed(40.0)
    findings = over_limits(lite, Estimator(lite))
    hours = [float(part) for part in re.findall(r"([\d.]+) h", " ".join(findings))]
    assert findings[0] == "lite/cpu/rnn_mcyt_corrected/bptt/seed0: 2.22 h, a run at scale lite may take 1 h"
    assert "paper_a: " in findings[-1] and "its share is 4 h" in findings[-1] and max(hours) > 4
    elsewhere = open_workspace(project, "lite", ["h200"])
    assert over_limits(elsewhere, Estimator(elsewhere)) == []  # the limits are CPU hours


def choose(project, **wanted):
    workspace = open_workspace(project)
    chosen = Selection(**wanted).choose(workspace.params.raw, workspace.plans, lambda plan: plan["seed"] * 2.0)
    return [plan["run"].removeprefix("smoke/cpu/") for plan in chosen]


def test_selections(project):
    assert len(choose(project)) == 21
    assert len(choose(project, paper="paper_a")) == 21
    assert len(choose(project, table="table1")) == 16
    assert len(choose(project, table="paper_a/table2")) == 17
    assert len(choose(project, experiment="rnn")) == 16
    assert choose(project, experiment="rnn_mcyt_corrected", max_hours=1.0) == [
        "rnn_mcyt_corrected/bptt/seed0",
        "rnn_mcyt_corrected/ff_std/seed0",
    ]
    assert choose(project, table="table1", experiment="theta") == []


def test_a_run_of_unknown_length_is_in_no_selection_by_length(project):
    workspace = open_workspace(project)
    assert Selection(max_hours=1e9).choose(workspace.params.raw, workspace.plans, lambda plan: None) == []


@pytest.mark.parametrize(
    ("wanted", "what", "hint"),
    [
        ({"paper": "paper_b"}, "unknown paper 'paper_b'", "'paper_a'"),
        ({"table": "tabel1"}, "unknown table 'tabel1'", "'table1'"),
        ({"experiment": "thteta"}, "unknown experiment 'thteta'", "'theta'"),
    ],
)
def test_unknown_names_in_a_selection(project, wanted, what, hint):
    with pytest.raises(FfreproError) as caught:
        choose(project, **wanted)
    assert caught.value.what == what and hint in caught.value.fix
