"""Committed evidence: the records of this repository pass, and each kind of bad record is refused."""

import json

import pytest
import torch
from helpers.method_cases import FF_IMAGES
from helpers.plans import make_image_plan

from ffrepro.base import words
from ffrepro.base.files import sha256_file, write_json
from ffrepro.base.plans import result_hash
from ffrepro.claims import older_records, reference
from ffrepro.claims.records import Store
from ffrepro.methods import ff
from ffrepro.nets import build
from ffrepro.pipeline.workspace import open_workspace


def test_the_committed_records_of_this_repository(project_root):
    """Every record under reports/reference has real data, its declared epochs and backpropagation beside it."""
    index_path = project_root / reference.FOLDER / reference.INDEX
    records = list((project_root / reference.FOLDER).rglob("result.json"))
    assert index_path.is_file() or not records, "records without an index"
    assert reference.problems(project_root) == {}
    assert len(reference.index(project_root)) == len(records)


def test_every_committed_record_serves_the_report(project_root):
    """None is left out: params.yaml still declares each, with the settings that it was made with."""
    plans = []
    for scale in ("lite", "paper"):
        plans += open_workspace(project_root, scale).plans
    store = Store(project_root, plans)
    assert store.left_out == []
    served = {name for run, record in store.records.items() for name in (run, *words.older_runs(record.plan))}
    assert set(reference.index(project_root)) <= served


@pytest.mark.parametrize(
    ("variant", "least", "most"), [("bptt", 0.998, 0.998), ("ff_rms", 0.82, 0.84), ("ff_std", 0.82, 0.84)]
)
def test_as_published_is_near_the_released_code_at_equal_epochs(project_root, variant, least, most):
    """AUC on $1 after 15 epochs: what the released code gives, against the mean of our five seeds."""
    runs = project_root / reference.FOLDER / "paper/cpu/rnn_dollar_as_published" / variant
    lines = [line for path in runs.glob("seed*/metrics.jsonl") for line in path.read_text().splitlines()]
    found = [epoch["val/auc"] for epoch in map(json.loads, lines) if epoch["epoch"] == 15]
    assert len(found) == 5
    assert least - 0.03 <= sum(found) / len(found) <= most + 0.03


