"""A small project folder to interrupt commands in, and what must be the same after them."""

import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
from helpers import movements
from helpers.method_cases import BP, FF
from helpers.plans import make_baseline_plan, make_plan

from ffrepro.base.files import write_json
from ffrepro.claims import load
from ffrepro.data import trajectory_set
from ffrepro.pipeline import params

LONG = os.environ.get("FFREPRO_CAMPAIGN") == "long"
SEED = 14
SET = "data/prepared/standin/dollar.npz"
# Of a record, what another run of the same plan may say differently.
_OF_ITS_TIME = {"seconds", "time", "memory", "started", "finished", "fetched", "threads", "versions", "git"}
PLANS = {
    "train": make_plan("ff_rnn", FF, max_epochs=3, batch_size=12),
    "sklearn_baseline": make_baseline_plan({"name": "logreg", "inverse_penalty": 1.0, "iterations": 50}),
    "bench": make_plan("ff_rnn", FF, max_epochs=1)
    | {
        "kind": "bench",
        "run": "smoke/cpu/bench_dollar/interleaved/seed0",
        "experiment": "bench_dollar",
        "variant": "interleaved",
        "protocol": {"treatment": "corrected"},
    },
}
for _part in ("net", "method", "training"):
    del PLANS["bench"][_part]
for _plan in PLANS.values():
    _plan["data"]["split"] = [0.6, 0.2, 0.2]
PLANS["train"]["net"] |= {"hidden": 4, "layers": 2}
PLANS["bench"] |= {
    "bench": {"name": "rnn", "hidden": 4, "layers": 2, "bench_batch": 8, "bench_rounds": 3},
    "variants": {
        "bptt": {
            "net": {"name": "rnn", "init": "torch_default", "hidden": 4, "layers": 2},
            "method": {"name": "backprop_rnn", **BP},
        },
        **{
            f"ff_{short}": {
                "net": {"name": "rnn", "init": "xavier_normal", "hidden": 4, "layers": 2},
                "method": {"name": "ff_rnn", **FF, "norm": norm},
            }
            for short, norm in (("rms", "rms"), ("std", "standardize"))
        },
    },
}


def make_project(folder, samples=36):
    """A prepared set of a few movements, half of them synthetic, and a plan file of each kind."""
    recordings = [movements.recording(number, 40) for number in range(samples // 2)]
    recordings += [(x + 1, y, t) for x, y, t in recordings]
    subjects = [number % 6 for number in range(samples // 2)] * 2
    trajectory_set.save(movements.make_set(recordings, subjects, samples // 2), folder / SET)
    for kind, plan in PLANS.items():
        write_json(folder / f"{kind}.json", plan)
    (folder / load.SCHEMA).parent.mkdir(parents=True)
    for name in (load.SCHEMA, params.PARAMS, params.SCHEMA):
        shutil.copy(Path(__file__).parents[2] / name, folder / name)
    return folder


def some(trials, most):
    """So many of the trials, seeded; all of them in a long campaign."""
    return trials if LONG or len(trials) <= most else sorted(random.Random(SEED).sample(trials, most))


def view(folder):
    """Path -> what counts of its content, of all files with final names."""
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.as_posix(): _content(folder / path) for path in paths if not any(p.startswith(".") for p in path.parts)
    }


def copy(world, folder):
    """A fresh copy of a project folder."""
    shutil.rmtree(folder, ignore_errors=True)
    return shutil.copytree(world, folder, symlinks=True)


def _content(path):
    if path.suffix == ".json":
        return _lasting(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_lasting(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}
    return path.read_bytes()


def _lasting(value):
    if isinstance(value, dict):
        value = {key: entry for key, entry in value.items() if key not in _OF_ITS_TIME}
        if "rows" in value and "bench" in value:  # all of a bench's numbers are times and memory
            value["rows"], value["baseline"] = [row["name"] for row in value["rows"]], None
        return {key: _lasting(entry) for key, entry in value.items()}
    return [_lasting(entry) for entry in value] if isinstance(value, list) else value
