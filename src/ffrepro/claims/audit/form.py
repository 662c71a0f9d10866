"""Audit files: read, held to their schema, and made into figures that expressions can speak of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

import ffrepro
from ffrepro.base import yamlfile
from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest, unknown
from ffrepro.core.audit import counts, expressions, intervals
from ffrepro.core.audit.figures import Figures, Table
from ffrepro.core.audit.intervals import Printed

STUDIES = Path(ffrepro.__file__).parent / "studies"
SCHEMA = Path(__file__).parent / "schema.yaml"
KINDS = ("statement", "number", "p_value", "grim", "spread", "missing")
FILE = "audit.yaml"


@dataclass(frozen=True)
class Form:
    """An audit file: its content, and the figures in it."""

    content: dict[str, Any]
    figures: Figures
    path: Path

    @property
    def paper(self) -> str:
        return self.content["paper"]

    @property
    def checks(self) -> list[dict[str, Any]]:
        return self.content["checks"]

    def outside(self, texts: list[str]) -> dict[str, str]:
        """Of what expressions name, that which is not the paper's own, with its source."""
        named = set().union(*(expressions.names(text) for text in texts))
        parts = (self.content.get(part, {}) for part in ("tables", "values", "architectures"))
        entries = {name: entry for part in parts for name, entry in part.items()}
        return {name: entries[name]["source"] for name in entries if name in named and "source" in entries[name]}


def papers() -> list[str]:
    """The papers of this project that have an audit file."""
    return sorted(path.parent.name for path in STUDIES.glob(f"*/{FILE}"))


def find(name: str) -> Path:
    """The audit file of a paper of this project, or the file of this name.

    Raises:
        FfreproError: neither is there.
    """
    if name in papers():
        return STUDIES / name / FILE
    if Path(name).is_file():
        return Path(name)
    if name.endswith((".yaml", ".yml")) or "/" in name:
        raise FfreproError(f"{name} is no file", where=name, fix="name a YAML file; docs/AUDIT.md has an example")
    raise unknown("paper", name, papers(), where="ffrepro audit")


def load(path: Path) -> Form:
    """Read an audit file and check it.

    Raises:
        FfreproError: no YAML, or it breaks the schema or names what is not there (file, line and key).
    """
    content, lines = yamlfile.load(path)
    reader = _Reader(path, lines)
    schema, _ = yamlfile.load(SCHEMA)
    reader.hold(content, schema, ())
    seen: dict[str, int] = {}
    for index, check in enumerate(content["checks"]):
        at = ("checks", index)
        kind = check.get("kind")
        if kind not in KINDS:
            raise reader.error((*at, "kind"), f"unknown kind of check {kind!r}", _choices(kind, KINDS))
        reader.hold(check, schema["$defs"][kind] | {"$defs": schema["$defs"]}, at)
        if check["id"] in seen:
            what = f"the id {check['id']!r} is given twice"
            raise reader.error((*at, "id"), what, f"checks[{seen[check['id']]}] has it too; give each check its own")
        seen[check["id"]] = index
    figures = Figures(reader.tables(content), reader.values(content), reader.nets(content))
    twice = sorted(set(figures.tables) & set(figures.values))
    if twice:
        raise reader.error(("values", twice[0]), f"{twice[0]!r} is a table and a value", "rename one of them")
    return Form(content, figures, path)


