"""Searches: every combination at most once, resumable after a kill with the same trials, the test split never read."""

import copy
import itertools
import json

import pytest
from helpers.method_cases import BP_IMAGES
from helpers.plans import IMAGES, make_image_plan

from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.plans import result_hash
from ffrepro.base.searches import best_of, points
from ffrepro.cli.main import main
from ffrepro.data.images_task import Task
from ffrepro.training import loop, plan_check, record_check, search
from ffrepro.training.parts import Place
from ffrepro.training.record import Record

SPACE = {"training.lr": [1e-4, 1e-3, 1e-2], "method.weight_decay": [0.0, 1e-4]}


def make_search(trials=4, space=SPACE, seed=0, sampler="tpe", **training):
    """A search of a small net on 100 stand-in images; searched settings stand in it with their first values."""
    plan = make_image_plan("backprop", {**BP_IMAGES}, seed=seed, max_epochs=1, final_weights="best", **training)
    plan |= {"kind": "search", "experiment": "search_mnist_as_published", "data": IMAGES | {"train_samples": 100}}
    plan["run"] = f"smoke/cpu/search_mnist_as_published/backprop/seed{seed}"
    plan["search"] = {"trials": trials, "sampler": sampler, "space": space}
    return search._with(plan, {name: values[0] for name, values in space.items()})


def without_times(trials):
    return [{name: value for name, value in trial.items() if name != "seconds"} for trial in trials]


@pytest.fixture
def silent(capfd):
    yield
    capfd.readouterr()


