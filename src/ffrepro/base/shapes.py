"""What a run record must have, and of which type, before anything is computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ffrepro.base.errors import DataFileError
from ffrepro.base.plans import migrate

_FIX = "restore the record, or run it again (ffrepro train --force and the like)"
_WHOLE = (int,)
_NUMBERS = {...: (int, float, type(None))}  # any names; a value that could not be measured is null
_MEASUREMENTS = {int, float, type(None)}
_TEXT = (str,)
_ANY = {...: None}
_PLAN = {
    "run": _TEXT, "kind": _TEXT, "paper": _TEXT, "experiment": _TEXT, "variant": _TEXT, "seed": _WHOLE, "scale": _TEXT,
    "hardware": _TEXT, "dataset": _TEXT, "source": _TEXT, "code": _TEXT, "profile": {"precision": _TEXT},
    "protocol": {"treatment": _TEXT}, "data": _ANY, "origin": {...: _TEXT}, "tags": {"tables": (list,)},
}  # fmt: skip
_PLAN_OF_KIND = {
    "train": {"net": {"name": _TEXT}, "method": {"name": _TEXT}, "training": {"max_epochs": _WHOLE}},
    "sklearn_baseline": {"classifier": {"name": _TEXT}},
    "bench": {"bench": {"name": _TEXT}, "variants": _ANY},
    "search": {
        "net": {"name": _TEXT},
        "method": {"name": _TEXT},
        "training": {"max_epochs": _WHOLE},
        "search": {"trials": _WHOLE, "space": {...: (list,)}},
    },
}
_ABOUT = {
    "run": _TEXT, "plan_sha256": _TEXT, "data": {"dataset": _TEXT, "source": _TEXT, "fingerprint": (str, type(None)),
    "provenance": _ANY}, "git": {"commit": (str, type(None)), "dirty": (bool, type(None))},
    "versions": {...: (str, type(None))}, "machine": {...: (str, int, float, type(None))},
    "started": _TEXT, "finished": _TEXT,
}  # fmt: skip
_MEASURED = {"metrics": _NUMBERS, "time": _NUMBERS, "memory": {"peak_bytes": (int, float, type(None))}}
_RESULT_OF_KIND = {
    "train": {"epochs": _WHOLE, "max_epochs": _WHOLE, "best_epoch": _WHOLE, "stopped_by": _TEXT, **_MEASURED},
    "sklearn_baseline": _MEASURED,
    "bench": {"rows": (list,), "config": _ANY},
    "search": {"trials": (list,), "best": _WHOLE, "watch": (list,), **_MEASURED},
}
_ROW = {"name": _TEXT}
_TRIAL = {
    "number": _WHOLE, "state": _TEXT, "values": _ANY, "value": (int, float, type(None)), "epochs": _WHOLE,
    "best_epoch": (int, type(None)), "max_epochs": _WHOLE, "stopped_by": _TEXT, "seconds": (int, float),
}  # fmt: skip
_LINE = {"epoch": _WHOLE, "phase": _TEXT}


def check_record(about: dict[str, Any], result: dict[str, Any], where: object, *, complete: bool = True) -> None:
    """Refuse a record whose run.json or result.json cannot be what a run left.

    Args:
        complete: whether everything must be there; otherwise the plan alone, and the rest be of its type.

    Raises:
        DataFileError: the first entry that is missing or of another type.
    """
    run, end = f"{where}/run.json", f"{where}/result.json"
    plan = migrate(about["plan"]) if isinstance(about.get("plan"), dict) else {}
    if not isinstance(plan.get("kind"), str) or plan["kind"] not in _PLAN_OF_KIND:
        raise DataFileError("no plan of a known kind", where=run, fix=_FIX)
    _check(about, _ABOUT, run, complete)
    _check(about, {"methods": {...: _WHOLE}}, run, False)
    _check(plan, _PLAN | _PLAN_OF_KIND[plan["kind"]], run, True, "plan.")
    _check(result, {"run": _TEXT} | _RESULT_OF_KIND[plan["kind"]], end, complete)
    for row in result.get("rows", ()):
        if not isinstance(row, dict):
            raise DataFileError("a bench's row is no object", where=end, fix=_FIX)
        _check(row, _ROW, end, True, "rows.")
        _check({name: value for name, value in row.items() if name != "name"}, _NUMBERS, end, True, "rows.")
    for trial in result.get("trials", ()):
        if not isinstance(trial, dict):
            raise DataFileError("a trial is no object", where=end, fix=_FIX)
        _check(trial, _TRIAL, end, True, "trials.")


def check_lines(lines: list[dict[str, Any]], where: object) -> None:
    """Refuse epochs without their number or phase, or with something else than numbers beside these.

    Raises:
        DataFileError: with the line.
    """
    for number, line in enumerate(lines, 1):
        _check(line, _LINE, f"{where}:{number}", True)
        if not {type(value) for name, value in line.items() if name != "phase"} <= _MEASUREMENTS:
            _check({k: v for k, v in line.items() if k not in _LINE}, _NUMBERS, f"{where}:{number}", True)


def _check(value: dict, form: Mapping[Any, Any], where: str, complete: bool, prefix: str = "") -> None:
    names = [(name, form[...]) for name in value] if ... in form else list(form.items())
    for name, wanted in names:
        if name not in value:
            if complete:
                raise DataFileError(f"{prefix}{name} is missing", where=where, fix=_FIX)
            continue
        found = value[name]
        if isinstance(wanted, Mapping):
            if not isinstance(found, dict):
                raise _wrong(prefix + name, found, where)
            _check(found, wanted, where, complete, f"{prefix}{name}.")
        elif wanted is not None and (not isinstance(found, wanted) or (isinstance(found, bool) and bool not in wanted)):
            raise _wrong(prefix + name, found, where)


def _wrong(name: str, found: object, where: str) -> DataFileError:
    return DataFileError(f"{name} cannot be {str(found)[:40]!r}", where=where, fix=_FIX)