class _Reader:
    """Turns parts of a file into figures; errors name its path, line and key."""

    def __init__(self, path: Path, lines: dict[tuple, int]):
        self.path, self.lines = path, lines

    def error(self, at: tuple, what: str, fix: str) -> FfreproError:
        near = at
        while near and near not in self.lines:  # a missing key has no line: its parent's
            near = near[:-1]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).lstrip(".")
        return FfreproError(what, where=f"{self.path}:{self.lines.get(near, 1)} {key}".rstrip(), fix=fix)

    def hold(self, value: Any, schema: dict, at: tuple) -> None:
        """Refuse a value that breaks a schema; the first problem in the order of the file."""
        problems = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda p: self._line(at, p))
        if problems:
            problem = problems[0]
            what, fix, key = _explain(problem)
            raise self.error((*at, *problem.absolute_path, *key), what, fix)

    def _line(self, at: tuple, problem: ValidationError) -> int:
        return self.lines.get((*at, *problem.absolute_path), 0)

    def tables(self, content: dict) -> dict[str, Table]:
        found = {}
        for name, entry in content.get("tables", {}).items():
            at = ("tables", name)
            for column in entry.get("exact", []):
                if column not in entry["columns"]:
                    fix = _choices(column, entry["columns"])
                    raise self.error((*at, "exact"), f"unknown column {column!r}", fix)
            rows = {}
            for row, cells in entry["rows"].items():
                here = (*at, "rows", row)
                if len(cells) != len(entry["columns"]):
                    what = f"{len(cells)} cells in a table of {len(entry['columns'])} columns"
                    raise self.error(here, what, "write null where nothing is printed")
                exact = [column in entry.get("exact", []) for column in entry["columns"]]
                rows[row] = [
                    None if cell is None else self._printed(cell, counted, (*here, index))
                    for index, (cell, counted) in enumerate(zip(cells, exact, strict=True))
                ]
            found[name] = Table(entry["columns"], rows)
        return found

    def values(self, content: dict) -> dict[str, Printed]:
        found = {}
        for name, entry in content.get("values", {}).items():
            at = ("values", name)
            if ("place" in entry) == ("source" in entry):
                fix = "`place` of one that the paper prints, `source` of one from elsewhere"
                raise self.error(at, "a value has either a place or a source", fix)
            found[name] = self._printed(entry["printed"], entry.get("exact", False), (*at, "printed"))
        return found

    def nets(self, content: dict) -> dict[str, list[counts.Counted]]:
        found = {}
        for name, entry in content.get("architectures", {}).items():
            try:
                found[name] = counts.count(entry["input"], entry["layers"])
            except counts.LayerError as error:
                kind = entry["layers"][error.index]["kind"]
                known = sorted(counts.KINDS[kind][1]) if kind in counts.KINDS else sorted(counts.KINDS)
                what = f"{kind} takes" if kind in counts.KINDS else f"{_choices(kind, known)} Kinds:"
                at = ("architectures", name, "layers", error.index)
                raise self.error(at, str(error), f"{what} {', '.join(known) or 'no settings'}") from None
        return found

    def _printed(self, text: str, exact: bool, at: tuple) -> Printed:
        try:
            return intervals.parse(text, exact=exact)
        except ValueError as error:
            fix = 'write it as "84.3", "1,234", "96 %" or "0.12 ± 0.03"; null where nothing is printed'
            raise self.error(at, str(error), fix) from None


def _explain(problem: ValidationError) -> tuple[str, str, tuple]:
    """What a schema violation is, how to mend it, and the key below the problem's own path."""
    value, allowed = problem.instance, problem.schema
    if problem.validator == "additionalProperties":
        known = sorted(allowed.get("properties", {}))
        extra = next(key for key in value if key not in known)
        return f"unknown key {extra!r}", _choices(str(extra), known), (extra,)
    if problem.validator == "required":
        missing = next(key for key in allowed["required"] if key not in value)
        return f"the key {missing!r} is missing", f"needed here: {', '.join(allowed['required'])}", ()
    if problem.validator == "type" and isinstance(value, int | float) and "string" in allowed["type"]:
        return f"{value!r} is no text", f'write it in quotes, with the digits as printed: "{value}"', ()
    if problem.validator == "enum":
        return f"{value!r} is not allowed", _choices(str(value), problem.validator_value), ()
    return problem.message[:200], "see docs/AUDIT.md", ()


def _choices(name: Any, available: Any) -> str:
    options = sorted(map(str, available))
    close = nearest(str(name), options)
    return (f"Did you mean {close!r}? " if close else "") + f"Available: {', '.join(options)}"
