"""Two tasks of a stranger: next tokens with perplexity; twenty classes, a schedule a block, stopped by accuracy.

Their data set, view, net and method lie in tests/toys, outside the package, and are found by name as its own are.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.method_cases import FF_IMAGES
from helpers.plans import IMAGES, MLP, make_plan

from ffrepro import data as datasets
from ffrepro import methods, nets
from ffrepro.base import extensions
from ffrepro.base.errors import FfreproError
from ffrepro.cli.main import main
from ffrepro.pipeline.digest import CodeDigest
from ffrepro.training import loop
from ffrepro.training.parts import Place
from ffrepro.training.record import Record
from ffrepro.training.trainer import Trainer

TOYS = Path(__file__).parents[1] / "toys"
FILES = {
    "twenty": {"data/toy_twenty.py", "data/by_accuracy_task.py", "methods/ff_apart.py"},
    "tokens": {"data/toy_letters.py", "data/next_token_task.py", "nets/token_blocks.py", "methods/local_next.py"},
}


@pytest.fixture(scope="module", autouse=True)
def toys():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(extensions.VARIABLE, os.environ.get(extensions.VARIABLE, ""))
        paths = {package: list(package.__path__) for package in (datasets, methods, nets)}
        for name in FILES:
            extensions.add(TOYS / name)
        yield
        for package, path in paths.items():  # other tests list what there is
            package.__path__[:] = path


@pytest.fixture
def place(tmp_path):
    """A place with both prepared sets."""
    for name in ("toy_letters", "toy_twenty"):
        (tmp_path / "prepared/standin").mkdir(parents=True, exist_ok=True)
        datasets.module(name).prepare(tmp_path / f"prepared/standin/{name}.npz")
    return Place(tmp_path, tmp_path / "runs", tmp_path / "prepared")


def tokens_plan(**training):
    return make_plan("local_next", {"weight_decay": 0.0}) | {
        "run": "smoke/cpu/next_toy_letters_as_published/local_next/seed0",
        "experiment": "next_toy_letters_as_published",
        "dataset": "toy_letters",
        "data": {"name": "next_token", "split": [0.6, 0.2, 0.2]},
        "net": {"name": "token_blocks", "widths": [16, 16]},
        "training": {
            "schedule": "cosine", "warmup_epochs": 0, "final_weights": "best", "max_epochs": 8, "batch_size": 16,
            "lr": 0.05, **training,
        },
    }  # fmt: skip


def twenty_plan(**training):
    return make_plan("ff_apart", FF_IMAGES | {"normalise_samples": True}) | {
        "run": "smoke/cpu/apart_toy_twenty_as_published/ff_apart/seed0",
        "experiment": "apart_toy_twenty_as_published",
        "protocol": {"treatment": "as_published", "task": "classify", "inference": "one_pass"},
        "dataset": "toy_twenty",
        "data": IMAGES | {"name": "by_accuracy", "validation": 0.25},
        "net": MLP | {"layers": [60, 40]},
        "training": {
            "schedule": "plateau", "plateau_on": "train", "plateau_epochs": 1, "plateau_factor": 0.5,
            "plateau_threshold": 0.2, "early_stop_epochs": 3, "max_epochs": 30, "batch_size": 32, "lr": 0.01,
            **training,
        },
    }  # fmt: skip


PLANS = {"tokens": tokens_plan, "twenty": twenty_plan}


def lines_of(place, plan):
    return [json.loads(line) for line in (place.runs / plan["run"] / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("toy", FILES)
def test_a_toy_is_these_files_and_no_other(toy):
    found = {path.relative_to(TOYS / toy).as_posix() for path in (TOYS / toy).rglob("*.py")}
    assert found == FILES[toy]
    names = {Path(file).stem for file in found}
    source = Path(loop.__file__).parents[1]
    for path in source.rglob("*.py"):
        words = set(path.read_text().replace('"', " ").replace("`", " ").replace(".", " ").split())
        assert not words & names, f"{path} knows a toy"


def test_next_tokens_by_perplexity(place, capsys):
    plan = tokens_plan()
    result = loop.run(plan, place)
    metrics, lines = result["metrics"], lines_of(place, plan)
    assert result["watch"] == ["perplexity", "min"] and result["shown"] == ["perplexity", "right"]
    assert set(metrics) == {f"{split}/{name}" for split in ("val", "test") for name in ("loss", "perplexity", "right")}
    assert metrics["test/perplexity"] == pytest.approx(np.exp(metrics["test/loss"])) and metrics["test/perplexity"] < 4
    assert metrics["val/perplexity"] == pytest.approx(min(line["val/perplexity"] for line in lines), rel=1e-12)
    with np.load(place.runs / plan["run"] / "arrays.npz") as arrays:
        assert sorted(arrays.files) == ["test_loss", "test_right"]
        assert arrays["test_loss"].shape == (24, 2)
    run = json.loads((place.runs / plan["run"] / "run.json").read_text())
    assert run["data"]["set"] == "toy_letters" and run["data"]["counts"] == {"train": 72, "val": 24, "test": 24}
    assert result["layers"] == 2
    assert result["phases"] == [{"name": "train", "epochs": 8, "max_epochs": 8, "stopped_by": "max_epochs"}]


def test_twenty_classes_with_a_schedule_for_each_block_stopped_by_accuracy(place):
    plan = twenty_plan()
    result, lines = loop.run(plan, place), lines_of(place, plan)
    accuracy = [line["val/accuracy"] for line in lines]
    assert result["stopped_by"] == "early_stopping" and result["epochs"] < 30
    assert result["best_epoch"] == int(np.argmax(accuracy)) + 1 == result["epochs"] - 3
    assert result["metrics"]["val/accuracy"] == max(accuracy) > 0.5  # of twenty
    rates = np.array([[line[name] for name in ("lr", "lr_layer0", "lr_layer1")] for line in lines])
    assert (np.diff(rates, axis=0) <= 0).all() and len({tuple(column) for column in rates.T}) > 1
    assert result["phases"] == [
        {"name": "train", "epochs": result["epochs"], "max_epochs": 30, "stopped_by": "early_stopping"}
    ]


@pytest.mark.parametrize("toy", PLANS)
def test_a_toy_resumes_to_the_same_numbers(place, toy, monkeypatch):
    """Schedules of the method's own are in the checkpoint too."""
    plan = PLANS[toy](max_epochs=6)
    straight = loop.run(plan, place)
    before = [{k: v for k, v in line.items() if k != "seconds"} for line in lines_of(place, plan)]
    epoch = Trainer.run_epoch

    def interrupted(self, phase):
        if self.epoch == 3:
            raise KeyboardInterrupt
        return epoch(self, phase)

    monkeypatch.setattr(loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            loop.run(plan, place, force=True)
    assert Record(place.runs / plan["run"], plan).resume()["epoch"] == 3
    again = loop.run(plan, place, force=True)
    assert again["metrics"] == straight["metrics"] and again["phases"] == straight["phases"]
    assert [{k: v for k, v in line.items() if k != "seconds"} for line in lines_of(place, plan)] == before


def test_a_token_task_through_the_command_line(place, tmp_path, capsys):
    """`ffrepro train` and `ffrepro evaluate` print the metrics that the task has."""
    plan = tokens_plan(max_epochs=2)
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(plan))
    folders = ["--runs", str(place.runs), "--prepared", str(place.prepared)]
    assert main(["train", str(file), "--keep-weights", *folders]) == 0
    said = capsys.readouterr().out
    metrics = json.loads((place.runs / plan["run"] / "result.json").read_text())["metrics"]
    assert f"perplexity {metrics['test/perplexity']:.4f}, right {metrics['test/right']:.4f}, loss" in said
    assert main(["evaluate", str(file), *folders]) == 0
    assert json.loads(capsys.readouterr().out) == {
        name.removeprefix("test/"): value for name, value in metrics.items() if name.startswith("test/")
    }