@pytest.fixture(scope="module")
def whole(prepared, tmp_path_factory):
    """The place, plan, result and files of a search that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    place = Place(folder, folder / "runs", prepared)
    plan = plan_check.check(make_search(), "plan.json")
    return place, plan, search.run(plan, place), record_check.read(place.runs / plan["run"])


def test_a_trial_is_the_run_with_its_values(whole):
    place, plan, result, _ = whole
    assert [trial["number"] for trial in result["trials"]] == [0, 1, 2, 3]
    tried = [tuple(trial["values"].values()) for trial in result["trials"]]
    assert len(set(tried)) == 4 and set(tried) <= set(itertools.product(*SPACE.values()))
    trial = result["trials"][2]
    alone = make_image_plan("backprop", {**BP_IMAGES}, max_epochs=1, final_weights="best")
    alone |= {"data": plan["data"]}
    alone = search._with(alone, trial["values"])
    assert loop.run(alone, place, force=True)["metrics"]["val/loss"] == trial["value"]
    values = [trial["value"] for trial in result["trials"]]
    assert result["watch"] == ["loss", "min"] and result["best"] == values.index(min(values))
    assert result["metrics"] == {"val/loss": min(values)}


def test_the_record_is_whole_and_accepted(whole):
    place, plan, result, entry = whole
    assert sorted(entry) == ["result.json", "run.json"] and json.loads(entry["result.json"]) == result
    record_check.check(entry, plan["run"])
    about = json.loads(entry["run.json"])
    assert set(about["data"]["counts"]) == {"train", "val"}
    assert about["versions"]["optuna"] and Record(place.runs / plan["run"], plan).finished() == result


def test_a_search_that_is_killed_ends_with_the_same_trials(whole, place, tmp_path, monkeypatch, silent):
    _, plan, result, _ = whole
    own = type(place)(tmp_path, tmp_path / "runs", place.prepared)
    train, calls = search._train, []

    def killed(tried, task, start):
        calls.append(1)
        if len(calls) in (2, 4):  # within the second trial, and within the third
            raise KeyboardInterrupt
        return train(tried, task, start)

    monkeypatch.setattr(search, "_train", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            search.run(plan, own)
    assert without_times(search.run(plan, own)["trials"]) == without_times(result["trials"])
    assert len(calls) == 6
    assert [path.name for path in (own.runs / plan["run"]).iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_as_many_trials_as_combinations_try_each_once(place, monkeypatch, sampler, silent):
    """More trials than there are combinations: a full grid. Values without an order are allowed."""
    space = SPACE | {"net.init": ["torch_default", "kaiming_normal"]}
    plan = make_search(trials=50, space=space, seed=7, sampler=sampler)
    outcome = {"state": "complete", "value": 1.0, "epochs": 1, "best_epoch": 1, "max_epochs": 1}
    monkeypatch.setattr(search, "_train", lambda *_: outcome | {"stopped_by": "max_epochs", "seconds": 0.0})
    tried = [trial["values"] for trial in search.run(plan, place)["trials"]]
    assert sorted(tried, key=str) == sorted(points(space), key=str) and len(tried) == 12


def test_the_test_split_is_never_read(place, monkeypatch, silent):
    asked = set()
    in_order = Task.in_order
    monkeypatch.setattr(Task, "in_order", lambda self, name: asked.add(name) or in_order(self, name))
    search.run(make_search(trials=2, seed=1), place)
    assert asked == {"val"}


def test_diverged_trials_are_no_best_ones(place, monkeypatch, silent):
    train = search._train

    def diverging(plan, task, start):
        if plan["training"]["lr"] > 1e-4:
            monkeypatch.setattr(task, "weight", lambda batch: float("nan"))
        return train(plan, task, start)

    monkeypatch.setattr(search, "_train", diverging)
    plan = make_search(trials=6, seed=2)
    result = search.run(plan, place)
    states = {trial["values"]["training.lr"]: (trial["state"], trial["value"] is None) for trial in result["trials"]}
    assert states == {1e-4: ("complete", False), 1e-3: ("diverged", True), 1e-2: ("diverged", True)}
    assert result["trials"][result["best"]]["values"]["training.lr"] == 1e-4
    record_check.check(record_check.read(place.runs / plan["run"]), plan["run"])
    with pytest.raises(FfreproError, match="none of 2 trials"):
        search.run(make_search(trials=2, seed=2, space={"training.lr": [1e-3, 1e-2]}), place)


def test_best_is_the_first_of_the_best():
    trials = [{"state": "diverged", "value": None}, *({"state": "complete", "value": v} for v in (2.0, 1.0, 1.0, 3.0))]
    assert best_of(trials, "min") is trials[2] and best_of(trials, "max") is trials[4]
    assert best_of(trials[:1], "min") is None


LIES = {
    "a value": lambda plan, result: result["trials"][0].update(value=0.0),
    "the best": lambda plan, result: result.update(best=(result["best"] + 1) % 4),
    "a trial less": lambda plan, result: result["trials"].pop(),
    "a trial twice": lambda plan, result: result["trials"].__setitem__(1, result["trials"][0] | {"number": 1}),
    "of another space": lambda plan, result: result["trials"][0]["values"].update({"training.lr": 0.5}),
    "a test metric": lambda plan, result: result["metrics"].update({"test/accuracy": 0.9}),
    "time": lambda plan, result: result["time"].update(train_s=0.0),
    "too many epochs": lambda plan, result: result["trials"][0].update(epochs=5),
    "an end": lambda plan, result: result["trials"][0].update(stopped_by="early_stopping"),
    "a state": lambda plan, result: result["trials"][0].update(state="pruned"),
    "no finite value": lambda plan, result: result["trials"][0].update(value=None),
    "a number as text": lambda plan, result: result["trials"][0].update(seconds="1"),
    "trials of no list": lambda plan, result: result.update(trials={}),
    "fewer planned": lambda plan, result: plan["search"].update(trials=3),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_record_that_contradicts_itself_is_refused(whole, lie):
    _, plan, _, entry = whole
    about, result = (json.loads(entry[name]) for name in ("run.json", "result.json"))
    LIES[lie](about["plan"], result)
    about["plan_sha256"] = result_hash(about["plan"])
    changed = {"run.json": json.dumps(about).encode(), "result.json": json.dumps(result).encode()}
    with pytest.raises(DataFileError):
        record_check.check(changed, plan["run"])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"trials": 0}, "search.trials"),
        ({"sampler": "grid"}, "search.sampler"),
        ({"space": {}}, "search.space"),
        ({"space": {"training.lrr": [1.0]}}, "search.space"),
        ({"space": {"training.lr": []}}, "search.space.training.lr"),
        ({"space": {"training.lr": [-1.0]}}, "search.space.training.lr"),
        ({"space": [1]}, "search.space"),
        ({"trails": 3}, "search"),
    ],
)
def test_a_plan_with_another_space_is_refused(change, place):
    plan = copy.deepcopy(make_search())
    plan["search"] |= change
    with pytest.raises(FfreproError) as caught:
        plan_check.check(plan, "plan.json")
    assert place in str(caught.value.where) and caught.value.fix


def test_the_command_prints_the_best_values(whole, tmp_path, capsys):
    place, plan, result, _ = whole
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    assert main(["search", str(path), "--runs", str(place.runs), "--prepared", str(place.prepared)]) == 0
    best = result["trials"][result["best"]]
    assert f"method.weight_decay {best['values']['method.weight_decay']}, val loss" in capsys.readouterr().out
    assert main(["train", str(path)]) == 1 and "ffrepro search" in capsys.readouterr().err
