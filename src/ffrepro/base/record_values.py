"""Values that a record's files cannot have, or not together: names, times, epochs, phases, rows of a bench.

``base.shapes`` checks types first. What a run measured is checked where its task is known, ``training.record_check``.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, NoReturn

from ffrepro.base.errors import DataFileError
from ffrepro.base.plans import RUN_NAME, SOURCES, migrate, result_hash
from ffrepro.base.records import LAST, METRICS
from ffrepro.base.searches import COMPLETE, DIVERGED, best_of, points

FIX = "remove that record and run it again, or import it again from where it was made"
ENDS = ("early_stopping", "max_epochs")
CLOSE = 1e-6  # relative: what another machine's rounding may change in a number that is computed again
_SET = re.compile(r"[A-Za-z0-9_]+")  # paths are made of these names
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_ORDERED = (  # columns of a bench's row, from the least to the largest
    ("ms_min", "ms_median", "ms_max"),
    ("ratio_low", "ratio_to_bp", "ratio_high"),
    ("one_pass_low", "ratio_to_one_pass", "one_pass_high"),
)
# Columns of a bench's row: times, ratios and sizes are above 0, shares from 0 to 1; others may have any sign.
_ABOVE_0 = re.compile(r"(ms|ratio|one_pass|peak|images|seconds|bytes|joules|layers)(_.*)?|.*_(ms|bytes)")
_SHARES = re.compile(r"share|accuracy(_.*)?")


def check_about(about: Mapping[str, Any], run: str) -> None:
    """Refuse a run.json that contradicts itself.

    Args:
        run: the run that it is the record of, by its folder.

    Raises:
        DataFileError: the first such value.
    """
    where, plan, data = f"{run}/run.json", about["plan"], about["data"]
    _is_own(about["run"], run, where)
    _is_own(plan["run"], run, where)
    parts = [str(plan[key]) for key in ("scale", "hardware", "experiment", "variant")]
    if not RUN_NAME.fullmatch(run) or run != "/".join([*parts, f"seed{plan['seed']}"]):
        refuse("plan.run is not made of the plan's scale, hardware, experiment, variant and seed", where)
    if about["plan_sha256"] != result_hash(plan):
        refuse("its plan was changed after the run", where)
    if plan["source"] not in SOURCES or data["source"] != plan["source"] or data["dataset"] != plan["dataset"]:
        refuse(f"data of {data['dataset']} ({data['source']}), a plan of {plan['dataset']} ({plan['source']})", where)
    for name in (data["dataset"], data.get("set", data["dataset"])):
        if not isinstance(name, str) or not _SET.fullmatch(name):
            refuse(f"{str(name)[:40]!r} names no data set", where)
    if data["fingerprint"] is not None and not _FINGERPRINT.fullmatch(data["fingerprint"]):
        refuse("data.fingerprint is no SHA-256", where)
    if migrate(plan)["kind"] != "bench":
        _check_counts(data.get("counts"), where)
    if about["git"]["commit"] is not None and not _COMMIT.fullmatch(about["git"]["commit"]):
        refuse("git.commit names no commit", where)
    if any(version < 1 for version in about.get("methods", {}).values()):
        refuse("a method's version is below 1", where)
    for name, value in about["machine"].items():
        if not isinstance(value, str | None) and not (math.isfinite(value) and value >= 1):
            refuse(f"machine.{name} cannot be {value}", where)
    begun, ended = (_moment(about[key], f"{key} is no time with its zone", where) for key in ("started", "finished"))
    if ended < begun:
        refuse("it finished before it started", where)


def check_result(plan: Mapping[str, Any], result: Mapping[str, Any], run: str) -> None:
    """Refuse a result.json whose numbers cannot be, alone or together.

    Args:
        plan: the run's, in current words.
        run: as in ``check_about``.

    Raises:
        DataFileError: the first such value.
    """
    where = f"{run}/{LAST}"
    _is_own(result["run"], run, where)
    if plan["kind"] == "bench":
        _check_rows(result, where)
        return
    if not result["metrics"]:
        refuse("no metric was measured", where)
    for name, value in result["metrics"].items():
        split, _, metric = name.partition("/")
        if not split or not metric:
            refuse(f"metrics.{name[:40]} is not named <split>/<metric>", where)
        _is_finite(value, f"metrics.{name}", where)
    for name, value in result["time"].items():
        _is_finite(value, f"time.{name}", where, least=0)
    if not {"train_s", "evaluate_s"} <= set(result["time"]):
        refuse("time has not train_s and evaluate_s", where)
    _is_finite(result["memory"]["peak_bytes"], "memory.peak_bytes", where, least=1)
    shown = result.get("shown", [])
    if not isinstance(shown, list) or not all(isinstance(name, str) for name in shown):
        refuse("shown is no list of metrics", where)
    if plan["kind"] == "train":
        _check_epochs(plan, result, where)
    if plan["kind"] == "search":
        _check_trials(plan, result, where)


def check_epochs(plan: Mapping[str, Any], result: Mapping[str, Any], lines: list[dict[str, Any]], run: str) -> None:
    """Refuse epochs that are not those of the result: their numbers, phases, times, and what was best.

    Args:
        lines: of metrics.jsonl, with current names as ``result`` has them.

    Raises:
        DataFileError: the first such value, with its line where it has one.
    """
    where = f"{run}/{METRICS}"
    if len(lines) != result["epochs"]:
        refuse(f"{len(lines)} epochs, the result has {result['epochs']}", where)
    for number, line in enumerate(lines, 1):
        place = f"{where}:{number}"
        if line["epoch"] != number:
            refuse(f"epoch {line['epoch']} is on the line of epoch {number}", place)
        if line.get("seconds") is None:
            refuse("seconds is missing", place)
        for name, value in line.items():
            if name.startswith("train/") or name in ("seconds", "lr") or name.startswith("lr_"):
                _is_finite(value, name, place, least=None if "/" in name else 0)
    seconds = [line["seconds"] for line in lines]
    times = {"train_s": sum(seconds), "epoch_s_median": statistics.median(seconds)}
    times["epoch_s_mean"] = statistics.fmean(seconds)
    must_agree(times, result["time"], "time.", "the epochs' seconds", f"{run}/{LAST}")
    ran = [(name, len(list(group))) for name, group in groupby(lines, key=lambda line: line["phase"])]
    if "phases" in result and ran != [(phase["name"], phase["epochs"]) for phase in result["phases"]]:
        refuse("its phases are not those of the result", where)
    _check_best(plan, result, lines[-ran[-1][1] :], run)


def must_agree(found: Mapping[str, float], stated: Mapping[str, Any], prefix: str, by: str, where: str) -> None:
    """Refuse stated numbers that are not those computed again.

    Raises:
        DataFileError: the first of ``found`` that ``stated`` lacks or has otherwise.
    """
    for name, value in found.items():
        other = stated.get(name)
        if other is None and math.isnan(value):
            continue
        if other is None or not math.isclose(value, other, rel_tol=CLOSE, abs_tol=1e-12):
            refuse(f"{prefix}{name} is {other}, by {by} it is {value:.9g}", where)


def refuse(what: str, where: str) -> NoReturn:
    """Raise the error of a record that is no evidence."""
    raise DataFileError(what, where=where, fix=FIX)


def _check_counts(counts: Any, where: str) -> None:
    if not isinstance(counts, dict) or not counts:
        refuse("data.counts, the samples by split, is missing", where)
    for split, count in counts.items():
        if type(count) is not int or count < 1:
            refuse(f"data.counts.{split} cannot be {str(count)[:40]!r}", where)


def _check_epochs(plan: Mapping[str, Any], result: Mapping[str, Any], where: str) -> None:
    epochs, limit = result["epochs"], result["max_epochs"]
    if not 1 <= result["best_epoch"] <= epochs <= limit:
        refuse(f"epoch {result['best_epoch']} was the best of {epochs}, of at most {limit}", where)
    for name in ("max_epochs", "batch_size"):
        value = plan["training"].get(name, 1)
        if type(value) is not int or value < 1:
            refuse(f"plan.training.{name} cannot be {str(value)[:40]!r}", where)
    early = "early_stop_epochs" in plan["training"] or plan["method"].get("ilt_patience") is not None
    phases = result.get("phases", [{"name": "", "epochs": epochs, "max_epochs": limit} | result])
    form = {"name": str, "epochs": int, "max_epochs": int, "stopped_by": str}
    if not isinstance(phases, list) or not phases:
        refuse("phases is no list of phases", where)
    for phase in phases:
        if not isinstance(phase, dict) or any(type(phase.get(name)) is not kind for name, kind in form.items()):
            refuse(f"a phase has not {', '.join(form)}", where)
        if phase["stopped_by"] not in ENDS or (phase["stopped_by"] == ENDS[0] and not early):
            refuse(f"stopped_by cannot be {phase['stopped_by'][:40]!r}", where)
        whole = "phases" in result or not _may_have_phases(plan)
        if not 1 <= phase["epochs"] <= phase["max_epochs"]:
            refuse(f"{phase['epochs']} epochs of at most {phase['max_epochs']}", where)
        if whole and phase["stopped_by"] == ENDS[1] and phase["epochs"] != phase["max_epochs"]:
            refuse(f"it ended after {phase['epochs']} of {phase['max_epochs']} epochs by their limit", where)
    if "phases" in result:
        _must_be("epochs", epochs, sum(phase["epochs"] for phase in phases), where)
        _must_be("max_epochs", limit, sum(phase["max_epochs"] for phase in phases), where)
        _must_be("stopped_by", result["stopped_by"], phases[-1]["stopped_by"], where)
    watch = result.get("watch", ["loss", "min"])
    if not isinstance(watch, list) or len(watch) != 2 or watch[1] not in ("min", "max"):
        refuse("watch is not a metric and min or max", where)
    layers = result.get("layers", 0)
    if type(layers) is not int or layers < 0:
        refuse(f"layers cannot be {str(layers)[:40]!r}", where)


def _may_have_phases(plan: Mapping[str, Any]) -> bool:
    """Whether a record that names no phases can have had several: its limit is then of all of them together."""
    return any(name.endswith("_epochs") or name in ("update", "head") for name in plan["method"])


def _check_best(plan: Mapping[str, Any], result: Mapping[str, Any], last_phase: list[dict], run: str) -> None:
    """The best epoch is the first of the last phase with the best watched value; its measurements are the result's."""
    metric, direction = result.get("watch", ["loss", "min"])
    name, sign = f"val/{metric}", 1 if direction == "min" else -1
    if not any(key.startswith("val/") for key in last_phase[-1]):  # nothing is selected: the last epoch counts
        _must_be("best_epoch", result["best_epoch"], result["epochs"], f"{run}/{LAST}")
        return
    for line in last_phase:
        _is_finite(line.get(name), name, f"{run}/{METRICS}:{line['epoch']}", null=False)
    best = min(last_phase, key=lambda line: sign * line[name])
    _must_be("best_epoch", result["best_epoch"], best["epoch"], f"{run}/{LAST}")
    kept = last_phase[-1] if plan["training"].get("final_weights") == "last" else best
    measured = {name: value for name, value in kept.items() if name.startswith("val/") and value is not None}
    must_agree(measured, result["metrics"], "metrics.", f"epoch {kept['epoch']}", f"{run}/{LAST}")