@pytest.mark.parametrize("toy", PLANS)
def test_the_digest_covers_a_toys_code(toy, tmp_path):
    plan = PLANS[toy]()
    code = CodeDigest(Path(loop.__file__).parents[2])
    modules = {f"ffrepro.{file.removesuffix('.py').replace('/', '.')}" for file in FILES[toy]}
    assert modules - {f"ffrepro.data.{plan['dataset']}"} <= set(code.closure(code.roots(plan)))
    assert len(code.for_plan(plan)) == 64


def test_a_loss_that_is_watched_must_be_measured_and_finite(place, monkeypatch):
    task = datasets.view("next_token").Task
    monkeypatch.setattr(task, "watch", ("perplexty", "min"))
    with pytest.raises(FfreproError, match="perplexty") as error:
        loop.run(tokens_plan(), place)
    assert "Task.watch" in error.value.where
    monkeypatch.setattr(task, "watch", ("right", "max"))
    monkeypatch.setattr(task, "metrics", lambda self, arrays: {"loss": 1.0, "right": float("nan")})
    with pytest.raises(FfreproError, match="val/right is not finite"):
        loop.run(tokens_plan(), place)


def test_a_plateau_on_validation_needs_a_loss_there(place, monkeypatch):
    monkeypatch.setattr(datasets.view("next_token").Task, "metrics", lambda self, arrays: {"perplexity": 1.0})
    plateau = {"schedule": "plateau", "plateau_on": "validation", "plateau_epochs": 1, "plateau_factor": 0.5}
    with pytest.raises(FfreproError) as error:
        loop.run(tokens_plan(**plateau, plateau_threshold=0.0), place)
    assert error.value.where == "training.plateau_on"


