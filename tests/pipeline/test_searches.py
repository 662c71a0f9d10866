"""Searches in the plan, the job list and the study: what is tried, and what is adopted of it."""

import json

import pytest
import yaml
from helpers.small_project import STUDY
from helpers.true_record import FINGERPRINT

from ffrepro.base.errors import FfreproError
from ffrepro.base.plans import result_hash
from ffrepro.cli.main import main
from ffrepro.pipeline import adopt, dvcfiles
from ffrepro.pipeline.jobs import Job
from ffrepro.pipeline.status import Record
from ffrepro.pipeline.workspace import open_workspace
from ffrepro.tracking import entries

RUN = "lite/cpu/search_mcyt_corrected/ff_std/seed0"
EXPERIMENT = """\
  search:
    kind: search
    task: classify
    inference: ensemble
    schedule: constant
    datasets: [mcyt]
    treatments: [corrected]
    variants: [bptt, ff_std]
    space: {lr: [0.001, 0.01, 0.1], theta: [1.0, 2.0]}
    set:
      trials: {value: 4, source: "chosen"}
    scales: {smoke: {space: {lr: [0.01]}}}
settings:
"""
CODE = """\
from ffrepro.base.settings import integer
from ffrepro.training import loop

SETTINGS = {"trials": integer("trainings", minimum=1)}
"""


@pytest.fixture
def searching(project, edit):
    """The small project with a search of its FF net."""
    (project / "src/ffrepro/training/search.py").write_text(CODE)
    edit("settings:\n", EXPERIMENT, STUDY)
    edit("    variants: [bptt, ff_std]\n    space", "    variants: [ff_std]\n    space", STUDY)
    return project


def plan_of(project, run=RUN):
    scale = run.partition("/")[0]
    return next(plan for plan in open_workspace(project, scale).plans if plan["run"] == run)


def leave(project, plan, best=2):
    """The record of a finished search."""
    points = [(0.001, 1.0), (0.01, 1.0), (0.1, 2.0), (0.1, 1.0)]
    trials = [
        {"number": n, "values": {"training.lr": lr, "method.theta": theta}, "state": "complete", "value": abs(n - best)}
        | {"epochs": 2, "best_epoch": 1, "max_epochs": 2, "stopped_by": "max_epochs", "seconds": 1.0}
        for n, (lr, theta) in enumerate(points)
    ]
    data = {"dataset": plan["dataset"], "source": plan["source"], "fingerprint": FINGERPRINT, "provenance": {}}
    about = {"run": plan["run"], "plan": plan, "plan_sha256": result_hash(plan), "versions": {}, "machine": {}}
    about |= {"data": data | {"counts": {"train": 5, "val": 5}}, "git": {"commit": None, "dirty": None}}
    about |= {"started": "2026-01-01T10:00:00+00:00", "finished": "2026-01-01T10:01:00+00:00"}
    result = {"run": plan["run"], "watch": ["loss", "min"], "trials": trials, "best": best}
    result |= {"metrics": {"val/loss": 0.0}, "memory": {"peak_bytes": 1}}
    result |= {"time": {"train_s": 4.0, "evaluate_s": 0.0}}
    folder = project / "runs" / plan["run"]
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("run.json", about), ("result.json", result)):
        (folder / name).write_text(json.dumps(content))
    return folder


def test_a_search_is_one_run_with_its_space_by_part(searching):
    plan = plan_of(searching)
    assert plan["kind"] == "search" and plan["training"]["lr"] == 0.001 and plan["method"]["theta"] == 1.0
    space = {"method.theta": [1.0, 2.0], "training.lr": [0.001, 0.01, 0.1]}
    assert plan["search"] == {"trials": 4, "space": space}
    smoke = [p for p in open_workspace(searching).plans if p["kind"] == "search"]
    assert [p["search"]["space"]["training.lr"] for p in smoke] == [[0.01]] * 2  # a seed each


def test_its_job_is_the_same_in_both_engines(searching):
    workspace = open_workspace(searching)
    run = RUN.replace("lite", "smoke")
    job = next(job for job in workspace.jobs if job.kind == "search")
    data = ("data/prepared/standin/mcyt.npz", "data/prepared/standin/mcyt.json")
    outputs = (f"runs/{run}/run.json", f"runs/{run}/result.json")
    plan = f"plan/{run}.json"
    assert job == Job(f"search/{run}", f"ffrepro search {plan}", (plan, *data), outputs)
    text = dvcfiles.generate(workspace)["workflow/dvc/search_mcyt/dvc.yaml"]
    stage, _ = yaml.safe_load(text)["stages"].values()  # one a seed
    assert stage["cmd"] == job.command and stage["outs"] == list(outputs)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("theta: [1.0, 2.0]}", "theta: [-1.0]}", "space.theta[0]"),
        ("theta: [1.0, 2.0]}", "clip_norm: [1.0]}", "space.clip_norm"),
        ("theta: [1.0, 2.0]}", "thetta: [1.0]}", "space.thetta"),
        ("{lr: [0.01]}", "{lr: [0.5]}", "scales.smoke.space.lr[0]"),
        ("    space: {lr: [0.001, 0.01, 0.1], theta: [1.0, 2.0]}\n", "", "experiments.search.space"),
    ],
)
def test_a_space_that_no_run_can_have_is_refused(searching, edit, old, new, key):
    edit(old, new, STUDY)
    with pytest.raises(FfreproError) as caught:
        open_workspace(searching)
    assert key in str(caught.value.where)


