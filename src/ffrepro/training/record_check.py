"""Whether a record can be what its run left: its files, their values, and what its task computes from its arrays.

Everything that reads records, or takes them in, asks here. A record that was found good is remembered by the hashes of
its files and of the project's code (``Proofs``), so that a second look costs no more than reading it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ffrepro.base import studies, words
from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.plans import migrate
from ffrepro.base.proofs import Proofs
from ffrepro.base.reading import parse_json, parse_json_lines
from ffrepro.base.record_values import check_about, check_epochs, check_result, must_agree, refuse
from ffrepro.base.records import LAST, METRICS, RECORD
from ffrepro.base.shapes import check_lines, check_record

ABOUT, ARRAYS = "run.json", "arrays.npz"
_FILES = (ABOUT, METRICS, LAST, ARRAYS)


def read(folder: Path) -> dict[str, bytes]:
    """The files of a record, those that are there.

    Raises:
        OSError: one of them cannot be read.
    """
    return {name: (folder / name).read_bytes() for name in _FILES if (folder / name).is_file()}


def problem(entry: Mapping[str, bytes], run: str, proofs: Proofs | None = None) -> DataFileError | None:
    """What makes a record no evidence, None where nothing does; see ``check``."""
    try:
        check(entry, run, proofs)
    except DataFileError as error:
        return error
    return None


def check(entry: Mapping[str, bytes], run: str, proofs: Proofs | None = None) -> None:
    """Refuse a record whose files are not all there, or say what no run can have left.

    Args:
        entry: a record's files by name.
        run: the run that they are the record of, by their folder.
        proofs: of the records that were found good before; this one is added to them.

    Raises:
        DataFileError: what is wrong; ``where`` is the run's name and the file.
    """
    files = {name: entry[name] for name in _FILES if name in entry}
    if proofs is not None and proofs.has(run, files):
        return
    try:
        _check(files, run)
    except DataFileError:
        raise
    except FfreproError as error:  # of what its plan names: a view, a data set, a bench
        raise DataFileError(error.what, where=f"{run}/{ABOUT}", fix=error.fix) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataFileError(
            f"it cannot be computed again ({type(error).__name__}: {str(error)[:200]})", where=f"{run}/{ARRAYS}"
        ) from error
    if proofs is not None:
        proofs.add(run, files)


def _check(files: Mapping[str, bytes], run: str) -> None:
    missing = [name for name in (ABOUT, LAST) if name not in files]
    if missing:
        refuse(f"{missing[0]} is missing", run)
    about, result = (parse_json(files[name], f"{run}/{name}") for name in (ABOUT, LAST))
    check_record(about, result, run)
    plan = migrate(about["plan"])
    missing = [name for name in RECORD[plan["kind"]] if name not in files]
    if missing:
        refuse(f"{', '.join(missing)} missing", run)
    others = [name for name in files if name not in RECORD[plan["kind"]]]
    if others:
        refuse(f"a {plan['kind']} leaves no {others[0]}", run)
    check_about(about, run)
    check_result(plan, result, run)
    if plan["kind"] == "bench":
        _check_bench(plan, result, run)
        return
    if plan["kind"] == "search":
        return  # its trials left no arrays
    metrics = words.translate_names(plan, result["metrics"])
    if plan["kind"] == "train":
        lines = parse_json_lines(files[METRICS], f"{run}/{METRICS}")
        if not files[METRICS].endswith(b"\n"):
            refuse("its last line is cut off", f"{run}/{METRICS}")
        check_lines(lines, f"{run}/{METRICS}")
        lines = [words.translate_names(plan, line) for line in lines]
        check_epochs(plan, result | {"metrics": metrics}, lines, run)
    else:
        lines = []
    _check_arrays(plan, about["data"]["counts"], result, metrics, lines, files[ARRAYS], run)


def _check_bench(plan: Mapping[str, Any], result: Mapping[str, Any], run: str) -> None:
    """A bench's rows have the columns that its module's ``describe``, tables and sections read."""
    from ffrepro.training import benches  # torch, as below: not where every record is proven

    paper = plan["paper"] if plan["paper"] in studies.having("__init__.py") else None
    wanted = getattr(benches.find(plan["bench"]["name"], paper), "COLUMNS", ())
    for row in result["rows"]:
        lacking = [name for name in wanted if name not in row]
        if lacking:
            refuse(f"rows[{row['name'][:40]}] has no {lacking[0]}", f"{run}/{LAST}")


def _check_arrays(
    plan: Mapping[str, Any],
    counts: Mapping[str, int],
    result: Mapping[str, Any],
    metrics: Mapping[str, Any],
    lines: list[dict[str, Any]],
    content: bytes,
    run: str,
) -> None:
    from ffrepro import data as datasets
    from ffrepro.data import npz, record_form
    from ffrepro.training import sklearn_baseline

    where, end = f"{run}/{ARRAYS}", f"{run}/{LAST}"
    try:
        arrays = words.translate_names(plan, npz.read(io.BytesIO(content)))
        if plan["kind"] == "train":
            task = datasets.view(plan["data"]["name"]).Task
            split = task.final_splits[-1]
        else:
            task, split = sklearn_baseline.Measured, sklearn_baseline.Measured.split
        kept, others = {}, {}
        for name, array in arrays.items():
            own = name.startswith(f"{split}_")
            (kept if own else others)[name.removeprefix(f"{split}_") if own else name] = array
        sizes = _sizes(plan, counts, result, split)
        for found, forms in ((kept, task.kept_forms), (others, task.finish_forms)):
            _require_numbers(found)
            if forms is not None:
                record_form.check(found, forms, sizes)
    except (npz.Damaged, record_form.Misfit) as error:
        refuse(f"the arrays are damaged ({error})", where)
    _check_ranges(task.ranges, metrics, end)
    for line in lines:
        _check_ranges(task.ranges, line, f"{run}/{METRICS}:{line['epoch']}")
    check_measured(plan, task, split, kept, metrics, end)


def check_measured(
    plan: Mapping[str, Any], task: Any, split: str, kept: Mapping[str, Any], metrics: Mapping[str, Any], where: str
) -> None:
    """Refuse metrics of a split that are not those of its arrays.

    Args:
        task: the view's ``Task``, or what stands for it.
        kept: the arrays of the split, under the names that the task gave them.
        metrics: of the result, by full name.

    Raises:
        DataFileError: the first such metric.
    """
    evaluation = plan.get("method", {}) | plan.get("training", {}) | plan["protocol"]
    again = task.remeasure(kept, evaluation, plan.get("training", {}).get("batch_size", 1))
    must_agree({f"{split}/{name}": value for name, value in again.items()}, metrics, "metrics.", "its arrays", where)
    if task.not_kept is None:
        return
    for name in metrics:
        own, _, metric = name.partition("/")
        known = metric in again or any(fnmatchcase(metric, pattern) for pattern in task.not_kept)
        if own == split and not known:
            refuse(f"metrics.{name[:60]} does not follow from its arrays", where)


def _sizes(plan: Mapping[str, Any], counts: Mapping[str, int], result: Mapping[str, Any], split: str) -> dict[str, int]:
    """Lengths of axes that a record states elsewhere: samples, classes, layers."""
    from ffrepro import data as datasets

    if split not in counts:
        raise ValueError(f"data.counts has no {split}")
    found = {"S": counts[split]}
    classes = getattr(datasets.module(plan["dataset"]).SPEC, "classes", None)
    if classes is not None:
        task = getattr(datasets.view(plan["data"]["name"]), "Task", None)
        found["C"] = len(classes) if task is None else task.classes_left(len(classes), plan["data"])
    if result.get("layers"):
        found["L"] = result["layers"]
    return found


def _require_numbers(arrays: Mapping[str, Any]) -> None:
    from ffrepro.data import record_form

    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise record_form.Misfit(f"{name[:60]} holds {array.dtype}, no numbers")


def _check_ranges(ranges: Mapping[str, tuple[float, float]], named: Mapping[str, Any], where: str) -> None:
    """Metrics within what their task says they can be; NaN and null are what could not be measured."""
    for name, value in named.items():
        metric = name.partition("/")[2]
        bounds = ranges.get(metric.partition("_")[0]) if metric else None
        if bounds is not None and value is not None and (value < bounds[0] or value > bounds[1]):
            refuse(f"{name[:60]} cannot be {value}", where)
