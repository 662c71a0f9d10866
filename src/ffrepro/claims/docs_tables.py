"""Tables and single numbers of pages, from their definitions (``workflow/schemas/docs.schema.yaml``)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ffrepro.base import studies
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.claims import counted, formats, tables, verdict
from ffrepro.claims.assess import counts
from ffrepro.claims.blocks import Table
from ffrepro.claims.docs_sources import Sources
from ffrepro.claims.load import name_of
from ffrepro.claims.records import Evidence, Record
from ffrepro.core import statistics as st

NOT_RUN = verdict.NOT_RUN
NO_CONTROLS = "its controls have no run"
_OF_PLAN = ("family", "dataset", "treatment", "method")  # a family is an experiment without data set and treatment
_WORDS = ("verdict", "evidence")  # what of a claim is no number
_ROUNDING = 1e-12  # of a printed percentage that is divided, and of 1 - x
_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Row:
    """A row of a table before its cells are made.

    Attributes:
        fields: what texts may name; None where this row lacks what another one has.
        runs: whose numbers it shows, None where it has none.
        epoch: of which epoch, None: of the result.
    """

    fields: dict[str, Any]
    runs: Evidence | None = None
    epoch: int | None = None


def table(sources: Sources, spec: dict) -> Table:
    """A table as its definition says.

    Raises:
        FfreproError: the definition names something that is not there.
    """
    found = rows(sources, spec["rows"])
    names = dict.fromkeys(name for row in found for name in row.fields)
    found = [Row(names | row.fields, row.runs, row.epoch) for row in found]
    columns = spec["columns"]
    numeric = frozenset(
        index for index, column in enumerate(columns) if "text" not in column and column.get("claim") not in _WORDS
    )
    content: list = [[cell(sources, column, row) for column in columns] for row in found]
    for row, cells in zip(found, content, strict=True):
        if row.runs is None and "run" in row.fields and cells[0] == formats.DASH:
            cells[0] = f"`{row.fields['run']}`"  # nobody has run it: its name is all there is
    return Table([column["title"] for column in columns], content, numeric)


def value(sources: Sources, spec: dict) -> str:
    """A single number as its definition says.

    Raises:
        FfreproError: the definition names something that is not there.
    """
    return cell(sources, spec, Row(sources.entry(spec["json"], spec.get("at", [])) if "json" in spec else {}))


def rows(sources: Sources, spec: dict) -> list[Row]:
    """The rows of a table, in order."""
    if "json" in spec:
        return [Row(fields) for fields in sources.entries(spec["json"], spec.get("at", []))]
    if "each" in spec:
        return [Row(fields) for fields in spec["each"]]
    if "claims" in spec:
        ids = [i for name in spec["claims"] for row in sources.claims.table(name)["rows"].values() for i in row]
        claims = {short: sources.claims.claim(short) for short in ids}
        return [Row({"id": short, "row": claim["row"], "metric": claim["metric"]}) for short, claim in claims.items()]
    if "verdicts" in spec:
        return [Row({"verdict": kind, "claims": n}) for kind, n in counts(sources.assessments).items()]
    if "module" in spec:
        own = studies.module(sources.claims.paper, spec["module"])
        if not hasattr(own, "docs_rows"):
            raise FfreproError(f"{spec['module']} of the study has no docs_rows", fix="name a module that has it")
        return [Row(fields) for fields in own.docs_rows(sources.claims, sources.store)]
    if "missing" in spec:
        left = sources.missing(**spec["missing"])
        return [Row({"experiment": name, "runs": len(plans), "hours": sources.hours(plans)})
                for name, plans in left.items()]  # fmt: skip
    return _run_rows(sources, spec)


def _run_rows(sources: Sources, spec: dict) -> list[Row]:
    found: dict[str, Row] = {}
    for pattern in spec["runs"]:
        for name in sources.runs(pattern) or [pattern]:
            runs = sources.groups.get(name)
            found.setdefault(name, Row(_run_fields(name, runs), runs))
    chosen = list(found.values())
    if "sort" in spec:
        chosen.sort(key=lambda row: _mean(row.runs, spec["sort"]))
    if "epochs" in spec:
        return [Row(row.fields | {"epoch": n}, row.runs, n) for row in chosen for n in spec["epochs"]]
    if "bench" in spec:
        return [found for row in chosen for found in _bench_rows(row, spec["bench"])]
    return chosen


def _run_fields(name: str, runs: Evidence | None) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(("scale", "hardware", "experiment", "variant", *_OF_PLAN))
    fields |= {"run": name, **dict(zip(fields, name.split("/")))}
    if runs is None:
        return fields
    plan = runs.records[0].plan
    dataset, treatment = plan["dataset"], plan["protocol"]["treatment"]
    family = plan["experiment"].removesuffix(f"_{dataset}_{treatment}")
    method = plan.get("method", plan.get("classifier", plan.get("bench")))["name"]
    return fields | dict(zip(_OF_PLAN, (family, dataset, treatment, method), strict=True))


def _bench_rows(row: Row, form: str) -> list[Row]:
    """A row for each of the bench's rows of a form; one without, where there are none."""
    before, field, after = _FIELD.split(form)
    names = [entry["name"] for entry in row.runs.records[0].result.get("rows", [])] if row.runs else []
    values = [name.removeprefix(before).removesuffix(after) for name in names
              if name.startswith(before) and name.endswith(after)]  # fmt: skip
    return [Row(row.fields | {field: value}, row.runs) for value in values or [None]]