def test_the_best_values_are_adopted_with_the_record_as_their_source(searching, monkeypatch, capsys):
    monkeypatch.chdir(searching)
    study = searching / STUDY
    before, searched = study.read_text(), plan_of(searching)
    leave(searching, searched)
    assert main(["plan", "--adopt", RUN]) == 0
    assert study.read_text().startswith(before)  # nothing else changed
    trained = plan_of(searching, "lite/cpu/rnn_mcyt_corrected/ff_std/seed0")
    assert trained["training"]["lr"] == 0.1 and trained["method"]["theta"] == 2.0
    assert RUN in trained["origin"]["training.lr"]
    for other in ("rnn_dollar_corrected/ff_std", "rnn_mcyt_as_published/ff_std", "rnn_mcyt_corrected/bptt"):
        assert plan_of(searching, f"lite/cpu/{other}/seed0")["training"]["lr"] == 0.001
    assert plan_of(searching)["search"] == searched["search"]  # the search itself stays what it was
    assert result_hash(plan_of(searching)) == result_hash(searched)
    assert adopt.findings(open_workspace(searching)) == []
    leave(searching, searched, best=1)
    once = study.read_text()
    assert (
        main(["plan", "--scale", "lite", "--adopt", "search_mcyt_corrected/ff_std/seed0"]) == 0
        and study.read_text() != once
    )
    assert study.read_text().count("adopted:") == 1 and study.read_text().startswith(before)
    assert plan_of(searching, "lite/cpu/rnn_mcyt_corrected/ff_std/seed0")["training"]["lr"] == 0.01


def test_another_variant_can_take_the_values(searching, edit, monkeypatch, capsys):
    monkeypatch.chdir(searching)
    edit("variants:\n", "variants:\n  ff_tuned: {extends: ff_std, label: tuned, experiments: [rnn]}\n", STUDY)
    leave(searching, plan_of(searching))
    assert main(["plan", "--adopt", RUN, "--into", "ff_tuned"]) == 0
    tuned = plan_of(searching, "lite/cpu/rnn_mcyt_corrected/ff_tuned/seed0")
    assert tuned["training"]["lr"] == 0.1 and tuned["method"]["theta"] == 2.0
    assert plan_of(searching, "lite/cpu/rnn_mcyt_corrected/ff_std/seed0")["training"]["lr"] == 0.001
    assert adopt.findings(open_workspace(searching)) == []
    before = (searching / STUDY).read_text()
    for wrong, said in (("bptt", "bptt"), ("ff_tunde", "ff_tuned")):
        assert main(["plan", "--adopt", RUN, "--into", wrong]) == 1 and said in capsys.readouterr().err
    assert main(["plan", "--into", "ff_tuned"]) == 1 and "--adopt" in capsys.readouterr().err
    assert (searching / STUDY).read_text() == before


def test_adopted_values_are_held_to_their_record(searching, monkeypatch, capsys):
    monkeypatch.chdir(searching)
    folder = leave(searching, plan_of(searching))
    main(["plan", "--adopt", RUN])
    main(["plan", "--write"])
    assert main(["plan", "--check"]) == 0
    study = searching / STUDY
    study.write_text(study.read_text().replace("lr: {value: 0.1,", "lr: {value: 0.01,"))
    (found,) = adopt.findings(open_workspace(searching))
    assert "lr is 0.01, the search found 0.1" in found and RUN in found
    main(["plan", "--write"])
    assert main(["plan", "--check"]) == 1
    (folder / "result.json").unlink()
    (found,) = adopt.findings(open_workspace(searching))
    assert "no finished record" in found


def test_what_cannot_be_adopted_is_refused(searching, edit, monkeypatch, capsys):
    monkeypatch.chdir(searching)
    assert main(["plan", "--adopt", "rnn_mcyt_corrected/ff_std/seed0"]) == 1
    assert "kind train" in capsys.readouterr().err
    assert main(["plan", "--adopt", RUN.replace("lite", "smoke")]) == 1 and "stand-in" in capsys.readouterr().err
    assert main(["plan", "--adopt", RUN]) == 1 and "ffrepro search" in capsys.readouterr().err
    leave(searching, plan_of(searching))
    edit("trials: {value: 4", "trials: {value: 5", STUDY)
    assert main(["plan", "--adopt", RUN]) == 1 and "other settings" in capsys.readouterr().err
    assert "adopted" not in (searching / STUDY).read_text()


def test_its_trials_are_steps_in_mlflow(searching):
    plan = plan_of(searching)
    record = Record(leave(searching, plan))
    found = [(m.name, m.value, m.step) for m in entries.metrics(record) if m.name.startswith("trial/")]
    assert len(found) == 12 and found[:3] == [
        ("trial/value", 2, 0),
        ("trial/training.lr", 0.001, 0),
        ("trial/method.theta", 1.0, 0),
    ]
    assert ("val/loss", 0.0) in [(m.name, m.value) for m in entries.metrics(record)]
    assert entries.settings(plan)["search.trials"] == "4"


def test_the_rest_of_a_study_stays_byte_for_byte():
    entry = {
        "run": "r",
        "variant": "v",
        "dataset": "d",
        "treatment": "t",
        "set": {"lr": {"value": 1e-7, "source": "s"}},
    }
    text = adopt.with_adopted("a: 1 # one\n", [entry])
    assert yaml.safe_load(text)["adopted"] == [entry] and text.startswith("a: 1 # one\nadopted:")
    moved = text.replace("adopted:", "b: 2\nadopted:") + "# end\nc: 3\n"
    assert adopt.with_adopted(moved, []).startswith("a: 1 # one\nb: 2\n# end\nc: 3\nadopted:")