def test_a_trainer_without_plan_record_or_validation():
    """What a library needs: a method, batches and settings."""
    import torch

    from ffrepro import methods, nets
    from ffrepro.data.task import Task

    class Batches(Task):
        def counts(self):
            return {"train": 4}

        def size(self, batch):
            return len(batch["token"])

        def epoch(self, generator):
            token = torch.randint(8, (4, 13), generator=generator)
            yield {"token": token[:, :-1], "next": (token[:, :-1] + 1) % 8}

    net = nets.build({"name": "token_blocks", "widths": [16]}, 12, 8, torch.Generator().manual_seed(0))
    method = methods.module("local_next").Method(net, {"weight_decay": 0.0}, None, None, 0.05)
    settings = {"schedule": "multistep", "milestones": [], "gamma": 1.0, "lr": 0.05, "max_epochs": 20}
    lines = []
    trainer = Trainer(method, Batches(), settings, order=torch.Generator().manual_seed(0))
    outcome = trainer.train(lines.append)
    assert outcome["epochs"] == outcome["best_epoch"] == 20 == len(lines)
    assert lines[-1]["train/loss"] < 0.5 * lines[0]["train/loss"]
    assert not any(name.startswith("val/") for name in lines[0])
    assert all(torch.equal(value, trainer.best_weights[name]) for name, value in method.weights().items())


# -- extensions ------------------------------------------------------------------------------------------------------


def test_an_extension_may_not_hide_what_is_there(tmp_path):
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods/ff.py").write_text("")
    with pytest.raises(FfreproError, match="ff") as error:
        extensions.add(tmp_path)
    assert error.value.where == tmp_path / "methods"
    assert tmp_path not in extensions.folders()


def test_a_folder_without_packages_is_no_extension(tmp_path):
    with pytest.raises(FfreproError) as error:
        extensions.add(tmp_path)
    assert error.value.where == tmp_path


def test_another_process_finds_extensions_by_the_environment():
    code = "from ffrepro import data, methods, nets; print('local_next' in methods.names(), "
    code += "'toy_letters' in data.names(), 'token_blocks' in nets.names(), data.view('next_token').Task.watch)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "True True True ('perplexity', 'min')"


def test_an_unknown_view_names_those_there_are():
    with pytest.raises(FfreproError, match="imagse") as error:
        datasets.view("imagse")
    assert "'images'" in error.value.fix and error.value.where == "data.name"