@pytest.fixture
def committed(world):
    """One seed of everything on one data set, committed; the theta sweep's twin is the main experiment's BPTT."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"])
    chosen = [
        plan
        for plan in world.plans
        if plan["seed"] == 0 and plan["experiment"] != "bench_published_dollar_as_published"
    ]
    world.commit_records(chosen, epochs=40)
    assert reference.problems(world.root) == {}
    return world


def tamper(world, run, file, change, *, index=True):
    """Change a committed file, and the index with it unless told not to."""
    folder = world.root / reference.FOLDER
    path = folder / run / file
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)
    if index:
        hashes = json.loads((folder / reference.INDEX).read_text())
        hashes[run][file] = sha256_file(path)
        write_json(folder / reference.INDEX, hashes)


FF = "lite/cpu/rnn_mcyt_corrected/ff_std/seed0"
BPTT = "lite/cpu/rnn_mcyt_corrected/bptt/seed0"
BENCH = "lite/cpu/bench_mcyt_corrected/interleaved/seed0"


def _standin(about):
    about["data"]["source"] = "standin"


def _no_fingerprint(about):
    about["data"]["fingerprint"] = None


def _short_fingerprint(about):
    about["data"]["fingerprint"] = "71faa0adfc31"


def _dirty(about):
    about["git"]["dirty"] = True


def _unknown_checkout(about):
    about["git"]["dirty"] = None


def _edited_plan(about):
    about["plan"]["method"]["theta"] = 6.0


def _renamed(about):
    about["run"] = BPTT


def _stopped_early(result):
    result.update(stopped_by="max_epochs")


def _other_limit(result):
    result.update(max_epochs=10)


def _epochs_missing(result):
    result.update(epochs=41)


def _no_baseline(result):
    result["baseline"] = "BPTT, single-tensor Adam"


@pytest.mark.parametrize(
    ("run", "file", "change", "message"),
    [
        (FF, "run.json", _standin, "its data are standin, not upstream"),
        (FF, "run.json", _no_fingerprint, "no full fingerprint"),
        (FF, "run.json", _short_fingerprint, "no full fingerprint"),
        (FF, "run.json", _dirty, "a checkout with uncommitted changes"),
        (BENCH, "run.json", _unknown_checkout, "a checkout of unknown state"),
        (FF, "run.json", _edited_plan, "its plan was changed after the run"),
        (FF, "run.json", _renamed, "calls itself by another name"),
        (FF, "result.json", _stopped_early, "ended after 40 of 60 epochs"),
        (FF, "result.json", _other_limit, "limit of 10 epochs"),
        (FF, "result.json", _epochs_missing, "metrics.jsonl has 40 epochs, the result 41"),
        (BENCH, "result.json", _no_baseline, "baseline is not among its rows"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_bad_record_is_refused(committed, run, file, change, message):
    tamper(committed, run, file, change)
    found = reference.problems(committed.root)
    assert list(found) == [run]
    assert message in "; ".join(found[run])


def test_a_changed_or_missing_file_is_refused(committed):
    tamper(committed, FF, "result.json", _epochs_missing, index=False)
    (committed.root / reference.FOLDER / BPTT / "arrays.npz").unlink()
    found = reference.problems(committed.root)
    assert found[FF] == ["result.json: not what the index lists"]
    assert found[BPTT] == ["arrays.npz: not what the index lists"]


def test_a_record_outside_the_index_is_refused(committed):
    plan = committed.find("rnn_mcyt_corrected", "ff_rms")[1]
    committed.record(plan, folder=reference.FOLDER)
    assert reference.problems(committed.root) == {plan["run"]: ["not in reports/reference/index.json"]}


def test_a_record_without_backpropagation_beside_it_is_refused(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    ff, bptt = world.find("rnn_mcyt_corrected", "ff_std"), world.find("rnn_mcyt_corrected", "bptt")
    world.commit_records([ff[0], ff[1], bptt[1]], epochs=40)
    found = reference.problems(world.root)
    assert list(found) == [ff[0]["run"]]
    assert "no backpropagation run" in found[ff[0]["run"]][0]
    world.commit_records([bptt[0]], epochs=40)
    assert reference.problems(world.root) == {}


def test_a_bad_twin_is_no_twin(committed):
    tamper(committed, BPTT, "run.json", _standin)
    found = reference.problems(committed.root)
    assert BPTT in found and "no backpropagation run" in "; ".join(found[FF])


def test_runs_that_used_their_last_declared_epoch_pass(world):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    world.commit_records([p for p in world.plans if p["seed"] == 0])
    assert reference.problems(world.root) == {}


def test_an_empty_reference_is_fine(world):
    assert reference.problems(world.root) == {} and reference.index(world.root) == {}


def test_the_hash_of_a_plan_ignores_notes_alone(world):
    plan = world.train_plan("rnn", "mcyt", "corrected", "ff_std", 0, "lite")
    assert result_hash(plan) == result_hash(plan | {"origin": {}, "tags": {}})
    assert result_hash(plan) != result_hash(plan | {"seed": 1})


def test_a_twin_sees_the_same_negatives_and_a_fit_needs_none(world):
    """BPTT on the released negatives is no twin of FF on ours; classifiers have no epochs and no twin."""

    def plan(variant, negatives, kind="train"):
        made = world.train_plan("matched", "dollar", "matched", f"{variant}_negatives{negatives}", 0, "lite")
        made["data"] = {"name": "matched", "negatives": negatives, "control": "none"}
        if kind == "sklearn_baseline":
            made = {key: value for key, value in made.items() if key not in ("net", "method", "training")}
            made |= {"kind": "sklearn_baseline", "protocol": {"treatment": "matched"}, "classifier": {"name": variant}}
        return made

    chosen = [
        plan("bptt", "released"),
        plan("ff_std", "released"),
        plan("ff_std", "close"),
        plan("gbt", "far", "sklearn_baseline"),
    ]
    world.commit_records(chosen, epochs=40)
    ((run, reasons),) = reference.problems(world.root).items()
    assert run == chosen[2]["run"] and reasons[0].startswith("no backpropagation run of the same data")
    world.commit_records([plan("bptt", "close")], epochs=40)
    assert reference.problems(world.root) == {}


@pytest.mark.parametrize(
    ("section", "changed"),
    [
        ("net", {"layers": [500, 500]}),
        ("training", {"max_epochs": 30}),
        ("data", {"train_samples": 10000}),
        ("data", {"augmentation": "crop_flip"}),
        ("data", {"normalisation": "channel"}),
    ],
)
def test_the_twin_of_an_image_classifier_has_its_layers_epochs_and_images(world, section, changed):
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    bptt, plan = (world.find("rnn_mcyt_corrected", variant)[0] for variant in ("bptt", "ff_std"))
    for own in (bptt, plan):
        own["net"], own["method"] = MLP, {"name": "backprop" if own is bptt else "ff"}
    world.commit_records([bptt, plan])
    assert reference.problems(world.root) == {}
    bptt[section] = bptt[section] | changed
    world.commit_records([bptt, plan])
    ((run, reasons),) = reference.problems(world.root).items()
    assert run == plan["run"] and reasons == [
        "no backpropagation run of the same data, treatment, scale, hardware and seed beside it"
        " (and of the same layers, epochs, samples and augmentation)"
    ]


MLP = {"name": "mlp", "layers": [500, 400, 300]}


@pytest.mark.parametrize(
    ("layers", "method", "expected"),
    [
        (3, {}, [("train", 12)]),
        (3, {"update": "simultaneous", "head": "concurrent", "head_epochs": 5}, [("train", 12)]),
        (3, {"update": "simultaneous", "head": "after", "head_epochs": 5}, [("train", 12), ("head", 5)]),
        (3, {"update": "greedy", "head": "concurrent", "head_epochs": 5}, [(f"layer{i}", 12) for i in range(3)]),
        (
            4,
            {"update": "greedy", "head": "after", "head_epochs": 5},
            [*((f"layer{i}", 12) for i in range(4)), ("head", 5)],
        ),
    ],
)
def test_phases_of_a_record_from_before_records_had_them(layers, method, expected):
    plan = {"method": {"name": "ff", **method}, "training": {"max_epochs": 12}}
    metrics = {f"{split}/accuracy_layer{layer}": 0.5 for split in ("val", "test") for layer in range(layers)}
    found = older_records.phases(plan, {"stopped_by": "max_epochs", "metrics": metrics})
    assert [(phase["name"], phase["max_epochs"]) for phase in found] == expected


def test_older_records_phases_are_those_of_the_method():
    """They are read off the plan, the trainer asks the method: both must say the same."""
    example = {"x": torch.zeros(2, 1, 28, 28), "label": torch.zeros(2, dtype=torch.int64)}
    for update in ("greedy", "simultaneous"):
        for head in ("after", "concurrent"):
            plan = make_image_plan("ff", FF_IMAGES | {"update": update, "head": head, "head_epochs": 3})
            net = build(plan["net"], (1, 28, 28), 10, torch.Generator())
            hyperparameters = {key: value for key, value in plan["method"].items() if key != "name"}
            method = ff.Method(net, hyperparameters, example, torch.Generator(), 1e-3)
            limit = plan["training"]["max_epochs"]
            metrics = {f"test/accuracy_layer{layer}": 0.5 for layer in range(method.layers)}
            found = older_records.phases(plan, {"stopped_by": "max_epochs", "metrics": metrics})
            expected = [(phase.name, phase.epochs or limit) for phase in method.phases()]
            assert [(phase["name"], phase["max_epochs"]) for phase in found] == expected


@pytest.fixture
def greedy(world):
    """A committed run of three greedy layers, 60 epochs each, with the head after them for 5; and its twin."""
    world.add_plans("lite", datasets=["mcyt"], treatments=["corrected"], families=["rnn"])
    bptt, plan = (world.find("rnn_mcyt_corrected", variant)[0] for variant in ("bptt", "ff_std"))
    del plan["training"]["early_stop_epochs"]
    plan |= {"net": MLP, "method": {"name": "ff", "update": "greedy", "head": "after", "head_epochs": 5}}
    bptt["net"] = MLP
    world.commit_records([bptt, plan])
    folder = world.root / reference.FOLDER / FF

    def commit(ran, **result):
        """Let the run have gone through (phase, epochs)."""
        names = [name for name, epochs in ran for _ in range(epochs)]
        lines = [json.dumps({"epoch": n, "phase": name, "seconds": 0.5}) for n, name in enumerate(names, start=1)]
        (folder / "metrics.jsonl").write_text("".join(line + "\n" for line in lines))
        about = {"epochs": len(names), "best_epoch": len(names), "max_epochs": 185, "stopped_by": "max_epochs"} | result
        about["time"] = dict.fromkeys(("epoch_s_median", "epoch_s_mean", "evaluate_s"), 0.5)
        about["time"]["train_s"] = 0.5 * len(names)
        layers = {f"test/accuracy_layer{layer}": 0.5 for layer in range(3)}
        tamper(world, FF, "result.json", lambda found: found.update(about, metrics=layers))
        hashes = json.loads((world.root / reference.FOLDER / reference.INDEX).read_text())
        hashes[FF]["metrics.jsonl"] = sha256_file(folder / "metrics.jsonl")
        write_json(world.root / reference.FOLDER / reference.INDEX, hashes)
        return "; ".join(reference.problems(world.root).get(FF, []))

    return commit


ALL = [("layer0", 60), ("layer1", 60), ("layer2", 60), ("head", 5)]


def test_a_run_of_several_phases(greedy):
    assert greedy(ALL) == ""
    assert greedy(ALL[:3]) == "its phases are layer0, layer1, layer2, its plan declares layer0, layer1, layer2, head"
    assert "its phases are layer1, layer0" in greedy([ALL[1], ALL[0], *ALL[2:]])
    assert greedy([("layer0", 50), *ALL[1:]]) == "phase layer0 ended after 50 of 60 epochs"
    assert greedy([*ALL[:3], ("head", 4)]) == "phase head ended after 4 of 5 epochs"
    assert greedy([("layer0", 65), ("layer1", 55), *ALL[2:]]).count("phase layer") == 2
    assert greedy(ALL, max_epochs=60) == "it ran under a limit of 60 epochs, its plan declares 185"
    assert greedy(ALL, epochs=184) == "metrics.jsonl has 185 epochs, the result 184"
    assert (
        greedy(ALL, stopped_by="a signal")
        == "it ended after 185 of 185 epochs, by neither early stopping nor the limit"
    )
    assert greedy([("train", 185)]).startswith("its phases are train")


def test_phases_may_stop_early_where_the_plan_says_so(world, greedy):
    assert "phase layer1 ended after 20" in greedy([ALL[0], ("layer1", 20), *ALL[2:]])
    path = world.root / reference.FOLDER / FF / "run.json"
    about = json.loads(path.read_text())
    about["plan"]["training"]["early_stop_epochs"] = 10
    sha = result_hash(about["plan"])
    tamper(world, FF, "run.json", lambda found: found.update(plan=about["plan"], plan_sha256=sha))
    assert greedy([ALL[0], ("layer1", 20), *ALL[2:]]) == ""
    assert greedy([*ALL[:3], ("head", 3)]) == "phase head ended after 3 of 5 epochs"
    assert greedy([*ALL[:3], ("head", 3)], stopped_by="early_stopping") == ""
    assert greedy([("layer0", 61), *ALL[1:]]) == "phase layer0 ended after 61 of 60 epochs"


RECORDED = [{"name": name, "epochs": epochs, "max_epochs": epochs, "stopped_by": "max_epochs"} for name, epochs in ALL]


def test_a_record_names_its_phases_and_layers(greedy):
    """No plan key says `first` and `second`: they are the method's own."""
    own = [RECORDED[0] | {"name": "first"}, RECORDED[1] | {"name": "second"}]
    ran = [("first", 60), ("second", 60)]
    assert greedy(ran, max_epochs=120, phases=own, layers=3) == ""
    assert greedy(ALL, phases=RECORDED, layers=3) == ""


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"layers": 4}, 1),
        ({"layers": 0}, 1),
        ({"phases": RECORDED[:3]}, 2),  # the limit, and metrics.jsonl
        ({"phases": [RECORDED[0] | {"epochs": 59}, *RECORDED[1:]]}, 1),
        ({"phases": [RECORDED[0] | {"stopped_by": "a signal"}, *RECORDED[1:]]}, 1),
        ({"phases": [RECORDED[0] | {"stopped_by": "early_stopping"}, *RECORDED[1:]]}, 1),  # the plan has none
        ({"phases": [*RECORDED[:3], RECORDED[3] | {"stopped_by": "early_stopping"}]}, 2),
        ({"phases": [RECORDED[0] | {"max_epochs": 61}, *RECORDED[1:]]}, 3),
        ({"phases": []}, 3),
    ],
)
def test_a_record_whose_phases_and_layers_do_not_fit(greedy, change, reasons):
    found = greedy(ALL, **({"phases": RECORDED, "layers": 3} | change))
    assert len(found.split("; ")) == reasons, found
