"""Two runs, or two variants with several seeds, side by side: settings, code, data, machine and numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ffrepro.base.records import finite
from ffrepro.claims import conclusions
from ffrepro.claims.records import ENOUGH, Record
from ffrepro.claims.run_lookup import Found
from ffrepro.core import statistics as st

_NO_SETTINGS = ("schema", "run", "paper", "experiment", "variant", "seed", "origin", "tags", "code", "profile")
_FACTS = ("git", "methods", "versions", "data", "machine")  # of run.json
_NO_FACTS = ("data.provenance",)
_OF_A_MACHINE = ("ms_", "time/", "memory/", "peak_bytes", "latency_ms")  # how names of absolute times and sizes begin
_OF_SPLITS = ("test/", "val/", "train/", "rest/")


def compare(a: Found, b: Found, margin: float | None = None) -> dict[str, Any]:
    """What differs between two sides, and their numbers side by side; plain values, for JSON.

    Args:
        margin: of the equivalence test (two one-sided Welch tests), in the metrics' units; None: no such test.

    Returns:
        ``a``, ``b`` (name, runs, committed), ``settings`` and ``facts`` that differ (``name``, ``a``, ``b``; of
        settings also ``source_a``, ``source_b``), ``equal`` (how many settings do not), ``same_task``,
        ``same_machine``, ``paired`` (whether runs of one seed share data and split), ``metrics`` (see ``_metric``),
        ``only_a``, ``only_b`` (names of metrics) and ``notes``.
    """
    settings = list(_different(_settings(a.records[0].plan), _settings(b.records[0].plan)))
    origins = [side.records[0].plan.get("origin", {}) for side in (a, b)]
    for row in settings:
        row["source_a"], row["source_b"] = (origin.get(row["name"], "") for origin in origins)
    same_task = _task(a) == _task(b)
    same_machine = _one_machine(a, b)
    paired = same_task and _paired(a, b)
    numbers_a, numbers_b = (_numbers(side, same_machine) for side in (a, b))
    common = [name for name in numbers_a if name in numbers_b]
    metrics = [
        _metric(name, numbers_a[name], numbers_b[name], margin, tested=same_task, paired=paired) for name in common
    ]
    p_values = [_nan(m["welch_p"] if m["paired_p"] is None else m["paired_p"]) for m in metrics]
    for metric, p in zip(metrics, st.holm(p_values), strict=True):
        metric["holm_p"] = finite(p)
    shown = {name for side in (a, b) for record in side.records for name in record.shown}
    for metric in metrics:
        metric["shown"] = metric["name"] in shown or not metric["name"].startswith(_OF_SPLITS)
    return {
        "a": _side(a),
        "b": _side(b),
        "settings": settings,
        "equal": len(_settings(a.records[0].plan).keys() & _settings(b.records[0].plan).keys())
        - sum(row["a"] is not None and row["b"] is not None for row in settings),
        "facts": list(_different(_facts(a), _facts(b))),
        "same_task": same_task,
        "same_machine": same_machine,
        "paired": paired,
        "margin": margin,
        "metrics": metrics,
        "only_a": [name for name in numbers_a if name not in numbers_b],
        "only_b": [name for name in numbers_b if name not in numbers_a],
        "notes": list(_notes(a, b, same_task, same_machine)),
    }


def _side(side: Found) -> dict[str, Any]:
    return {
        "name": side.name,
        "runs": [record.run for record in side.records],
        "committed": side.committed,
        "unfinished": list(side.unfinished),
    }


def _settings(plan: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in plan.items() if key not in _NO_SETTINGS}
    return dict(_flat(kept)) | {f"profile.{key}": value for key, value in plan["profile"].items()}


def _facts(side: Found) -> dict[str, Any]:
    """What run.json says beside the settings; of several runs the distinct values, separated by commas."""
    found: dict[str, list[Any]] = {}
    for record in side.records:
        own = dict(_flat({key: record.about[key] for key in _FACTS if key in record.about}))
        for name, value in (own | {"code": record.plan["code"]}).items():
            if not name.startswith(_NO_FACTS) and value not in found.setdefault(name, []):
                found[name].append(value)
    return {name: values[0] if len(values) == 1 else ", ".join(map(str, values)) for name, values in found.items()}


def _flat(holder: Mapping[str, Any], start: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in holder.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{start}{key}.")
        else:
            yield f"{start}{key}", value


def _different(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """``name``, ``a``, ``b`` of the entries that differ; None where a side has none of that name."""
    for name in dict.fromkeys([*a, *b]):
        if a.get(name) != b.get(name) or (name in a) != (name in b):
            yield {"name": name, "a": a.get(name), "b": b.get(name)}


def _task(side: Found) -> tuple[Any, ...]:
    """What two sides must share for a test between their numbers to say something."""
    plan = side.records[0].plan
    return plan["kind"] == "bench", plan["protocol"].get("task"), plan["dataset"], plan["source"]


def _paired(a: Found, b: Found) -> bool:
    """Whether the sides have the same seeds, and a seed's runs share data and split."""
    seeds = [sorted(record.plan["seed"] for record in side.records) for side in (a, b)]
    plans = [record.plan for record in (*a.records, *b.records)]
    return seeds[0] == seeds[1] and conclusions.one_place(plans) and conclusions.split_by_seed(plans)


