"""What MLflow is told of a run: names, tags, settings, metrics, data set. Nothing here talks to MLflow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ffrepro.base import files, words
from ffrepro.base.records import BEFORE_SHOWN, COMMANDS, RECORD
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record, flatten

KEY, CONTENT = "ffrepro.run", "ffrepro.content"
LEVEL, SEEDS, RUN = "ffrepro.level", "mean over seeds", "one run"
TRAINING_VIEW = {"mlflow.experimentKind": "custom_model_development"}  # MLflow 3 opens in a view for chats otherwise
DIGEST = 36  # characters that MLflow allows for a data set's digest
_NOTE = """\
**{title}**, scale `{scale}`.

A row of level `mean over seeds` holds the mean and the standard deviation (`_std`) of its runs, which are nested in it,
one for each seed. Short names (`accuracy`, `error`, `auc`, `epochs`, `train_s`, `peak_mb`) are of the test set and of
the run; names with a slash are everything that was measured.

Compare a method with backpropagation: filter by `tags.ffrepro.level = "mean over seeds"` and
`tags.ffrepro.experiment = "..."`, select the rows, *Compare*.
"""


class Metric(NamedTuple):
    """A number at a moment (milliseconds) and step."""

    name: str
    value: float
    time: int
    step: int


def experiment_name(plan: Plan) -> str:
    """One experiment per paper and scale."""
    return f"{plan['paper']} {plan['scale']}"


def about_experiment(plan: Plan, title: str) -> dict[str, str]:
    """Tags of an experiment: its description, and the view that MLflow opens it in."""
    return TRAINING_VIEW | {"mlflow.note.content": _NOTE.format(title=title, scale=plan["scale"])}


def parent_key(plan: Plan) -> str:
    """What the seeds of a variant have in common: its run's name without the seed."""
    return plan["run"].rpartition("/")[0]


def parent_name(plan: Plan) -> str:
    """What differs comes first, since MLflow cuts names off: the variant, the experiment."""
    profile = "" if plan["hardware"] == "cpu" else f", {plan['hardware']}"
    return f"{plan['variant']}, {plan['experiment']}{profile}"


def run_name(plan: Plan) -> str:
    """The seed, then what its parent is called."""
    return f"seed {plan['seed']}, {parent_name(plan)}"


def content(plan: Plan, record: Record) -> str:
    """Hash of a record's files."""
    return files.sha256_json({name: files.sha256_file(record.folder / name) for name in RECORD[plan["kind"]]})


def tags(plan: Plan, level: str) -> dict[str, str]:
    """By which runs are found."""
    return {
        LEVEL: level,
        "ffrepro.paper": plan["paper"],
        "ffrepro.tables": " ".join(plan["tags"]["tables"]),
        "ffrepro.protocol": " ".join(plan["protocol"].values()),
        "ffrepro.scale": plan["scale"],
        "ffrepro.hardware": plan["hardware"],
        "ffrepro.experiment": plan["experiment"],
        "ffrepro.variant": plan["variant"],
        "ffrepro.data": f"{plan['dataset']} ({plan['source']})",
    }


def tags_of_run(plan: Plan, record: Record, claims: str, evidence: str) -> dict[str, str]:
    """The same with what one run alone has: seed, code, data, the published numbers it is evidence for."""
    about = record.run
    return tags(plan, RUN) | {
        KEY: plan["run"],
        "ffrepro.seed": str(plan["seed"]),
        "ffrepro.claims": claims,
        "ffrepro.plan_sha256": about["plan_sha256"],
        "ffrepro.fingerprint": str(about["data"]["fingerprint"]),
        "ffrepro.evidence": evidence,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"{COMMANDS[plan['kind']]} plan/{plan['run']}.json",
        "mlflow.source.git.commit": str(about["git"]["commit"]),
    }


_SETTINGS = ("profile", "protocol", "dataset", "source", "data", "net", "method", "training", "classifier", "bench")


def settings(plan: Plan) -> dict[str, str]:
    """Dotted name -> value of what a user compares runs by."""
    parts = {part: plan[part] for part in (*_SETTINGS, "variants", "search", "start", "seed") if part in plan}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in flatten(parts).items()}


def dataset(plan: Plan, record: Record) -> dict[str, str]:
    """Name, digest, source and size of the data, as MLflow's own fields have them."""
    about = record.run["data"]
    return {
        "name": about.get("set") or plan["dataset"],
        "digest": str(about["fingerprint"])[:DIGEST],
        "source_type": about["source"],
        "source": json.dumps(about.get("provenance")),
        "profile": json.dumps(about.get("counts")),
    }


def span(record: Record) -> tuple[int, int]:
    """When a run started and finished, in milliseconds."""
    return _milliseconds(record.run["started"]), _milliseconds(record.run["finished"])


def headline(record: Record) -> dict[str, float]:
    """The few numbers to compare by, under short names: test metrics of the task, epochs, seconds, memory.

    Of a bench: every row's ratios to its baseline, ``<row> ratio_to_bp``.
    """
    result = record.result
    if "rows" in result:
        wanted = ((row["name"], key, value) for row in result["rows"] for key, value in row.items())
        found = {f"{name} {key}": value for name, key, value in wanted if "ratio_to" in key}
    else:
        metrics = words.translate_names(record.plan, result["metrics"])
        found = {name: metrics.get(f"test/{name}") for name in result.get("shown", BEFORE_SHOWN)}
        found["error"] = metrics.get("test/error")
        found["epochs"] = result.get("epochs")
        found["train_s"] = result.get("time", {}).get("train_s")
        found["peak_mb"] = result.get("memory", {}).get("peak_bytes", 0) / 1e6 or None
    return {_metric_name(name): value for name, value in found.items() if _is_number(value)}


def over_seeds(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean and sample standard deviation of the headline numbers that all runs have, and ``n``."""
    from ffrepro.core import statistics as st  # needs scipy: only when something is written

    out: dict[str, float] = {"n": len(found)}
    for name in found[0]:
        values = [one[name] for one in found if name in one]
        if len(values) == len(found):
            summary = st.summarize(values)
            out[name] = summary.mean
            if len(values) > 1:
                out[f"{name}_std"] = summary.std
    return out


def metrics(record: Record) -> Iterator[Metric]:
    """Every epoch's numbers, then the final ones, then the headline."""
    start, end = span(record)
    epochs = record.folder / "metrics.jsonl"
    time, last = float(start), 0
    for entry in files.read_json_lines(epochs) if epochs.is_file() else []:
        last = entry["epoch"]
        time += 1000 * entry.get("seconds", 0.0)
        for key, value in words.translate_names(record.plan, entry).items():
            if key != "epoch" and _is_number(value):
                yield Metric(key, value, round(time), last)
    result = record.result
    for trial in result.get("trials", []):
        time += 1000 * trial["seconds"]
        for key, value in ({"value": trial["value"]} | trial["values"]).items():
            if _is_number(value):
                yield Metric(f"trial/{key}", value, round(time), trial["number"])
    final = words.translate_names(record.plan, result.get("metrics", {}))
    final |= flatten({part: result[part] for part in ("time", "memory") if part in result})
    final |= {f"{row['name']}/{key}": value for row in result.get("rows", []) for key, value in row.items()}
    final |= headline(record)
    for key, value in final.items():
        if _is_number(value):
            yield Metric(_metric_name(key), value, end, last)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _metric_name(name: str) -> str:
    """MLflow takes letters, digits and ``_-. /``."""
    return "".join(letter if letter.isalnum() or letter in "_-. /" else "_" for letter in name)


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
