"""Plan files and dvc.yaml on the disk, and what runs where."""

import os

import pytest
import yaml

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import read_json
from ffrepro.pipeline import dvcfiles, hardware
from ffrepro.pipeline.refresh import out_of_date, refresh
from ffrepro.pipeline.workspace import open_workspace

BPTT = "plan/smoke/cpu/rnn_mcyt_corrected/bptt/seed0.json"


def test_refresh_writes_once_and_then_nothing(project):
    changed = refresh(open_workspace(project))
    assert len([path for path in changed if path.startswith("plan/")]) == 21
    assert "dvc.yaml" in changed and "workflow/dvc/theta_mcyt/dvc.yaml" in changed
    assert read_json(project / BPTT) == open_workspace(project).plans[8]
    assert refresh(open_workspace(project)) == []
    assert out_of_date(open_workspace(project)) == []


def test_one_edit_writes_only_the_plans_it_touches(project, edit):
    refresh(open_workspace(project))
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    stale = out_of_date(open_workspace(project))
    assert sorted(stale) == sorted(refresh(open_workspace(project)))
    assert len(stale) == 9  # 2 data sets x 2 treatments x 2 seeds of bptt, and the bench; no dvc.yaml
    assert all("/bptt/" in path or "/bench_dollar" in path for path in stale)


def test_an_edit_of_notes_keeps_the_time_stamp_and_so_retrains_nothing(project, edit):
    refresh(open_workspace(project))
    os.utime(project / BPTT, ns=(10**18, 10**18))
    edit('1.0, source: "released code"', '1.0, source: "released code, line 3"')
    assert BPTT in refresh(open_workspace(project))
    assert (project / BPTT).stat().st_mtime_ns == 10**18
    assert "released code, line 3" in (project / BPTT).read_text()
    edit("clip_norm: {value: 1.0", "clip_norm: {value: 2.0")
    refresh(open_workspace(project))
    assert (project / BPTT).stat().st_mtime_ns > 10**18


def test_a_changed_line_of_code_changes_the_plans_that_use_it(project, edit):
    refresh(open_workspace(project))
    edit("pass", "x = 1", file="src/ffrepro/methods/backprop_rnn.py")
    assert len(out_of_date(open_workspace(project))) == 9


def test_removed_seeds_leave_no_plan_files(project, edit):
    refresh(open_workspace(project))
    edit("source: standin, seeds: 2", "source: standin, seeds: 1")
    removed = [path for path in out_of_date(open_workspace(project)) if path.endswith("seed1.json")]
    assert len(removed) == 10
    refresh(open_workspace(project))
    assert not list((project / "plan").rglob("seed1.json"))
    assert out_of_date(open_workspace(project)) == []


def test_another_scale_leaves_dvc_yaml_alone(project):
    refresh(open_workspace(project))
    before = (project / "dvc.yaml").read_text()
    changed = refresh(open_workspace(project, "lite"))
    assert changed and all(path.startswith("plan/lite/cpu/") for path in changed)
    assert (project / "dvc.yaml").read_text() == before


def test_hardware_that_is_not_here_is_planned_but_gets_no_job(project, edit):
    edit("hardware: [cpu]", "hardware: [cpu, h200]")
    workspace = open_workspace(project)
    assert workspace.absent == {"h200"} and len(workspace.plans) == 42 and len(workspace.runnable) == 21
    assert not [job.name for job in workspace.jobs if "h200" in job.name]
    refresh(workspace)
    assert (project / "plan/smoke/h200/rnn_mcyt_corrected/bptt/seed0.json").is_file()
    assert not [text for text in dvcfiles.generate(workspace).values() if "runs/smoke/h200" in text]


def test_records_imported_for_absent_hardware_are_read_by_the_reports(project, edit, finish):
    edit("hardware: [cpu]", "hardware: [cpu, h200]")
    plan = next(plan for plan in open_workspace(project).plans if plan["hardware"] == "h200")
    finish(plan)
    jobs = {job.name: job for job in open_workspace(project).jobs}
    assert f"runs/{plan['run']}/result.json" in jobs["report/smoke"].inputs
    assert f"runs/{plan['run']}/result.json" in jobs["table/smoke/paper_a/table1"].inputs
    assert f"train/{plan['run']}" not in jobs


