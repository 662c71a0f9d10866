"""Best values of searches, written into a study with the search's record as their source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ffrepro.base import files
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import unknown
from ffrepro.base.plans import protocol
from ffrepro.pipeline.plan import Plan
from ffrepro.pipeline.status import Record
from ffrepro.pipeline.studies import file_of
from ffrepro.pipeline.workspace import Workspace

KEY = "adopted"
_REFERENCE = "reports/reference"
_HEADER = f"{KEY}: # by `ffrepro plan --adopt RUN`: the best values of a search, for its variant on its data set\n"


def adopt(workspace: Workspace, plan: Plan, into: str | None = None) -> dict[str, Any]:
    """Write the best values of a finished search into its study; these values by setting.

    All else in the file stays as it is. Values that were adopted for the same variant, data set and treatment before
    are replaced.

    Args:
        into: the variant that takes them, of the same method and net; None: the one that was searched.

    Raises:
        FfreproError: no search, one on stand-in data, no record of it, or one of other settings than are planned; a
            variant that the study does not have, or of another method or net.
    """
    if plan["kind"] != "search":
        raise FfreproError(f"a run of kind {plan['kind']}", where=plan["run"], fix="name a search (`ffrepro plan`)")
    if plan["source"] != "upstream":
        raise FfreproError(
            "this search is on stand-in data, which say nothing of the real ones",
            where=plan["run"],
            fix="adopt from a search on real data (scale lite or paper)",
        )
    record = _record(workspace.root, plan["run"])
    if record is None:
        raise FfreproError(
            "this search has no finished record", where=plan["run"], fix=f"ffrepro search plan/{plan['run']}.json"
        )
    if protocol(record.plan) != protocol(plan):
        raise FfreproError(
            "the record is of a search with other settings than planned now",
            where=record.folder,
            fix=f"search again: ffrepro search --force plan/{plan['run']}.json",
        )
    values = best_values(record.result)
    variants, variant = workspace.params.raw["papers"][plan["paper"]]["variants"], into or plan["variant"]
    if variant not in variants:
        raise unknown("variant", variant, variants, where="--into")
    if not _alike(variants, variant, plan["variant"]):
        raise FfreproError(
            f"{variant} is of another method or net than {plan['variant']}, which was searched",
            where="--into",
            fix=f"choose a variant that extends {plan['variant']}",
        )
    place = (variant, plan["dataset"], plan["protocol"]["treatment"])
    entry = {"run": plan["run"], **dict(zip(("variant", "dataset", "treatment"), place, strict=True))}
    source = f"the best of {len(record.result['trials'])} trials of {plan['run']}"
    entry["set"] = {name: {"value": value, "source": source} for name, value in values.items()}
    path = workspace.root / file_of(plan["paper"])
    there = [found for found in workspace.params.raw["papers"][plan["paper"]][KEY] if _place(found) != place]
    files.write_text(path, with_adopted(path.read_text(encoding="utf-8"), [*there, entry]))
    return values


def findings(workspace: Workspace) -> list[str]:
    """Adopted values that are not those of their search's record, and those whose record is not here."""
    return [
        f"{file_of(paper)}: {KEY} {entry['run']}: {problem}"
        for paper, study in workspace.params.raw["papers"].items()
        for entry in study[KEY]
        for problem in _problems(workspace.root, study["variants"], entry)
    ]


def best_values(result: dict[str, Any]) -> dict[str, Any]:
    """The values of a search's best trial, by setting."""
    return {name.partition(".")[2]: value for name, value in result["trials"][result["best"]]["values"].items()}


def with_adopted(text: str, entries: list[dict[str, Any]]) -> str:
    """The text of a study with these entries under ``adopted``, at its end, and nothing else changed."""
    lines = text.splitlines(keepends=True)
    begin = next((index for index, line in enumerate(lines) if line.startswith(f"{KEY}:")), len(lines))
    inside = (index for index in range(begin + 1, len(lines)) if lines[index][0] not in " \n")
    rest = lines[:begin] + lines[next(inside, len(lines)) :]
    body = "".join(rest)
    return (body if body.endswith("\n") or not body else f"{body}\n") + _HEADER + "".join(map(_entry, entries))


def _entry(entry: dict[str, Any]) -> str:
    lines = [f"  - run: {entry['run']}\n"]
    lines += [f"    {key}: {entry[key]}\n" for key in ("variant", "dataset", "treatment")]
    lines.append("    set:\n")
    for name, setting in entry["set"].items():
        lines.append(f"      {name}: {{value: {_value(setting['value'])}, source: {json.dumps(setting['source'])}}}\n")
    return "".join(lines)


def _value(value: Any) -> str:
    """A value as YAML 1.1 reads it back: a power of ten with a point."""
    text = json.dumps(value)
    mantissa, power, exponent = text.partition("e")
    return f"{mantissa}.0e{exponent}" if power and isinstance(value, float) and "." not in mantissa else text


def _place(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["variant"], entry["dataset"], entry["treatment"]


def _alike(variants: dict[str, Any], one: str, other: str) -> bool:
    """Whether two variants have the same method and net."""
    kinds = [{key: variants[name].get(key) for key in ("method", "net")} for name in (one, other) if name in variants]
    return len(kinds) == 2 and kinds[0] == kinds[1]


def _problems(root: Path, variants: dict[str, Any], entry: dict[str, Any]) -> Iterator[str]:
    record = _record(root, entry["run"])
    if record is None:
        yield f"no finished record in runs/ or {_REFERENCE}/"
        return
    plan = record.plan
    place = (plan["dataset"], plan["protocol"]["treatment"])
    if _place(entry)[1:] != place or not _alike(variants, entry["variant"], plan["variant"]):
        yield "its search is of another variant, data set or treatment"
    values, stated = best_values(record.result), {name: found["value"] for name, found in entry["set"].items()}
    for name in dict.fromkeys([*values, *stated]):
        if values.get(name) != stated.get(name):
            yield f"{name} is {stated.get(name)}, the search found {values.get(name)}"


def _record(root: Path, run: str) -> Record | None:
    """The finished record of a search, of this machine's runs or committed."""
    found = (Record(root / place / run, root) for place in ("runs", _REFERENCE))
    return next((record for record in found if record.complete("search")), None)
