"""Settings declared beside the code that uses them: type, range, meaning, and a default for the library.

A method, net, view of the data, schedule, classifier or bench has a dictionary ``SETTINGS`` of name ->
``Declaration``.
It is the only place that says what a setting may be: params and studies, plan files and the library are all checked
against it. The default is used by the library alone; a run of the pipeline states every value with its source.

``ffrepro.pipeline.vocabulary`` reads the dictionaries without importing their modules (which would load torch), so
they may be built only from the functions here, from literals, and from such dictionaries of other modules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ffrepro.base.errors import FfreproError
from ffrepro.base.names import nearest

REQUIRED = object()  # no default: the library's user must give a value


@dataclass(frozen=True)
class Declaration:
    """What a setting may be.

    Attributes:
        kind: ``integer``, ``number``, ``boolean``, ``choice`` or ``list``.
        meaning: what it does, a phrase.
        default: the library's value, or ``REQUIRED``.
        options: of a choice.
        minimum, above, maximum, below: bounds of a number (inclusive, exclusive, inclusive, exclusive).
        item, shortest, longest, distinct: of a list: what each entry is, how many, and whether they must differ.
        nullable: whether None is a value.
        word: a text that is allowed instead of a number (``run`` of ``split_seed``).
    """

    kind: str
    meaning: str
    default: Any = REQUIRED
    options: tuple = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    item: Declaration | None = None
    shortest: int = 0
    longest: int | None = None
    distinct: bool = False
    nullable: bool = False
    word: str | None = None

    def allows(self, value: Any) -> bool:
        """Whether ``value`` is of the right type and within the range. True is no integer, 60.0 neither."""
        if value is None:
            return self.nullable
        if self.word is not None and value == self.word:
            return True
        match self.kind:
            case "boolean":
                return isinstance(value, bool)
            case "choice":
                return isinstance(value, str) and value in self.options
            case "list":
                return isinstance(value, list | tuple) and self._allows_items(list(value))
            case "integer":
                right = isinstance(value, int)
            case _:
                right = isinstance(value, int | float) and math.isfinite(value)
        return right and not isinstance(value, bool) and self._within(value)

    def _within(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.maximum is None or value <= self.maximum)
            and (self.below is None or value < self.below)
        )

    def _allows_items(self, items: list) -> bool:
        if len(items) < self.shortest or (self.longest is not None and len(items) > self.longest):
            return False
        if not all(self.item.allows(item) for item in items):
            return False
        return not self.distinct or all(item not in items[:place] for place, item in enumerate(items))

    def describe(self) -> str:
        """The allowed values in words: "a whole number, at least 1"; "one of rms, length"."""
        match self.kind:
            case "boolean":
                words = ["true or false"]
            case "choice":
                words = ["one of " + ", ".join(self.options)]
            case "list":
                words = [self._describe_list()]
            case kind:
                words = [{"integer": "a whole number", "number": "a number"}[kind]]
                bounds = {"at least": self.minimum, "above": self.above, "at most": self.maximum, "below": self.below}
                words += [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
        alternatives = [", ".join(words), *([self.word] if self.word else []), *(["null"] if self.nullable else [])]
        return " or ".join(alternatives)

    def _describe_list(self) -> str:
        text = "a list"
        if self.longest is not None and self.shortest == self.longest:
            text += f" of {self.shortest} entries"
        elif self.shortest:
            text += f" of at least {self.shortest} entries"
        return f"{text}, each {self.item.describe()}"


def integer(
    meaning: str, default: Any = REQUIRED, *, minimum: int, maximum: int | None = None, word: str | None = None
) -> Declaration:
    """A whole number. ``word``: a text that is allowed instead."""
    return Declaration("integer", meaning, default, minimum=minimum, maximum=maximum, word=word)


def number(
    meaning: str,
    default: Any = REQUIRED,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
) -> Declaration:
    """A finite number, whole or not."""
    return Declaration("number", meaning, default, minimum=minimum, above=above, maximum=maximum, below=below)


def flag(meaning: str, default: Any = REQUIRED) -> Declaration:
    """True or False."""
    return Declaration("boolean", meaning, default)


def choice(meaning: str, *options: str, default: Any = REQUIRED) -> Declaration:
    """One of several names."""
    return Declaration("choice", meaning, default, options=options)


def list_of(
    item: Declaration,
    meaning: str,
    default: Any = REQUIRED,
    *,
    shortest: int = 0,
    longest: int | None = None,
    distinct: bool = False,
) -> Declaration:
    """A list of entries that are each like ``item``."""
    return Declaration("list", meaning, default, item=item, shortest=shortest, longest=longest, distinct=distinct)


def or_none(declaration: Declaration, default: Any = REQUIRED) -> Declaration:
    """The same, or None."""
    return replace(declaration, nullable=True, default=default)


def only(declaration: Declaration, *options: str, default: Any = REQUIRED) -> Declaration:
    """A choice with fewer options."""
    return replace(declaration, options=options, default=default)


def complete(
    declared: Mapping[str, Declaration], given: Mapping[str, Any], *, what: str, defaults: bool = True
) -> dict[str, Any]:
    """``given`` checked against ``declared``, with defaults for what is missing.

    Args:
        declared: ``SETTINGS`` of the code in question.
        given: values by name.
        what: whose settings these are, for messages: ``method ff``.
        defaults: fill in the defaults; else everything must be given.

    Raises:
        FfreproError: an unknown name (the nearest one is suggested), a value of the wrong type or out of range, or
            something missing that has no default.
    """
    for name, value in given.items():
        if name not in declared:
            close = nearest(name, declared)
            hint = f"did you mean {close!r}? " if close else ""
            raise FfreproError(
                f"{what} has no setting {name!r}", where=name, fix=f"{hint}it has: {', '.join(declared) or 'none'}"
            )
        if not declared[name].allows(value):
            raise FfreproError(
                f"{what}: {name} = {value!r} is not allowed",
                where=name,
                fix=f"give {declared[name].describe()} ({declared[name].meaning})",
            )
    values = {}
    for name, declaration in declared.items():
        if name in given:
            values[name] = given[name]
        elif defaults and declaration.default is not REQUIRED:
            values[name] = declaration.default
        else:
            raise FfreproError(
                f"{what} needs {name!r}", where=name, fix=f"give {declaration.describe()} ({declaration.meaning})"
            )
    return values