def _mean(runs: Evidence | None, metric: str) -> float:
    values = [record.value(metric) for record in runs.records] if runs else []
    return st.summarize([_checked(v, metric) for v in values]).mean if values and None not in values else math.inf


def cell(sources: Sources, spec: dict, row: Row) -> str:
    """What stands in a column of a row: a dash where the row has no such number, "not run" where it has no runs.

    Raises:
        FfreproError: the column names a field, a claim or a treatment that is not there.
    """
    if any(_field(row, name) != wanted for name, wanted in spec.get("when", {}).items()):
        return formats.DASH
    if any(_field(row, name) == other for name, other in spec.get("unless", {}).items()):
        return formats.DASH
    if "text" in spec:
        text = _fill(sources, spec["text"], row)
        if "lookup" in spec:
            text = _fill(sources, spec["lookup"].get(text, formats.DASH), row)
        return text or formats.DASH
    if "field" in spec:
        return _shown(_number(spec, row), spec)
    if "claims" in spec:
        return str(sum(not claim.get("own") for claim in sources.claims.claims.values()))
    if "claim" in spec:
        return _claim(sources, spec, row)
    if "parameters" in spec:
        return f"{counted.trained(sources.plan(_field(row, 'run')))[spec['parameters']]:,}"
    return _measured(sources, spec, row)


def _field(row: Row, name: str) -> Any:
    if name not in row.fields:
        raise unknown("field", name, row.fields)
    return row.fields[name]


def _fill(sources: Sources, text: str, row: Row) -> str | None:
    """A text with the row's fields and published numbers in it; None where the row lacks one of them."""
    claims = {name_of(claim["id"]): claim for claim in sources.claims.claims.values()}
    values = {name: tables.printed(sources.claims, claims[name]) if name in claims else _field(row, name)
              for name in _FIELD.findall(text)}  # fmt: skip
    if None in values.values():
        return None
    return _FIELD.sub(lambda found: formats.plain(values[found[1]]), text)


def _number(spec: dict, row: Row) -> Any:
    """A field, of a mapping the sum of its entries; divided by another field where the column says so."""
    found = _field(row, spec["field"])
    if isinstance(found, dict):
        found = sum(_checked(number, spec["field"]) for number in found.values())
    if not {"over", "factor", "digits"} & spec.keys() or found is None:
        return found
    _checked(found, spec["field"])
    return _ratio(found, _checked(_field(row, spec["over"]), spec["over"])) if "over" in spec else found


def _checked(number: Any, name: str) -> float:
    """The number.

    Raises:
        FfreproError: it is none.
    """
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise FfreproError(f"{name} is no number: {number!r}", fix="name another field or metric")
    return number


def _ratio(above: float, below: float) -> float:
    return above / below if below else st.NAN


def _claim(sources: Sources, spec: dict, row: Row) -> str:
    short = spec["id"] if "id" in spec else _field(row, "id")
    if short is None:
        return formats.DASH
    assessment = sources.claim(short)
    if spec["claim"] == "published":
        measured = "quantity" in assessment.claim  # a statement is not
        return (tables.published if measured else tables.printed)(sources.claims, assessment.claim)
    treatment = spec.get("treatment", next(iter(assessment.findings)))
    if treatment not in assessment.findings:
        raise unknown("treatment", treatment, assessment.findings)
    if spec["claim"] == "verdict":
        return assessment.findings[treatment].verdict.kind
    comparison = assessment.comparisons.get(treatment)
    if comparison is None or comparison.summary is None:
        return formats.DASH
    match spec["claim"]:
        case "ours":
            return tables.ours(sources.claims, comparison)
        case "evidence":
            capped = "" if comparison.capped is None else f", capped at {comparison.capped} epochs"
            return f"{comparison.evidence.scale}{capped}" if comparison.evidence else formats.DASH
        case _:
            return str(comparison.n) if comparison.n else formats.DASH


