"""Fits, negatives made here, and experiments of which a scale runs a part: in plans, jobs and messages."""

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.data.views import derived, prepared_set
from ffrepro.pipeline import params
from ffrepro.pipeline.digest import CodeDigest
from ffrepro.pipeline.dvcfiles import stage_name
from ffrepro.pipeline.jobs import Job
from ffrepro.pipeline.workspace import open_workspace

EXPERIMENT = """\
  hard:
    kind: sklearn_baseline
    view: matched
    datasets: [dollar, mcyt]
    treatments: [matched]
    variants: [logreg]
    grid: {negatives: [released, far, close]}
    scales:
      smoke: {datasets: [mcyt], grid: {negatives: [released, close]}, seeds: 1}
      lite: {seeds: 10}
  bench:
"""
VARIANT = """\
  logreg:
    classifier: logreg
    label: LR
    set:
      inverse_penalty: {value: 1.0, source: "chosen"}
      negatives: {value: released, source: "chosen"}
groups:
"""
RUN = "smoke/cpu/hard_mcyt_matched/logreg_negativesclose/seed0"


@pytest.fixture
def matched(project, edit):
    """The small project with an experiment of kind sklearn_baseline on matched samples."""
    edit("  bench:\n", EXPERIMENT)
    edit("groups:\n", VARIANT)
    return project


def runs(project, scale):
    return {plan["run"]: plan for plan in open_workspace(project, scale).plans if plan["kind"] == "sklearn_baseline"}


def test_a_scale_runs_the_part_it_names_and_all_of_what_it_does_not(matched):
    assert sorted(runs(matched, "smoke")) == [RUN, RUN.replace("close", "released")]
    lite = runs(matched, "lite")
    assert len(lite) == 2 * 3 * 10
    assert "lite/cpu/hard_dollar_matched/logreg_negativesfar/seed9" in lite


def test_other_experiments_and_their_plans_stay_as_they_are(project, edit):
    before = open_workspace(project).plans
    edit("  bench:\n", EXPERIMENT)
    edit("groups:\n", VARIANT)
    after = [plan for plan in open_workspace(project).plans if plan["kind"] != "sklearn_baseline"]
    assert after == before


def test_the_plan_of_a_fit(matched):
    plan = runs(matched, "smoke")[RUN]
    assert plan.pop("code") != ""
    assert plan == {
        "schema": 2,
        "run": RUN,
        "kind": "sklearn_baseline",
        "paper": "paper_a",
        "experiment": "hard_mcyt_matched",
        "variant": "logreg_negativesclose",
        "seed": 0,
        "scale": "smoke",
        "hardware": "cpu",
        "profile": {"device": "cpu", "precision": "float32", "memory_cap_gb": None},
        "protocol": {"treatment": "matched"},
        "dataset": "mcyt",
        "source": "standin",
        "data": {"name": "matched", "length": 100, "negatives": "close"},
        "classifier": {"name": "logreg", "inverse_penalty": 1.0},
        "origin": {
            "data.length": "paper, Sec. 3.2",
            "data.negatives": "grid of experiment hard",
            "classifier.inverse_penalty": "chosen",
        },
        "tags": {"tables": []},
    }
    assert CodeDigest(matched / "src").roots(plan) == [
        "ffrepro.data.matched_task",
        "ffrepro.training.sklearn_baseline",
    ]


def test_which_prepared_set_a_plan_reads():
    own, made = ({"dataset": "mcyt", "data": {"name": "matched", "negatives": level}} for level in ("released", "far"))
    assert (derived(own), prepared_set(own)) == (None, "mcyt")
    assert (derived(made), prepared_set(made)) == ("far", "mcyt_far")
    assert prepared_set({"dataset": "dollar", "data": {"name": "trajectories"}}) == "dollar"


