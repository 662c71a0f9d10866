"""A small project in a folder: its own parameters and (never imported) code, which declares its settings."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
MINI = REPOSITORY / "tests/pipeline/mini"
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
    "training/memory.py": "",
    "training/bench_rnn.py": DECLARE
    + 'from ffrepro.training import loop\n\nSETTINGS = {"bench_rounds": integer("rounds", minimum=3)}\n',
    "claims/load.py": "",
}


def make(folder):
    """Write the project into a folder."""
    schemas = folder / "workflow/schemas"
    schemas.mkdir(parents=True)
    shutil.copy(MINI / "params.yaml", folder)
    for name in ("params", "study"):
        shutil.copy(REPOSITORY / f"workflow/schemas/{name}.schema.yaml", schemas)
    (folder / STUDY).parent.mkdir(parents=True)
    shutil.copy(MINI / "study.yaml", folder / STUDY)
    for name, text in CODE.items():
        path = folder / "src/ffrepro" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return folder
