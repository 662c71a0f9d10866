"""A small project in a temporary folder: its own parameters and (never imported) code, which declares its settings."""

import json
import shutil
from pathlib import Path

import pytest

from ffrepro.base.plans import substance
from ffrepro.pipeline import hardware
from ffrepro.pipeline.jobs import RECORD

REPOSITORY = Path(__file__).parents[2]
MINI = Path(__file__).parent / "mini"
DECLARE = "from ffrepro.base.settings import choice, integer, number\n"
STUDY = "src/ffrepro/studies/paper_a/study.yaml"
CODE = {
    "base/errors.py": "class FfreproError(Exception):\n    pass\n",
    "core/goodness.py": "def goodness(x):\n    return (x * x).sum()\n",
    "data/archives.py": "ARCHIVES = {}\n",
    "data/dollar.py": "from ffrepro.data.trajectories import read\n\nSPEC = read\n",
    "data/mcyt.py": "from ffrepro.data.trajectories import read\n\nSPEC = read\n",
    "data/trajectories.py": "def read():\n    return 1\n",
    "core/schedules.py": 'SETTINGS = {"constant": {}}\n',
    "data/trajectories_task.py": DECLARE
    + 'SETTINGS = {"length": integer("steps", minimum=2)}\n\n\nclass Task:\n    pass\n',
    "data/matched_task.py": DECLARE
    + 'SETTINGS = {\n    "length": integer("steps", minimum=5),\n'
    + '    "negatives": choice("which", "released", "close", "far"),\n}\n\n\nclass Table:\n    pass\n',
    "data/negatives/planning.py": "from ffrepro.data import trajectories\n",
    "data/negatives/duplicates.py": "from ffrepro.data.negatives import planning\n",
    "data/standin.py": "from ffrepro.data import trajectories\n",
    "nets/rnn.py": DECLARE + 'SETTINGS = {"hidden": integer("units", minimum=1)}\n\n\ndef build():\n    return 1\n',
    "methods/backprop_rnn.py": DECLARE
    + 'SETTINGS = {"clip_norm": number("norm", above=0)}\n\n\nclass Method:\n    pass\n',
    "methods/ff_rnn.py": DECLARE
    + "from ..core.goodness import goodness\n\n"
    + 'SETTINGS = {"norm": choice("kind", "rms", "standardize"), "theta": number("threshold", above=0)}\n\n\n'
    + "class Method:\n    use = goodness\n",
    "training/loop.py": DECLARE
    + "from ffrepro.base.errors import FfreproError\n\n"
    + 'SETTINGS = {"max_epochs": integer("epochs", minimum=1), "lr": number("rate", above=0)}\nEPSILON = 1e-5\n',
    "training/classifiers.py": DECLARE + 'SETTINGS = {"logreg": {"inverse_penalty": number("inverse", above=0)}}\n',
    "training/sklearn_baseline.py": "from ffrepro.training import loop\n",
    "training/bench_rnn.py": DECLARE
    + 'from ffrepro.training import loop\n\nSETTINGS = {"bench_rounds": integer("rounds", minimum=3)}\n',
    "claims/load.py": "",
}


@pytest.fixture(autouse=True)
def a_cpu_machine(monkeypatch):
    """The tests' machine has no GPU, whatever they run on."""
    machine = hardware.Machine("Test CPU")
    monkeypatch.setattr(hardware, "this_machine", lambda: machine)


@pytest.fixture
def project(tmp_path):
    """The small project's folder."""
    schemas = tmp_path / "workflow/schemas"
    schemas.mkdir(parents=True)
    shutil.copy(MINI / "params.yaml", tmp_path)
    for name in ("params", "study"):
        shutil.copy(REPOSITORY / f"workflow/schemas/{name}.schema.yaml", schemas)
    (tmp_path / STUDY).parent.mkdir(parents=True)
    shutil.copy(MINI / "study.yaml", tmp_path / STUDY)
    shutil.copy(MINI / "estimates.yaml", tmp_path / "workflow")
    for name, text in CODE.items():
        path = tmp_path / "src/ffrepro" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return tmp_path


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
            "plan_sha256": substance(plan),
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