def _check_rows(result: Mapping[str, Any], where: str) -> None:
    rows = {row["name"]: row for row in result["rows"]}
    if not rows or len(rows) < len(result["rows"]) or not all(rows):
        refuse("rows have no names of their own", where)
    for name, row in rows.items():
        place = f"rows[{name[:40]}]."
        for column, value in row.items():
            if column == "name":
                continue
            share, above = _SHARES.fullmatch(column), _ABOVE_0.fullmatch(column)
            _is_finite(value, place + column, where, least=0 if share else None, above=0 if above else None)
            if share and value is not None and value > 1:
                refuse(f"{place}{column} cannot be {value}", where)
        for columns in _ORDERED:
            values = [row[column] for column in columns if row.get(column) is not None]
            if values != sorted(values):
                refuse(f"{place}{columns[1]} does not lie from {columns[0]} to {columns[2]}", where)
    if "baseline" in result:
        _check_ratios(rows, result["baseline"], where)


def _check_trials(plan: Mapping[str, Any], result: Mapping[str, Any], where: str) -> None:
    """Trials are as many as the plan says, each another combination of its space; the best one is the result."""
    space, trials = plan["search"]["space"], result["trials"]
    left = points(space)
    _must_be("the number of trials", len(trials), min(plan["search"]["trials"], len(left)), where)
    if len(result["watch"]) != 2 or result["watch"][1] not in ("min", "max"):
        refuse("watch is not a metric and min or max", where)
    early = "early_stop_epochs" in plan["training"]
    for number, trial in enumerate(trials):
        name = f"trials[{number}]"
        _must_be(f"{name}.number", trial["number"], number, where)
        if trial["values"] not in left:
            refuse(f"{name} has values that are not of its space, or were tried before", where)
        left.remove(trial["values"])
        _is_finite(trial["seconds"], f"{name}.seconds", where, least=0, null=False)
        complete = trial["state"] == COMPLETE
        if not complete:
            if trial["state"] != DIVERGED or trial["value"] is not None or trial["stopped_by"] != DIVERGED:
                refuse(f"{name} is neither complete with a value nor diverged without one", where)
            continue
        _is_finite(trial["value"], f"{name}.value", where, null=False)
        if not 1 <= (trial["best_epoch"] or 0) <= trial["epochs"] <= trial["max_epochs"]:
            refuse(f"{name}: epoch {trial['best_epoch']} of {trial['epochs']}, of at most {trial['max_epochs']}", where)
        if trial["stopped_by"] not in ENDS or (trial["stopped_by"] == ENDS[0] and not early):
            refuse(f"{name}.stopped_by cannot be {trial['stopped_by'][:40]!r}", where)
    metric, direction = result["watch"]
    best = best_of(trials, direction)
    if best is None:
        refuse("no trial is complete", where)
    _must_be("best", result["best"], best["number"], where)
    must_agree({f"val/{metric}": best["value"]}, result["metrics"], "metrics.", "its best trial", where)
    if set(result["metrics"]) != {f"val/{metric}"}:
        refuse("a search measures its watched metric on the validation part, and nothing else", where)
    total = {"train_s": sum(trial["seconds"] for trial in trials)}
    must_agree(total, result["time"], "time.", "the trials' seconds", where)