def test_auto_and_assumed_hardware(project, edit, monkeypatch):
    edit("hardware: [cpu]", "hardware: [auto]")
    assert open_workspace(project).hardware == ["cpu"]
    assert open_workspace(project, wanted=["h200"], assume_hardware=True).absent == frozenset()
    monkeypatch.setattr(hardware, "this_machine", lambda: hardware.Machine("x", ("NVIDIA H200",)))
    assert open_workspace(project).hardware == ["h200"]
    assert open_workspace(project).gpu_jobs == 3


@pytest.fixture
def documents(project):
    """Every dvc.yaml, parsed, by its path."""
    return {path: yaml.safe_load(text) for path, text in dvcfiles.generate(open_workspace(project)).items()}


def test_dvc_yaml_in_groups(documents):
    assert list(documents) == [
        "dvc.yaml",
        "workflow/dvc/rnn_dollar/dvc.yaml",
        "workflow/dvc/rnn_mcyt/dvc.yaml",
        "workflow/dvc/theta_mcyt/dvc.yaml",
        "workflow/dvc/bench/dvc.yaml",
    ]


def test_the_stages_of_the_whole_project(documents):
    root = documents["dvc.yaml"]["stages"]
    assert list(root) == [
        "plan", "fetch-trajectories", "prepare-dollar", "prepare-mcyt",
        "paper_a-table1", "paper_a-table2", "report", "check", "track",
    ]  # fmt: skip
    assert root["plan"] == {
        "cmd": "ffrepro plan --write --scale smoke --hardware cpu",
        "deps": [
            "params.yaml",
            *(f"workflow/schemas/{name}.schema.yaml" for name in ("params", "study")),
            *(f"src/ffrepro/{name}" for name in ("base", "core", "data", "methods", "nets", "training")),
            "src/ffrepro/studies/paper_a/study.yaml",
        ],
        "outs": [{"plan/smoke/cpu": {"persist": True}}],
    }
    assert root["report"]["metrics"] == ["reports/smoke/metrics.json"]


def test_the_stage_of_a_training(documents):
    stage = documents["workflow/dvc/theta_mcyt/dvc.yaml"]["stages"]["cpu-theta_mcyt_corrected-ff_std_theta0_5-seed1"]
    run = "smoke/cpu/theta_mcyt_corrected/ff_std_theta0.5/seed1"
    ((path, keys),) = stage.pop("params")[0].items()
    assert path == f"plan/{run}.json"
    assert {"code", "data", "method", "net", "training"} < set(keys) and not {"origin", "tags"} & set(keys)
    assert stage == {
        "cmd": f"ffrepro train plan/{run}.json",
        "wdir": "../../..",
        "deps": ["data/prepared/standin/mcyt.npz", "data/prepared/standin/mcyt.json"],
        "outs": [f"runs/{run}/{name}" for name in ("run.json", "metrics.jsonl", "result.json", "arrays.npz")],
    }


def test_groups_that_are_gone_lose_their_dvc_yaml(project, edit):
    refresh(open_workspace(project))
    (project / "workflow/dvc/theta_mcyt/dvc.lock").write_text("schema: '2.0'\n")
    edit("    datasets: [mcyt]\n", "    datasets: [dollar]\n")
    assert "workflow/dvc/theta_mcyt/dvc.yaml" in out_of_date(open_workspace(project))
    refresh(open_workspace(project))
    assert not list((project / "workflow/dvc/theta_mcyt").iterdir())
    assert (project / "workflow/dvc/theta_dollar/dvc.yaml").is_file()


def test_two_jobs_never_share_a_stage(project):
    workspace = open_workspace(project)
    # A dash instead of the slash: another run, but the same name once slashes have become dashes.
    workspace.plans.append(workspace.plans[0] | {"run": workspace.plans[0]["run"].replace("/bptt/", "-bptt/")})
    with pytest.raises(FfreproError, match="stage cpu-rnn_dollar_corrected-bptt-seed0"):
        dvcfiles.generate(workspace)
