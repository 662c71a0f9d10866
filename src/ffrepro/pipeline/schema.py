"""JSON-schema violations as problems a person can act on: the key's path, what is wrong, what would be right."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest
from ffrepro.base.yamlfile import KeyPath, show

SHOWN = 10
_ANYTHING = "another value"
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    "minLength": "at least {} characters",
    "minProperties": "at least {} entries",
    "pattern": "text that matches {}",
}

# JSON schema takes 60.0 for an integer and NaN for a number: neither may reach a plan file.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ).redefine(
        "number",
        lambda _, value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    ),
)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a YAML file: where, what, and what to do about it."""

    path: KeyPath
    what: str
    fix: str


def unknown_name(path: KeyPath, kind: str, name: Any, available: Any) -> Problem:
    """The problem of a name that does not exist: nearest name first, then all of them."""
    options = sorted(str(option) for option in available)
    close = nearest(str(name), options)
    hint = f"Did you mean {close!r}? " if close else ""
    return Problem(path, f"unknown {kind} {name!r}", f"{hint}Available: {', '.join(options) or 'none'}")


@dataclass(frozen=True)
class Source:
    """A YAML file: its name for messages, where its content stands among the parameters, and the lines of its keys."""

    file: str
    at: KeyPath
    lines: dict[KeyPath, int]

    def has(self, path: KeyPath) -> bool:
        """Whether a key is one of this file."""
        return path[: len(self.at)] == self.at

    def place(self, path: KeyPath) -> str:
        """``file:line`` of a key; of one that is missing, of what it is missing in."""
        return f"{self.file}:{self.line(path)}"

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest one around it."""
        own = path[len(self.at) :]
        while own and own not in self.lines:
            own = own[:-1]
        return self.lines.get(own, 1)


def source_of(path: KeyPath, sources: list[Source]) -> Source:
    """The file that a key stands in: of several whose content is around it, the innermost."""
    return max((source for source in sources if source.has(path)), key=lambda source: len(source.at))


def raise_problems(problems: list[Problem], sources: list[Source]) -> None:
    """Raise one error that lists the problems (all of them, or the first ten); return if there are none.

    Raises:
        FfreproError: there is at least one problem.
    """
    problems = list(dict.fromkeys(problems))
    if not problems:
        return
    found_in = [source_of(problem.path, sources) for problem in problems]
    places = [
        f"{show(problem.path[len(source.at) :])} ({source.file}, line {source.line(problem.path)})"
        for problem, source in zip(problems, found_in, strict=True)
    ]
    if len(problems) == 1:
        raise FfreproError(problems[0].what, where=places[0], fix=problems[0].fix)
    shown = [
        f"{place}: {problem.what}\n         {problem.fix}" for place, problem in zip(places, problems, strict=True)
    ]
    if len(shown) > SHOWN:
        shown[SHOWN:] = [f"... and {len(shown) - SHOWN} more"]
    files = list(dict.fromkeys(source.file for source in found_in))
    raise FfreproError(
        f"{' and '.join(files)} {'has' if len(files) == 1 else 'have'} {len(problems)} problems",
        where="\n         ".join(shown),
        fix="mend these keys; nothing was run and nothing was written",
    )


def check(value: Any, schema: dict, at: KeyPath = ()) -> list[Problem]:
    """The problems of ``value`` under a JSON schema, in the order of the file."""
    errors = _Validator(schema).iter_errors(value)
    return [problem for error in errors for problem in _problems(error, at)]


def describe(schema: dict) -> str:
    """A schema in words: "a whole number, at least 1"; "one of rms, standardize"."""
    if "enum" in schema:
        return "one of " + ", ".join(map(_text, schema["enum"]))
    if "const" in schema:
        return _text(schema["const"])
    if "anyOf" in schema:
        return " or ".join(describe(option) for option in schema["anyOf"])
    words = [_type_words(schema["type"])] if "type" in schema else []
    words += [phrase.format(schema[key]) for key, phrase in _BOUNDS.items() if key in schema]
    if "items" in schema and words and (each := describe(schema["items"])) != _ANYTHING:
        words.append(f"each of them {each}")
    return ", ".join(words) or _ANYTHING


def found(value: Any) -> str:
    """A wrong value in words, with the hint that YAML 1.1 reads ``1e-5`` as text."""
    kind = _type_words(_type_of(value))
    text = f"found {value!r} ({kind})"
    number = _yaml_number(value) if isinstance(value, str) else None
    return text if number is None else f"{text}; YAML reads it as text, write {number} without quotes"


def _problems(error: ValidationError, at: KeyPath) -> Iterator[Problem]:
    path = (*at, *error.absolute_path)
    if error.validator == "additionalProperties" and error.schema.get("additionalProperties") is False:
        known = error.schema.get("properties", {})
        for key in error.instance:
            if key not in known:
                yield unknown_name((*path, key), "key", key, known)
    elif error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance and repr(key) in error.message)
        misspelt = nearest(missing, (key for key in error.instance if key not in error.schema.get("properties", {})))
        if misspelt is None:  # else it is reported as an unknown key, with the right name
            yield Problem(
                (*path, missing), "this key is missing", f"add {missing!r} under {show(path) or 'the top level'}"
            )
    elif error.validator == "enum" and isinstance(error.instance, str):
        yield unknown_name(path, "value", error.instance, error.validator_value)
    elif error.validator == "uniqueItems":
        yield Problem(path, "an entry is given twice", "keep one of them")
    elif "propertyNames" in error.schema_path:
        yield Problem((*path, error.instance), f"{error.instance!r} is no name", "use a-z, 0-9 and _, a letter first")
    else:
        alone = error.validator_value == "array" and isinstance(error.instance, str | int | float)
        fix = f"write it as a list: [{error.instance}]" if alone else "change the value"
        if error.validator_value == "object" and {"value", "source"} <= error.schema.get("properties", {}).keys():
            fix = f'write {{value: {error.instance}, source: "where it is from"}}'
        yield Problem(path, f"expected {describe(error.schema)}; {found(error.instance)}", fix)


def _yaml_number(text: str) -> str | None:
    """What to write so that YAML 1.1 reads a number (a power of ten needs a point and a sign); None for no number."""
    if re.fullmatch(r"[-+]?[0-9]+", text):
        return str(int(text))
    try:
        number = float(text)
    except ValueError:
        return None
    mantissa, power, exponent = repr(number).partition("e")
    if not math.isfinite(number):
        return None
    return f"{mantissa}.0e{exponent}" if power and "." not in mantissa else repr(number)


def _text(value: Any) -> str:
    return "null" if value is None else str(value)


def _type_of(value: Any) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null" if value is None else type(value).__name__)


def _type_words(kind: str | list[str]) -> str:
    words = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "true or false",
        "array": "a list",
        "object": "a mapping",
        "null": "null",
    }
    kinds = [kind] if isinstance(kind, str) else kind
    return " or ".join(words.get(name, name) for name in kinds)