def test_jobs_of_negatives_and_of_the_runs_that_read_them(matched):
    jobs = {job.name: job for job in open_workspace(matched).jobs}
    sources = [f"src/ffrepro/data/{name}.py" for name in ("__init__", "negatives/__init__", "negatives/planning")]
    data = ("data/prepared/standin/mcyt.npz", "data/prepared/standin/mcyt.json")
    plans = ("data/plans/standin/mcyt.npz", "data/plans/standin/mcyt.json")
    made = ("data/prepared/standin/mcyt_close.npz", "data/prepared/standin/mcyt_close.json")
    assert [name for name in jobs if name.startswith(("plans", "negatives"))] == [
        "plans/standin/mcyt",
        "negatives/standin/mcyt_close",
    ]
    job = jobs["plans/standin/mcyt"]
    assert job.command == "ffrepro kinematics plan mcyt --source standin --workers 2"
    assert job.inputs == (*data, *sources, "src/ffrepro/data/trajectories.py") and job.outputs == plans
    job = jobs["negatives/standin/mcyt_close"]
    assert job.command == "ffrepro negatives mcyt --level close --source standin"
    assert job.inputs[:4] == (*data, *plans) and job.outputs == made
    assert "src/ffrepro/data/negatives/duplicates.py" in job.inputs
    assert jobs[f"sklearn_baseline/{RUN}"] == Job(
        f"sklearn_baseline/{RUN}",
        f"ffrepro baseline plan/{RUN}.json",
        (f"plan/{RUN}.json", *made),
        tuple(f"runs/{RUN}/{name}" for name in ("run.json", "result.json", "arrays.npz")),
    )
    assert jobs[f"sklearn_baseline/{RUN.replace('close', 'released')}"].inputs[1:] == data
    assert plans[1] in jobs["report/smoke"].inputs
    stages = [stage_name(job) for job in jobs.values()]
    assert "plans-mcyt" in stages and "negatives-mcyt_close" in stages
    assert "cpu-hard_mcyt_matched-logreg_negativesclose-seed0" in stages


def test_without_such_runs_nothing_is_extracted(project):
    jobs = open_workspace(project).jobs
    assert not [job.name for job in jobs if job.kind in ("plans", "negatives", "sklearn_baseline")]


@pytest.mark.parametrize(
    ("old", "new", "where", "what", "fix"),
    [
        ("smoke: {datasets", "smok: {datasets", "hard.scales.smok", "unknown scale 'smok'", "'smoke'"),
        ("smoke: {datasets: [mcyt]", "smoke: {datasets: [mcty]", "smoke.datasets[0]", "unknown data set", "'mcyt'"),
        ("smoke: {datasets: [mcyt]", "smoke: {variants: [bptt]", "smoke.variants[0]", "unknown variant", "logreg"),
        ("negatives: [released, close]}", "negatives: [clos]}", "negatives[0]", "unknown negatives", "'close'"),
        ("grid: {negatives: [released, close]}", "grid: {length: [5]}", "grid.length", "unknown grid", "negatives"),
        ("smoke: {datasets", "smoke: {dataset", "hard.scales.smoke.dataset", "unknown key 'dataset'", "'datasets'"),
        ("seeds: 10", "seeds: 0", "scales.lite.seeds", "at least 1; found 0", ""),
        ("variants: [logreg]", "variants: [bptt]", "hard.variants[0]", "variant 'bptt' is trained", "other kind"),
        ("classifier: logreg", "classifier: logrek", "logreg.classifier", "unknown classifier 'logrek'", "'logreg'"),
        ("classifier: logreg", "net: rnn\n    classifier: logreg", "variants.logreg", "or a classifier", ""),
        ("method: ff_rnn\n    net: rnn", "method: ff_rnn", "variants.ff_std", "a learning method with its net", ""),
    ],
)  # fmt: skip
def test_one_mistake_one_message(matched, edit, old, new, where, what, fix):
    edit(old, new)
    with pytest.raises(FfreproError) as caught:
        params.load(matched)
    assert f"{where} (src/ffrepro/studies/paper_a/study.yaml, line " in caught.value.where
    assert what in str(caught.value)
    assert fix in str(caught.value)
