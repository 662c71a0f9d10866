"""Committed evidence (``reports/reference``): what a record must show before anybody may rest a verdict on it.

A committed record is complete and unchanged (its index has a hash for every file), of real data with a full
fingerprint, ended as its plan declares, and stands beside backpropagation on the same data, seed and machine.
"""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from ffrepro.base.errors import FfreproError
from ffrepro.base.files import read_json, sha256_file
from ffrepro.base.plans import substance
from ffrepro.core import updates
from ffrepro.data import views

FOLDER = "reports/reference"
INDEX = "index.json"
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_NEEDED = {
    "train": {"run.json", "result.json", "metrics.jsonl", "arrays.npz"},
    "fit": {"run.json", "result.json", "arrays.npz"},
    "bench": {"run.json", "result.json"},
}


def index(root: str | Path) -> dict[str, dict[str, str]]:
    """Run -> file -> SHA-256 of the committed records; empty where there are none."""
    path = Path(root) / FOLDER / INDEX
    return read_json(path) if path.is_file() else {}


def problems(root: str | Path) -> dict[str, list[str]]:
    """Run -> what is wrong with its committed record; runs without a problem are left out."""
    folder = Path(root) / FOLDER
    listed = index(root)
    found: dict[str, list[str]] = {}
    plans: dict[str, dict[str, Any]] = {}
    for run, hashes in listed.items():
        changed = [name for name, sha in hashes.items() if not _is(folder / run / name, sha)]
        if changed:
            found[run] = [f"{', '.join(changed)}: not what the index lists"]
            continue
        try:
            about, result = read_json(folder / run / "run.json"), read_json(folder / run / "result.json")
            found[run] = [*_record(run, about, result, set(hashes)), *_ending(folder / run, about["plan"], result)]
            plans[run] = about["plan"]
        except (OSError, ValueError, KeyError, TypeError, FfreproError) as error:
            found[run] = [f"the record cannot be read ({type(error).__name__}: {error})"]
    for run, plan in plans.items():
        if plan["kind"] == "train" and not any(is_twin(plan, plans[other]) for other in plans if not found[other]):
            found[run].append(
                "no backpropagation run of the same data, treatment, scale, hardware and seed beside it"
                " (images: of the same layers, epochs, samples and augmentation, too)"
            )
    for path in sorted(folder.rglob("result.json")):
        run = path.parent.relative_to(folder).as_posix()
        if run not in listed:
            found[run] = [f"not in {FOLDER}/{INDEX}"]
    return {run: reasons for run, reasons in found.items() if reasons}


def _record(run: str, about: dict, result: dict, names: set[str]) -> list[str]:
    plan, data = about["plan"], about["data"]
    reasons = []
    if {about["run"], plan["run"], result["run"]} != {run}:
        reasons.append("the record calls itself by another name")
    if about["plan_sha256"] != substance(plan):
        reasons.append("its plan was changed after the run")
    missing = _NEEDED[plan["kind"]] - names
    if missing:
        reasons.append(f"{', '.join(sorted(missing))} is missing")
    if data["source"] != "upstream" or plan["source"] != "upstream":
        reasons.append(f"its data are {data['source']}, not upstream")
    if not _FINGERPRINT.fullmatch(str(data.get("fingerprint") or "")):
        reasons.append("its data have no full fingerprint")
    return reasons


def _ending(folder: Path, plan: dict, result: dict) -> list[str]:
    """A run trains until early stopping or its declared last epoch; a bench has its baseline among its rows.

    A fit has no epochs.
    """
    if plan["kind"] == "fit":
        return []
    if plan["kind"] == "bench":
        rows = [row["name"] for row in result["rows"]]
        return [] if result["baseline"] in rows else ["the baseline is not among its rows"]
    declared = phases(plan)
    limit, ran = sum(epochs for _, epochs in declared), result["epochs"]
    reasons = []
    if result["max_epochs"] != limit:
        reasons.append(f"it ran under a limit of {result['max_epochs']} epochs, its plan declares {limit}")
    # Whatever the phases before did, `stopped_by` tells how the last one ended.
    if result["stopped_by"] not in ("early_stopping", "max_epochs") or (
        result["stopped_by"] == "max_epochs" and ran != limit and len(declared) == 1
    ):
        reasons.append(f"it ended after {ran} of {limit} epochs, by neither early stopping nor the limit")
    path = folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    if len(lines) != ran:
        reasons.append(f"metrics.jsonl has {len(lines)} epochs, the result {ran}")
    if len(declared) > 1:
        reasons += _phase_problems(declared, lines, "early_stop_epochs" in plan["training"], result["stopped_by"])
    return reasons


def phases(plan: dict) -> list[tuple[str, int]]:
    """Name and most epochs of every phase that a training plan declares (``core.updates.phases``)."""
    method, epochs = plan["method"], plan["training"]["max_epochs"]
    layers = counted.layers(plan["net"]) if method.get("update") == "greedy" else 0
    names = updates.phases(method.get("update"), layers, method.get("head"))
    return [(name, method["head_epochs"] if name == updates.HEAD else epochs) for name in names]


def _phase_problems(declared: list[tuple[str, int]], lines: list[dict], early: bool, stopped_by: str) -> list[str]:
    """Every phase ran, in order, to its limit or, where the plan allows it, to early stopping."""
    ran = [(name, sum(1 for _ in group)) for name, group in groupby(lines, key=lambda line: line["phase"])]
    names = [name for name, _ in declared]
    if [name for name, _ in ran] != names:
        found = ", ".join(name for name, _ in ran) or "none"
        return [f"its phases are {found}, its plan declares {', '.join(names)}"]
    reasons = []
    for index, ((name, limit), (_, epochs)) in enumerate(zip(declared, ran, strict=True)):
        last = index + 1 == len(declared)
        stopped = early and (stopped_by == "early_stopping" if last else True)
        if epochs != limit and not (stopped and epochs < limit):
            reasons.append(f"phase {name} ended after {epochs} of {limit} epochs")
    return reasons


def is_twin(plan: dict, other: dict) -> bool:
    """Whether ``other`` is backpropagation on what ``plan`` ran on; a backpropagation run is its own twin.

    Of image classifiers it also has the same layers, epochs and way of showing the images: nets of every size stand
    beside each other there.
    """

    def place(p: dict) -> tuple:
        data = (views.prepared_set(p), p["data"].get("control"))
        images: list = []
        if p["net"]["name"] in ("cnn", "mlp"):
            images = [p["training"]["max_epochs"]]
            images += [p["net"].get(name) for name in ("model", "layers", "cfse")]
            images += [p["data"].get(name) for name in ("train_samples", "augmentation", "normalisation")]
        return data, images, p["protocol"]["treatment"], p["scale"], p["hardware"], p["seed"]

    return other["kind"] == "train" and other["method"]["name"].startswith("backprop") and place(other) == place(plan)


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_file(path) == sha256