def _one_machine(a: Found, b: Found) -> bool:
    records = [*a.records, *b.records]
    first = records[0]
    measured = {record.result.get("memory", {}).get("how") for record in records}
    return all(record.about["machine"] == first.about["machine"] for record in records) and len(measured) == 1


def _numbers(side: Found, same_machine: bool) -> dict[str, dict[int, float | None]]:
    """Name -> seed -> number: metrics, epochs, times and memory; of a bench ``<row>: <column>``."""
    found: dict[str, dict[int, float | None]] = {}
    for record in side.records:
        for name, value in _of_record(record):
            if same_machine or not name.rpartition(": ")[2].startswith(_OF_A_MACHINE):
                found.setdefault(name, {})[record.plan["seed"]] = finite(value)
    return found


def _of_record(record: Record) -> Iterator[tuple[str, float | None]]:
    result = record.result
    for row in result.get("rows", []):
        yield from ((f"{row['name']}: {column}", value) for column, value in row.items() if _is_number(value))
    yield from sorted(result.get("metrics", {}).items(), key=lambda entry: entry[0].startswith("val/"))
    if _is_number(result.get("epochs")):
        yield "epochs", result["epochs"]
    for group in ("time", "memory"):
        yield from ((f"{group}/{name}", v) for name, v in result.get(group, {}).items() if _is_number(v))


def _metric(
    name: str,
    a: Mapping[int, float | None],
    b: Mapping[int, float | None],
    margin: float | None,
    *,
    tested: bool,
    paired: bool,
) -> dict[str, Any]:
    """One number of both sides.

    Returns:
        ``per_seed``: seed, a, b and difference (b - a) of every seed that either side has; of one run a side, one entry
        whatever the seeds. ``a`` and ``b``: n, mean, std (None of one run); ``difference`` of the means. ``welch_p``,
        ``tost_p`` (None without several runs a side, without a margin, or between tasks), ``low`` and ``high``: the
        95 % interval of the difference, by Welch. ``paired_p``, ``paired_low``, ``paired_high``: of the differences
        within seeds, None where the runs of a seed do not share their split.
    """
    sides = [_summary(values) for values in (a, b)]
    if len(a) == len(b) == 1:
        pairs = [(next(iter(a)), *a.values(), *b.values())]
    else:
        pairs = [(seed, a.get(seed), b.get(seed)) for seed in sorted(a.keys() | b.keys())]
    row: dict[str, Any] = {
        "name": name,
        "per_seed": [{"seed": seed, "a": x, "b": y, "difference": _minus(y, x)} for seed, x, y in pairs],
        "a": _plain(sides[0]),
        "b": _plain(sides[1]),
        "difference": _minus(*(side.mean if side else None for side in reversed(sides))),
        **dict.fromkeys(("welch_p", "low", "high", "paired_p", "paired_low", "paired_high", "tost_p")),
    }
    first, second = sides
    if tested and first and second and min(first.n, second.n) > 1:
        found = st.combined(second.mean - first.mean, sides)
        row |= {"welch_p": found.p, "low": found.low, "high": found.high}
        if paired and a.keys() == b.keys():
            each = st.summarize([b[seed] - a[seed] for seed in sorted(a)])
            p = finite(st.one_sample_t(each, 0.0).p)
            row |= {"paired_p": p, "paired_low": each.low, "paired_high": each.high}
        if margin is not None and name.startswith(_OF_SPLITS):  # a margin is of metrics, not of epochs or seconds
            row["tost_p"] = st.tost_two_sample(second, first, margin)
    return row


def _summary(values: Mapping[int, float | None]) -> st.Summary | None:
    """None where a run has no finite number."""
    found = [value for value in values.values() if value is not None]
    return st.summarize(found) if len(found) == len(values) else None


def _plain(summary: st.Summary | None) -> dict[str, float | None] | None:
    return None if summary is None else {"n": summary.n, "mean": summary.mean, "std": finite(summary.std)}


def _notes(a: Found, b: Found, same_task: bool, same_machine: bool) -> Iterator[str]:
    if not same_task:
        yield "not the same task and data: numbers of the same name stand side by side, and nothing is tested"
    if not same_machine:
        yield "not the same machine, or memory not measured in the same way: times and memory are left out"
    for name, side in (("A", a), ("B", b)):
        if 1 < len(side.records) < ENOUGH or (len(side.records) == 1 and max(len(a.records), len(b.records)) > 1):
            yield f"{name} has {len(side.records)} of the {ENOUGH} seeds without which nothing is concluded"
        if side.unfinished:
            yield f"{name}: not finished, left out: {', '.join(side.unfinished)}"
        if any(record.dirty for record in side.records):
            yield f"{name} was made from a checkout with uncommitted changes"
        if any(record.standin for record in side.records):
            yield f"{name} is of stand-in data"
        versions = dict.fromkeys(record.other_version for record in side.records if record.other_version)
        yield from (f"{name}: {version}" for version in versions)
    kinds = [side.records[0].plan["training"].get("max_epochs") for side in (a, b) if "training" in _plan(side)]
    if len(set(kinds)) > 1:
        yield f"A may train for {kinds[0]} epochs, B for {kinds[1]}"


def _plan(side: Found) -> dict[str, Any]:
    return side.records[0].plan


def _minus(x: float | None, y: float | None) -> float | None:
    return None if x is None or y is None else x - y


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _nan(value: float | None) -> float:
    return st.NAN if value is None else value
