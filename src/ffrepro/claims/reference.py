"""Checks of committed evidence (``reports/reference``): the conditions for a record to count for a verdict.

A committed record is complete and unchanged (its index has a hash for every file), of real data with a full
fingerprint, ended as its plan declares, and stands beside backpropagation on the same data, seed and machine.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.files import read_json, read_json_lines, sha256_bytes
from ffrepro.base.plans import migrate, result_hash
from ffrepro.base.proofs import Proofs
from ffrepro.base.reading import parse_json
from ffrepro.base.records import LAST, RECORD
from ffrepro.base.shapes import check_lines, check_record
from ffrepro.claims import older_records
from ffrepro.data import views
from ffrepro.training import record_check

FOLDER = "reports/reference"
INDEX = "index.json"
_ENDS = ("early_stopping", "max_epochs")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def index(root: str | Path) -> dict[str, dict[str, str]]:
    """Run -> file -> SHA-256 of the committed records; empty where there are none.

    Raises:
        DataFileError: the index cannot be read.
    """
    path = Path(root) / FOLDER / INDEX
    listed = read_json(path) if path.exists() else {}
    wrong = [run for run, hashes in listed.items() if not isinstance(hashes, dict)]
    if wrong:
        raise DataFileError(f"{wrong[0]} is no list of files", where=path, fix="restore it: git checkout that file")
    return listed


def require_listed(root: str | Path, run: str) -> None:
    """Refuse the committed record of a run that is not what the index lists.

    Raises:
        DataFileError: it is not listed, or a file of it was changed.
    """
    folder = Path(root) / FOLDER / run
    hashes = index(root).get(run)
    if hashes is None:
        raise DataFileError(f"not in {FOLDER}/{INDEX}", where=folder, fix="`ffrepro import` lists what it takes in")
    changed = _changed({n: (folder / n).read_bytes() for n in hashes if (folder / n).is_file()}, hashes)
    if changed:
        fix = "restore it: git checkout that folder"
        raise DataFileError(f"{', '.join(changed)}: not what the index lists", where=folder, fix=fix)


def problems(root: str | Path) -> dict[str, list[str]]:
    """Run -> what is wrong with its committed record; runs without a problem are left out."""
    folder, proofs = Path(root) / FOLDER, Proofs(root)
    listed = index(root)
    found: dict[str, list[str]] = {}
    trained: dict[str, tuple[bool, tuple]] = {}  # run -> whether by backpropagation, and what its twin has too
    for run, hashes in listed.items():
        try:
            entry = {name: (folder / run / name).read_bytes() for name in hashes if (folder / run / name).is_file()}
            changed = _changed(entry, hashes)
            if changed:
                found[run] = [f"{', '.join(changed)}: not what the index lists"]
                continue
            about, result = (parse_json(entry[name], f"{run}/{name}") for name in ("run.json", LAST) if name in entry)
            check_record(about, result, run)
            plan = migrate(about["plan"])
            found[run] = [*_record(run, about, result, set(hashes)), *_ending(folder / run, plan, result)]
            if not found[run]:
                record_check.check(entry, run, proofs)
            if plan["kind"] in ("train", "search"):
                trained[run] = (_is_backpropagation(plan), _place(plan))
        except FfreproError as error:
            found[run] = [f"the record cannot be read ({error.what}; {Path(str(error.where)).name})"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            found[run] = [f"the record cannot be read ({type(error).__name__}: {error})"]
    twins = [place for run, (backpropagation, place) in trained.items() if backpropagation and not found[run]]
    for run, (_, place) in trained.items():
        if place not in twins:
            found[run].append(
                "no backpropagation run of the same data, treatment, scale, hardware and seed beside it"
                " (and of the same layers, epochs, samples and augmentation)"
            )
    for path in sorted(folder.rglob("result.json")):
        run = path.parent.relative_to(folder).as_posix()
        if run not in listed:
            found[run] = [f"not in {FOLDER}/{INDEX}"]
    return {run: reasons for run, reasons in found.items() if reasons}


def _changed(entry: dict[str, bytes], hashes: dict[str, str]) -> list[str]:
    """Files of a record that are absent, or are not what its index lists."""
    return [name for name, sha in hashes.items() if name not in entry or sha256_bytes(entry[name]) != sha]


def _record(run: str, about: dict, result: dict, names: set[str]) -> list[str]:
    plan, data = about["plan"], about["data"]
    reasons = []
    if {about["run"], plan["run"], result["run"]} != {run}:
        reasons.append("the record calls itself by another name")
    if about["plan_sha256"] != result_hash(plan):
        reasons.append("its plan was changed after the run")
    missing = set(RECORD[migrate(plan)["kind"]]) - names
    if missing:
        reasons.append(f"{', '.join(sorted(missing))} is missing")
    if data["source"] != "upstream" or plan["source"] != "upstream":
        reasons.append(f"its data are {data['source']}, not upstream")
    if not _FINGERPRINT.fullmatch(str(data.get("fingerprint") or "")):
        reasons.append("its data have no full fingerprint")
    if about["git"]["dirty"] is not False:
        state = "with uncommitted changes" if about["git"]["dirty"] else "of unknown state"
        reasons.append(f"its code was a checkout {state}")
    return reasons


def _ending(folder: Path, plan: dict, result: dict) -> list[str]:
    """A run trains until early stopping or its declared last epoch; a bench has its baseline among its rows.

    A scikit-learn baseline has no epochs; the trials of a search are checked with its values.
    """
    if plan["kind"] in ("sklearn_baseline", "search"):
        return []
    if plan["kind"] == "bench":
        rows = [row["name"] for row in result["rows"]]
        return [] if result["baseline"] in rows else ["the baseline is not among its rows"]
    phases = result["phases"] if "phases" in result else older_records.phases(plan, result)
    limit, ran = sum(phase["max_epochs"] for phase in phases), result["epochs"]
    reasons = []
    if "phases" in result:
        reasons += _recorded_problems(plan, result)
    if result["max_epochs"] != limit:
        reasons.append(f"it ran under a limit of {result['max_epochs']} epochs, its plan declares {limit}")
    # Whatever the phases before did, `stopped_by` tells how the last one ended.
    if result["stopped_by"] not in _ENDS or (
        result["stopped_by"] == "max_epochs" and ran != limit and len(phases) == 1
    ):
        reasons.append(f"it ended after {ran} of {limit} epochs, by neither early stopping nor the limit")
    path = folder / "metrics.jsonl"
    lines = read_json_lines(path) if path.is_file() else []
    check_lines(lines, path.name)
    if len(lines) != ran:
        reasons.append(f"metrics.jsonl has {len(lines)} epochs, the result {ran}")
    if len(phases) > 1 or "phases" in result:
        reasons += _phase_problems(phases, lines)
    return reasons


def _recorded_problems(plan: dict, result: dict) -> list[str]:
    """What a record says of its phases and layers, held to its plan and to itself."""
    phases, method = result["phases"], plan["method"]
    reasons = []
    declared = {plan["training"]["max_epochs"]} | {
        limit for name, limit in method.items() if name.endswith("epochs") and isinstance(limit, int)
    }
    for phase in phases:
        if phase["max_epochs"] not in declared:
            reasons.append(
                f"phase {phase['name']} had a limit of {phase['max_epochs']} epochs, which is not in its plan"
            )
        early = phase["stopped_by"] == "early_stopping" and "early_stop_epochs" not in plan["training"]
        if phase["stopped_by"] not in _ENDS or early:
            reasons.append(f"phase {phase['name']} ended by {phase['stopped_by']}, which its plan does not have")
    if not phases or phases[-1]["stopped_by"] != result["stopped_by"]:
        reasons.append("its last phase did not end as the run did")
    measured = older_records.layers(result)
    least = 0 if plan["net"].get("layers") == 0 else 1  # an embedding alone has no layers
    if not isinstance(result["layers"], int) or result["layers"] < least or measured not in (0, result["layers"]):
        reasons.append(f"it has {result['layers']} layers, and metrics of {measured}")
    return reasons


def _phase_problems(phases: list[dict], lines: list[dict]) -> list[str]:
    """Every phase ran, in order, to its limit or to early stopping."""
    ran = [(name, sum(1 for _ in group)) for name, group in groupby(lines, key=lambda line: line["phase"])]
    names = [phase["name"] for phase in phases]
    if [name for name, _ in ran] != names:
        found = ", ".join(name for name, _ in ran) or "none"
        return [f"its phases are {found}, its plan declares {', '.join(names)}"]
    reasons = []
    for phase, (name, epochs) in zip(phases, ran, strict=True):
        limit, stopped = phase["max_epochs"], phase["stopped_by"] == "early_stopping"
        if phase.get("epochs", epochs) != epochs:
            reasons.append(f"phase {name} has {epochs} lines in metrics.jsonl, the result {phase['epochs']} epochs")
        elif epochs != limit and not (stopped and epochs < limit):
            reasons.append(f"phase {name} ended after {epochs} of {limit} epochs")
    return reasons


def is_twin(plan: dict, other: dict) -> bool:
    """Whether ``other`` is backpropagation on what ``plan`` ran on; a backpropagation run is its own twin.

    It also has the same layers, epochs and way of showing the samples: nets of every size stand beside each other.
    """

    return _is_backpropagation(other) and _place(other) == _place(plan)


def _is_backpropagation(plan: dict) -> bool:
    return plan["kind"] in ("train", "search") and plan["method"]["name"].startswith("backprop")


def _place(plan: dict) -> tuple:
    """What twins have in common."""
    data = (views.prepared_set(plan), plan["data"].get("control"))
    net = [plan["training"]["max_epochs"], *(plan["net"].get(name) for name in ("model", "layers", "cfse"))]
    shown = [plan["data"].get(name) for name in ("train_samples", "augmentation", "normalisation")]
    kind = plan["kind"], _searched(plan)
    return kind, data, net, shown, plan["protocol"]["treatment"], plan["scale"], plan["hardware"], plan["seed"]


def _searched(plan: dict) -> dict | None:
    """Of a search its budget, and its space but for what only its own method has."""
    if plan["kind"] != "search":
        return None
    space = {name: values for name, values in plan["search"]["space"].items() if not name.startswith("method.")}
    return plan["search"] | {"space": space}
