"""A small project in a temporary folder, and records of runs that it finished."""

import json

import pytest
from helpers import small_project
from helpers.small_project import STUDY

from ffrepro.base.plans import result_hash
from ffrepro.pipeline import hardware
from ffrepro.pipeline.jobs import RECORD


@pytest.fixture(autouse=True)
def a_cpu_machine(monkeypatch):
    """The tests' machine has no GPU, whatever they run on."""
    machine = hardware.Machine("Test CPU")
    monkeypatch.setattr(hardware, "this_machine", lambda: machine)


@pytest.fixture
def project(tmp_path):
    """The small project's folder."""
    return small_project.make(tmp_path)


@pytest.fixture
def edit(project):
    """Replace text in one of the project's files, once and only once: in params.yaml, else the study, or ``file``."""

    def replace(old, new, file=None):
        file = file or ("params.yaml" if old in (project / "params.yaml").read_text() else STUDY)
        path = project / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    return replace


@pytest.fixture
def finish(project):
    """Leave the record of a finished run, as training does."""

    def write(plan, accuracy=0.75, seconds=10.0, folder="runs"):
        target = project / folder / plan["run"]
        target.mkdir(parents=True, exist_ok=True)
        about = {
            "schema": 1,
            "run": plan["run"],
            "plan": plan,
            "plan_sha256": result_hash(plan),
            "data": {"dataset": plan["dataset"], "source": plan["source"], "fingerprint": "f00d"},
            "git": {"commit": "abc", "dirty": False},
            "started": "2026-01-01T10:00:00+00:00",
            "finished": "2026-01-01T10:01:00+00:00",
        }
        result = {"schema": 1, "run": plan["run"]}
        if plan["kind"] == "train":
            result |= {
                "epochs": 2,
                "max_epochs": 2,
                "metrics": {"test/accuracy": accuracy, "val/loss": 0.5},
                "time": {"train_s": seconds - 1, "evaluate_s": 1.0},
                "memory": {"peak_bytes": 900 * 2**20, "how": "resident set"},
            }
        else:
            result |= {"rows": [{"name": "FF-Std", "ms_median": 2.0, "ratio_to_bp": 0.5}]}
        lines = [{"epoch": n, "phase": "train", "seconds": 0.5, "val/accuracy": 0.5 + n / 10} for n in (1, 2)]
        content = {
            "run.json": json.dumps(about),
            "metrics.jsonl": "".join(json.dumps(line) + "\n" for line in lines),
            "arrays.npz": "arrays",
            "result.json": json.dumps(result),
        }
        for name in RECORD[plan["kind"]]:
            (target / name).write_text(content[name])
        return target

    return write