def _check_ratios(rows: Mapping[str, dict], name: Any, where: str) -> None:
    """Where every ratio is to the one baseline, none lies outside what the least and largest times allow."""
    if not isinstance(name, str) or name not in rows:
        refuse("the baseline is not among its rows", where)
    base = rows[name]
    if base.get("ratio_to_bp") not in (None, 1.0):
        refuse("the baseline's ratio to itself is not 1", where)
    for row in rows.values():
        peak, ratio = row.get("peak_bytes"), row.get("peak_ratio_to_bp")
        if (
            peak
            and ratio
            and base.get("peak_bytes")
            and not math.isclose(ratio, peak / base["peak_bytes"], rel_tol=CLOSE)
        ):
            refuse(f"rows[{row['name'][:40]}].peak_ratio_to_bp is not the ratio of the peaks", where)
        if {"images", "ms_median", "ms_per_image"} <= set(row):
            each = {"ms_per_image": row["ms_median"] / row["images"]}
            must_agree(each, row, f"rows[{row['name'][:40]}].", "the median and the number of images", where)


def _is_own(name: str, run: str, where: str) -> None:
    if name != run:
        refuse(f"the record calls itself {name[:120]}", where)


def _must_be(name: str, stated: Any, found: Any, where: str) -> None:
    if stated != found:
        refuse(f"{name} is {stated}, by the rest of the record {found}", where)


def _is_finite(
    value: float | None, name: str, where: str, *, least: float | None = None, above: float | None = None, null=True
) -> None:
    """Null is what could not be measured."""
    if value is None and null:
        return
    small = value is not None and ((least is not None and value < least) or (above is not None and value <= above))
    if value is None or not math.isfinite(value) or small:
        refuse(f"{name[:60]} cannot be {value}", where)


def _moment(text: str, problem: str, where: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        refuse(problem, where)
    if found.tzinfo is None:
        refuse(problem, where)
    return found
