"""Times of runs that no record is of: from records of runs like them, by epochs and samples."""

import json

import pytest

from ffrepro.pipeline.estimates import Estimator
from ffrepro.pipeline.workspace import open_workspace

NET = {"name": "rnn", "hidden": 96}


@pytest.fixture
def lite(project):
    """The small project at scale lite: its estimator, and its plans by run."""
    workspace = open_workspace(project, "lite")
    return Estimator(workspace), {plan["run"].removeprefix("lite/cpu/"): plan for plan in workspace.plans}


def elsewhere(plan, **changes):
    """A plan of another scale (with half the epochs) or experiment."""
    scale = changes.get("scale", plan["scale"])
    other = plan | changes
    other["run"] = f"{scale}/{plan['hardware']}/{other['experiment']}/{other['variant']}/seed{other['seed']}"
    if plan["kind"] == "train":
        other["training"] = plan["training"] | {"max_epochs": 2}
    return other


def test_the_same_variant_at_another_scale_by_epochs(finish, lite):
    estimator, plans = lite
    plan = plans["rnn_mcyt_corrected/bptt/seed0"]
    finish(elsewhere(plan, scale="paper"), seconds=30.0, folder="reports/reference")
    finish(elsewhere(plan, scale="paper", seed=1), seconds=50.0)
    estimate = estimator.of_run(plan)
    assert estimate.seconds == pytest.approx(40.0 / 2 * 200)
    assert estimate.source == "from scale paper, per epoch"


def test_stand_in_data_and_other_hardware_say_nothing(finish, lite):
    estimator, plans = lite
    plan = plans["rnn_mcyt_corrected/bptt/seed0"]
    finish(elsewhere(plan, scale="smoke", source="standin"))
    finish(plan | {"run": plan["run"].replace("cpu", "h200"), "hardware": "h200"})
    finish(plans["rnn_dollar_corrected/bptt/seed0"])
    finish(elsewhere(plan, scale="paper", net=NET | {"hidden": 12}))
    assert estimator.of_run(plan).source == "unknown"


def test_nearest_first_the_run_itself_its_variant_then_its_grid(finish, lite):
    estimator, plans = lite
    plan = plans["theta_mcyt_corrected/ff_std_theta0.5/seed0"]
    finish(plans["rnn_mcyt_corrected/ff_std/seed0"], seconds=10.0)
    assert estimator.of_run(plan).source == "from rnn_mcyt_corrected/ff_std at scale lite, per epoch"
    again = Estimator(estimator.workspace)
    finish(elsewhere(plan, scale="paper"), seconds=20.0)
    assert again.of_run(plan).source == "from scale paper, per epoch"
    last = Estimator(estimator.workspace)
    finish(plan, seconds=30.0)
    assert (last.of_run(plan).seconds, last.of_run(plan).source) == (30.0, "mean of 1 finished")


def test_samples_and_time_steps_count(project, edit, finish, lite):
    _, plans = lite
    plan = plans["rnn_mcyt_as_published/ff_std/seed0"]  # 70 steps; 100 in the other treatment
    finish(elsewhere(plans["rnn_mcyt_corrected/ff_std/seed0"], scale="paper"), seconds=20.0)
    edit("mcyt: {archive: trajectories, ", "mcyt: {train_samples: 3000, archive: trajectories, ")
    estimator = Estimator(open_workspace(project, "lite"))
    estimate = estimator.of_run(plan)
    assert estimate.seconds == pytest.approx(20.0 / 2 * 200 * 0.7)
    assert estimate.source == "from rnn_mcyt_corrected at scale paper, per epoch and sample"
    part = plan | {"data": plan["data"] | {"train_samples": 600}}
    assert estimator.of_run(part).seconds == pytest.approx(20.0 / 2 * 200 * 0.7 * 600 / 3000)


def test_a_part_of_samples_nobody_counted_says_nothing(finish, lite):
    estimator, plans = lite
    plan = plans["rnn_mcyt_corrected/ff_std/seed0"]
    finish(elsewhere(plan, scale="paper", data=plan["data"] | {"train_samples": 600}))
    assert estimator.of_run(plan).seconds is None


def test_phases_are_as_many_as_the_records(finish, lite):
    estimator, plans = lite
    plan = plans["rnn_mcyt_corrected/ff_std/seed0"]
    greedy = plan["method"] | {"update": "greedy", "head": "after", "head_epochs": 1}
    other = elsewhere(plan, scale="paper", method=greedy)
    folder = finish(other, seconds=70.0)
    result = json.loads((folder / "result.json").read_text())  # three layers of two epochs and the head's one
    result |= {"epochs": 7, "best_epoch": 7, "max_epochs": 7}
    result["time"] = {"train_s": 69.0, "epoch_s_median": 69 / 7, "epoch_s_mean": 69 / 7, "evaluate_s": 1.0}
    (folder / "result.json").write_text(json.dumps(result))
    line = json.loads((folder / "metrics.jsonl").read_text().splitlines()[1]) | {"seconds": 69 / 7}
    lines = [line | {"epoch": n, "val/loss": 0.5 + (7 - n) / 10} for n in range(1, 8)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert estimator.of_run(plan).seconds is None  # all layers at once take another time
    mine = plan | {"method": greedy | {"head_epochs": 10}}
    assert estimator.of_run(mine).seconds == pytest.approx(70.0 / 7 * (3 * 200 + 10))


def test_fits_and_benches_are_taken_as_they_are(finish, lite):
    estimator, plans = lite
    bench = plans["bench_dollar_corrected/interleaved/seed0"]
    finish(elsewhere(bench, scale="paper", bench=bench["bench"] | {"bench_rounds": 3}))
    assert estimator.of_run(bench).seconds is None
    again = Estimator(estimator.workspace)
    finish(elsewhere(bench, scale="paper"))
    assert (again.of_run(bench).seconds, again.of_run(bench).source) == (60.0, "from scale paper")
    fit = {key: value for key, value in plans["rnn_mcyt_corrected/bptt/seed0"].items()}
    for key in ("net", "method", "training"):
        del fit[key]
    fit |= {
        "kind": "sklearn_baseline",
        "run": "lite/cpu/control/bptt/seed0",
        "experiment": "control",
        "classifier": {"name": "logreg"},
    }
    finish(elsewhere(fit, scale="paper"))
    last = Estimator(estimator.workspace).of_run(fit)
    assert (last.seconds, last.source) == (10.0, "from scale paper")