def _measured(sources: Sources, spec: dict, row: Row) -> str:
    runs = row.runs
    if "of" in spec:
        name = _fill(sources, spec["of"], row)
        if name is None:
            return formats.DASH
        runs = sources.only(name)
    if runs is None:
        return NOT_RUN
    if "metric" in spec and sources.lacking(runs, spec["metric"]):
        return NO_CONTROLS
    if "reach" in spec:
        return _reached(sources, spec, runs)
    asked = "twin" in spec or "over_twin" in spec
    if asked and sources.claims.twin(runs.records[0].plan["variant"]) is None:
        return formats.DASH  # a baseline has none
    twin = sources.twin(runs) if asked else runs
    if twin is None:
        return NOT_RUN
    if "n" in spec:
        return str(len(runs))
    values = _values(sources, twin if "twin" in spec else runs, spec, spec["metric"], row)
    if "over_metric" in spec:
        below = _values(sources, runs, spec, spec["over_metric"], row)
        values = [_ratio(a, b) for a, b in zip(values, below, strict=True)] if values and below else []
    if "over_twin" in spec:
        others = _values(sources, twin, spec, spec["over_twin"], row)
        values = [_ratio(st.summarize(values).mean, st.summarize(others).mean)] if values and others else []
    if not values:
        return formats.DASH
    values = [spec.get("factor", 1) * number for number in values]
    if "at_most" in spec:
        return _met(values, spec["at_most"], row)
    match spec.get("statistic"):
        case None:
            return formats.mean_std(st.summarize(values), spec["digits"]) + spec.get("suffix", "")
        case "mean":
            number = st.summarize(values).mean
        case "least":
            number = min(values)
        case "most":
            number = max(values)
    return _shown(number, {key: entry for key, entry in spec.items() if key != "factor"})


def _met(values: list[float], limit: float | str, row: Row) -> str:
    """Whether every run stays within a limit: a number, or the name of a field that has it."""
    most = _checked(_field(row, limit), limit) if isinstance(limit, str) else limit
    over = sum(value > most for value in values)
    return f"missed in {over} of {len(values)}" if over else "met"


def _reached(sources: Sources, spec: dict, runs: Evidence) -> str:
    """Mean seconds until an error is low enough, and how many of the runs got there where not all did."""
    target, others = spec["reach"], sources.twin(runs) or runs
    errors = {record.plan["seed"]: _errors(record, spec) for record in others.records}
    seconds = []
    for record in runs.records:
        if "claim" in target:
            claim = sources.claim(target["claim"]).claim
            limit = claim["value"] / sources.claims.factor(claim)
            limit = 1 - limit if "complement" in spec else limit
        else:
            limit = target["error"] if "error" in target else min(errors[record.plan["seed"]])
        spent = accumulate(line["seconds"] for line in record.metrics())
        seconds += [s for s, error in zip(spent, _errors(record, spec), strict=True) if error <= limit + _ROUNDING][:1]
    if not seconds:
        return "not reached"
    shown = formats.number(st.summarize(seconds).mean, spec["digits"])
    return shown if len(seconds) == len(runs) else f"{shown} ({len(seconds)} of {len(runs)})"


def _errors(record: Record, spec: dict) -> list[float]:
    """A metric after each epoch; of an epoch without it infinity."""
    found = [line.get(spec["metric"]) for line in record.metrics()]
    return [math.inf if value is None else 1 - value if "complement" in spec else value for value in found]


def _values(sources: Sources, runs: Evidence, spec: dict, metric: str, row: Row) -> list[float]:
    """A metric of every run; empty where one of them does not have it."""
    bench_row = _fill(sources, spec["row"], row) if "row" in spec else None
    found = [number for record in runs.records for number in _of_record(record, metric, bench_row, spec, row.epoch)]
    if None in found:
        return []
    return [1 - _checked(number, metric) if "complement" in spec else _checked(number, metric) for number in found]


def _of_record(record: Record, metric: str, bench_row: str | None, spec: dict, epoch: int | None) -> list[float | None]:
    if "epochs" in spec:
        return [line.get(metric) for line in record.metrics()]
    if epoch is None:
        return [record.value(metric, bench_row)]
    return [next((line for line in record.metrics() if line["epoch"] == epoch), {}).get(metric)]


def _shown(number: Any, spec: dict) -> str:
    if number is None:
        return formats.DASH
    if "factor" in spec:
        number *= spec["factor"]
    shown = formats.number(number, spec["digits"]) if "digits" in spec else formats.plain(number)
    return shown + spec.get("suffix", "")
