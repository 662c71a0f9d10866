"""Tables of what papers announce and do not run: covered or not, by what, why not, at what cost.

A study's ``docs.yaml`` declares them under ``directions``; its marker is ``table PAPER/directions``. What a direction
names must exist, its state follows from committed runs and verdicts, and every claim with ``future: true`` must be
named by one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from ffrepro.base import studies, yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.claims import formats, verdict
from ffrepro.claims.blocks import Table
from ffrepro.claims.docs_sources import Sources
from ffrepro.core import statistics as st

NAME = "directions"
COVERED, PARTLY, DECLARED, NOT = "covered", "partly", "declared, not run", "not covered"
_DECIDED = (verdict.HOLD, verdict.AHEAD, verdict.HOLD_NOT)
_HEAD = ["direction", "announced in", "state", "by what", "what is missing, and its cost"]
_UNITS = ((365.25 * 86400, "years"), (86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def table(sources: Sources, spec: list[dict[str, Any]], other: Callable[[str], Sources]) -> Table:
    """A row for each direction that a paper announces.

    Args:
        sources: of the paper. spec: its ``directions``.
        other: a paper's sources by its key, for rows that another study covers.

    Raises:
        FfreproError: a direction names what is not there, or a claim with ``future: true`` is named by none.
    """
    _check_announced(sources, spec)
    return Table(_HEAD, [_row(sources, entry, other) for entry in spec])


def announced(sources: Sources) -> list[str]:
    """Short ids of the claims that announce future work."""
    return [name.rsplit("/", 1)[1] for name, claim in sources.claims.claims.items() if claim.get("future")]


def duration(seconds: float) -> str:
    """A time in its largest unit of which there is at least one, two digits: ``about 12 hours``."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    found = seconds / size
    rounded = round(found, 1 - math.floor(math.log10(found))) if found > 0 else 0.0
    return f"about {rounded:,.0f} {unit}" if rounded >= 10 else f"about {rounded:.1f} {unit}"


def _check_announced(sources: Sources, spec: list[dict[str, Any]]) -> None:
    named = {short for entry in spec for short in entry.get("claims", [])}
    missing = [short for short in announced(sources) if short not in named]
    if missing:
        raise FfreproError(
            f"no direction names {', '.join(missing)}, which claims.yaml marks as future work",
            fix=f"add them to `claims` of an entry of `{NAME}`",
        )


def _row(sources: Sources, entry: dict[str, Any], other: Callable[[str], Sources]) -> list[str]:
    try:
        for short in entry.get("claims", []):
            sources.claim(short)
        ids = ", ".join(entry.get("claims", []))
        place = f"{entry['where']} (claim{'s' * (',' in ids)} {ids})" if ids else entry["where"]
        runs = [(named, _plans(other(named["study"]) if "study" in named else sources, named))
                for named in entry.get("runs", [])]  # fmt: skip
        verdicts = {short: sources.claim(short).verdict.kind for short in entry.get("answers", [])}
        parts = [entry["by"]] if "by" in entry else []
        parts += [_shown(named, plans) for named, plans in runs]
        parts += [f"claim {short}: {kind}" for short, kind in verdicts.items()]
        parts += [_file(sources, path) for path in entry.get("files", [])]
        missing = [entry["why"]] if "why" in entry else []
        missing += [_cost(sources, entry["cost"], other)] if "cost" in entry else []
        state = _state(entry, runs, verdicts)
        return [entry["direction"], place, state, "; ".join(parts) or formats.DASH, " ".join(missing) or formats.DASH]
    except FfreproError as error:
        raise FfreproError(f"direction {entry['direction']}: {error.what}", fix=error.fix) from None


def _state(entry: dict[str, Any], runs: list[tuple[dict, list[dict]]], verdicts: dict[str, str]) -> str:
    """``COVERED`` and so on, from what is committed: nobody calls a direction covered by hand."""
    if any(plans for _, plans in runs) or any(verdict.sum_of(kind) in _DECIDED for kind in verdicts.values()):
        found = [(set(named.get("variants", [])), set().union(*map(_variants, plans))) for named, plans in runs]
        whole = all(plans for _, plans in runs) and all(there >= wanted for wanted, there in found)
        return COVERED if whole and "why" not in entry else PARTLY
    return DECLARED if runs or "files" in entry else NOT


def _plans(study: Sources, named: dict[str, Any]) -> list[dict[str, Any]]:
    """Plans of the committed runs of an experiment, of the variants alone where some are named.

    Raises:
        FfreproError: the study has no such experiment or variant.
    """
    where = studies.FOLDER / study.claims.paper / "study.yaml"
    content, _ = yamlfile.load(where)
    wanted = [("experiment", named["experiment"])] + [("variant", name) for name in named.get("variants", [])]
    for kind, name in wanted:
        if name not in content[f"{kind}s"]:
            raise unknown(kind, name, content[f"{kind}s"], where=where)
    plans = [record.plan for record in study.store.records.values() if record.plan["paper"] == study.claims.paper]
    plans = [plan for plan in plans if _family(plan) == named["experiment"]]
    return [plan for plan in plans if "variants" not in named or _variants(plan) & set(named["variants"])]


def _variants(plan: dict[str, Any]) -> set[str]:
    """Those that a run has numbers of: a bench has all of its own in one record."""
    return set(plan["variants"]) if plan["kind"] == "bench" else {plan["variant"]}


def _family(plan: dict[str, Any]) -> str:
    """The experiment's name in study.yaml."""
    return plan["experiment"].removesuffix(f"_{plan['dataset']}_{plan['protocol']['treatment']}")


def _shown(named: dict[str, Any], plans: list[dict[str, Any]]) -> str:
    of = f" ({', '.join(f'`{name}`' for name in named['variants'])})" if "variants" in named else ""
    study = f" of {named['study']}" if "study" in named else ""
    scales = Counter(plan["scale"] for plan in plans)
    runs = [f"{count} run{'s' if count > 1 else ''} at scale {scale}" for scale, count in sorted(scales.items())]
    return f"`{named['experiment']}`{of}{study}: {' and '.join(runs) or 'no run'}"


def _file(sources: Sources, path: str) -> str:
    if not (sources.store.root / path).exists():
        raise FfreproError(f"no file {path}", fix="name a file of the project, from its folder on")
    return f"`{path}`"


def _cost(sources: Sources, spec: str | dict[str, Any], other: Callable[[str], Sources]) -> str:
    """A cost in words, or computed: seconds of some runs, or operations over a rate, times what is declared.

    Raises:
        FfreproError: there are no such runs, or they lack the metric.
    """
    if isinstance(spec, str):
        return spec
    if "runs" in spec:
        study = other(spec["study"]) if "study" in spec else sources
        runs = study.only(spec["runs"])
        values = [record.value(spec["metric"]) for record in runs.records] if runs else []
        if not values or None in values:
            raise FfreproError(f"no committed runs {spec['runs']} with {spec['metric']}", fix="look at `cost`")
        base = st.summarize(values).mean / math.prod(spec.get("over", [1]))
    else:
        base = 1 / spec["per_s"]
    return f"Cost: {duration(base * math.prod(spec['times']))} ({spec['says']})"
