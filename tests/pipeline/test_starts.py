"""Variants that start from another run's weights, in the plan and in the job list."""

import pytest
import yaml
from helpers.small_project import STUDY

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import dvcfiles
from ffrepro.pipeline.workspace import open_workspace

VARIANT = """\
  tuned:
    extends: ff_std
    label: tuned
    start: {experiment: first, variant: ff_std, frozen: true}
groups:
"""
EXPERIMENTS = """\
  first: {extends: training, datasets: [mcyt], treatments: [corrected], variants: [ff_std], keep_weights: true}
  second: {extends: training, datasets: [mcyt], treatments: [corrected], variants: [tuned]}
settings:
"""
FIRST, SECOND = (f"smoke/cpu/{name}_mcyt_corrected" for name in ("first", "second"))


@pytest.fixture
def starting(project, edit):
    """The small project with an experiment that starts from the weights of another."""
    edit("groups:\n", VARIANT, STUDY)
    edit("settings:\n", EXPERIMENTS, STUDY)
    return project


def test_plans_name_what_is_kept_and_what_they_start_from(starting):
    plans = {plan["run"]: plan for plan in open_workspace(starting).plans}
    first, second = plans[f"{FIRST}/ff_std/seed1"], plans[f"{SECOND}/tuned/seed1"]
    assert first["keep_weights"] is True and "start" not in first
    own = {"experiment": "first_mcyt_corrected", "variant": "ff_std", "frozen": True}
    assert second["start"] == own and "keep_weights" not in second
    others = [plan for run, plan in plans.items() if not run.startswith((FIRST, SECOND))]
    assert not any({"start", "keep_weights"} & plan.keys() for plan in others)


def test_the_weights_are_an_output_of_one_job_and_an_input_of_the_other(starting):
    workspace = open_workspace(starting)
    jobs = {job.name: job for job in workspace.jobs}
    weights = f"runs/{FIRST}/ff_std/seed1/weights.pt"
    assert weights in jobs[f"train/{FIRST}/ff_std/seed1"].outputs
    assert weights in jobs[f"train/{SECOND}/tuned/seed1"].inputs
    assert not any(path.endswith(".pt") for path in jobs[f"train/{SECOND}/tuned/seed1"].outputs)
    files = dvcfiles.generate(workspace)
    stages = {
        name: yaml.safe_load(files[f"workflow/dvc/{name}_mcyt/dvc.yaml"])["stages"] for name in ("first", "second")
    }
    assert weights in [out for stage in stages["first"].values() for out in stage["outs"]]
    assert weights in [dep for stage in stages["second"].values() for dep in stage["deps"]]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("experiment: first,", "experiment: frist,", "start.experiment"),
        ("experiment: first,", "experiment: rnn,", "start.experiment"),
        ("variant: ff_std, frozen", "variant: bptt, frozen", "start.variant"),
        ("frozen: true}\n", "frozen: 1}\n", "start.frozen"),
        ("  second: {extends: training, datasets: [mcyt]", "  second: {extends: training, datasets: [dollar]", "start"),
        ("keep_weights: true}", "keep_weights: true, scales: {lite: {seeds: 1}}}", "start"),
    ],
)
def test_a_start_that_is_not_there_is_refused(starting, edit, old, new, key):
    edit(old, new, STUDY)
    with pytest.raises(FfreproError) as caught:
        open_workspace(starting)
    assert f"tuned.{key}" in str(caught.value.where)
