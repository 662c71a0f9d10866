"""The report's numbers as files: results.csv, verdicts.csv, curves.csv and metrics.json."""

from __future__ import annotations

from typing import Any

from ffrepro.claims.assess import Assessment
from ffrepro.claims.formats import csv_number, plain
from ffrepro.claims.records import Record
from ffrepro.claims.table_files import write_csv
from ffrepro.claims.verdict import sum_of
from ffrepro.core.statistics import summarize

_RATIOS = {"time_ratio": "ratio_to_bp", "memory_ratio": "peak_ratio_to_bp"}  # a bench of inference has no memory
_SETTINGS = ("data", "net", "method", "training", "classifier", "bench")
_VERDICTS = ("claim", "where", "row", "metric", "published", "units", "treatment", "verdict", "reason", "scale", "n",
             "evidence", "derived", "runs", "own", "outcome")  # fmt: skip


def results_csv(records: list[Record]) -> str:
    """A line for each run (for each row of a bench): what it was, its settings, its numbers."""
    training_first = sorted(records, key=lambda record: (record.plan["kind"] != "train", record.run))
    lines = [line for record in training_first for line in _result_lines(record)]
    columns = tuple(dict.fromkeys(key for line in lines for key in line))
    return write_csv(columns, [[_cell(line.get(column)) for column in columns] for line in lines])


def verdicts_csv(assessments: list[dict[str, Assessment]]) -> str:
    """A line for each claim and treatment; the first of a claim is the headline. ``own``: a fact of the project's.

    ``outcome`` is what the verdict counts as at the head of the report (``verdict.SUMS``).
    """
    rows = []
    for assessment in (found for paper in assessments for found in paper.values()):
        claim = assessment.claim
        for treatment, finding in assessment.findings.items():
            comparison = assessment.comparisons.get(treatment)
            rows.append([
                claim["id"], claim["where"], claim["row"], claim["metric"], plain(claim["value"]), claim["units"],
                treatment, finding.verdict.kind, finding.verdict.reason, finding.scale or "",
                comparison.n if comparison and comparison.n else "", finding.evidence, assessment.derived,
                " ".join(finding.runs), "yes" if claim.get("own") else "", sum_of(finding.verdict.kind),
            ])  # fmt: skip
    return write_csv(_VERDICTS, rows)


def curves_csv(records: list[Record]) -> str:
    """A line for each run and epoch."""
    lines = [{"run": r.run} | line for r in records if r.plan["kind"] == "train" for line in r.metrics()]
    columns = tuple(dict.fromkeys(["run", "epoch", "phase", *(key for line in lines for key in line)]))
    return write_csv(columns, [[_cell(line.get(column)) for column in columns] for line in lines])


def metrics(records: list[Record]) -> dict[str, Any]:
    """Experiment -> variant -> means of what its task shows (ratios, for a bench), for ``dvc metrics``."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        plan = record.plan
        if plan["kind"] == "bench":
            found.setdefault(plan["experiment"], {}).update({
                row["name"]: {name: row[key] for name, key in _RATIOS.items() if key in row}
                for row in record.result["rows"]
            })  # fmt: skip
        else:
            groups.setdefault((plan["experiment"], plan["variant"]), []).append(record)
    for (experiment, variant), members in groups.items():
        entry: dict[str, float] = {"runs": len(members)}
        for metric in dict.fromkeys(name for record in members for name in record.shown):
            values = [value for record in members if (value := record.value(metric)) is not None]
            if values:
                entry[metric] = summarize(values).mean
        found.setdefault(experiment, {})[variant] = entry
    return found


def _result_lines(record: Record) -> list[dict[str, Any]]:
    plan, result = record.plan, record.result
    head = {
        "run": record.run, "kind": plan["kind"], "paper": plan["paper"], "experiment": plan["experiment"],
        "dataset": plan["dataset"], "treatment": plan["protocol"]["treatment"], "variant": plan["variant"],
        "seed": plan["seed"], "scale": plan["scale"], "hardware": plan["hardware"],
        "source": record.about["data"]["source"], "fingerprint": record.about["data"]["fingerprint"],
        "commit": record.about["git"]["commit"],
    }  # fmt: skip
    settings = {f"{group}.{name}": value for group in _SETTINGS for name, value in plan.get(group, {}).items()}
    if plan["kind"] == "bench":
        return [head | settings | {f"bench/{name}": value for name, value in row.items()} for row in result["rows"]]
    outcome = {
        key: result[key] for key in ("epochs", "best_epoch", "stopped_by") if key in result
    }  # none of a baseline
    numbers = {f"time/{key}": value for key, value in result["time"].items()}
    numbers["memory/peak_bytes"] = result["memory"]["peak_bytes"]
    return [head | outcome | result["metrics"] | numbers | settings]


def _cell(value: Any) -> str:
    return csv_number(value) if isinstance(value, float) else "" if value is None else str(value)
