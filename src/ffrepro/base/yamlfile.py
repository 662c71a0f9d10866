"""Guarded reading of YAML, with line numbers: plain values only, and a key that is given twice is an error.

YAML is read as far as this project uses it: mappings with text keys, lists, texts, decimal numbers, true and false,
null, aliases and merge keys. Whatever else YAML 1.1 makes of a value (dates, 1:30 as 90, 010 as 8) is refused, as
nobody means it.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import yaml

from ffrepro.base.errors import DataFileError, FfreproError
from ffrepro.base.reading import read_text

try:
    from yaml import CSafeLoader as Loader  # ten times faster; absent where libyaml is
except ImportError:  # pragma: no cover
    from yaml import SafeLoader as Loader

KeyPath = tuple[str | int, ...]
MAX_BYTES = 4 << 20
MAX_DEPTH = 100
MAX_NODES = 100_000  # aliases count as often as they stand: nine lines can mean a billion values
_SURE_DEPTH = 2000  # nesting that libyaml composes safely; it has no limit of its own and ends the process at 50,000
_TAG = "tag:yaml.org,2002:"
_INDENTATION = re.compile(r"^[ ?:-]*", re.MULTILINE)
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_MEND = "look at that line and the one before: indentation, a missing colon, an open bracket or quote"


def show(path: KeyPath) -> str:
    """A key's path as people write it: ``papers.x.settings[3].set.theta``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Read a YAML file that holds a mapping.

    Returns:
        the value, and the line (from 1) of every key and list entry.

    Raises:
        FfreproError: no such file, or it cannot be read as described above (with the line).
    """
    try:
        text = read_text(path, MAX_BYTES)
    except FileNotFoundError:
        raise FfreproError(f"{path.name} is missing", where=path, fix="run ffrepro in the project's folder") from None
    try:
        _check_depth(text, path)
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise DataFileError(
            f"{path.name} is not valid YAML: {error.problem or error.context}", where=f"{path}{line}", fix=_MEND
        ) from None
    except yaml.YAMLError as error:  # a character that no YAML file may have
        what = str(error).splitlines()[0]
        raise DataFileError(f"{path.name} is not valid YAML: {what}", where=path, fix="remove that character") from None
    if not isinstance(node, yaml.MappingNode):
        line = 1 if node is None else node.start_mark.line + 1
        raise DataFileError(
            f"{path.name} is no mapping of keys to values" if node else f"{path.name} is empty",
            where=f"{path}:{line}",
            fix="write `key: value` lines, or take the file from the repository again",
        )
    builder = _Builder(path)
    return builder.value(node, ()), builder.lines


def _compose(text: str) -> yaml.Node | None:
    loader = Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _check_depth(text: str, path: Path) -> None:
    """Refuse a text whose nesting libyaml could not take, before it composes it.

    A collection is in brackets, or begins after nothing but indentation and signs of a collection, at most two of them
    in one column. Only a text that could be too deep by this count is looked at in full.
    """
    column = max(len(found) for found in _INDENTATION.findall(text))
    if text.count("[") + text.count("{") + 2 * (column + 1) <= _SURE_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(path, event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(path: Path, at: yaml.Node | yaml.Event) -> DataFileError:
    return _refused(path, at, f"nested more than {MAX_DEPTH} levels deep", "nothing here needs more than 20")


def _refused(path: Path, at: yaml.Node | yaml.Event, what: str, fix: str) -> DataFileError:
    return DataFileError(f"{path.name}: {what}", where=f"{path}:{at.start_mark.line + 1}", fix=fix)


class _Builder:
    """Makes values of nodes, and notes the line of every key and list entry."""

    def __init__(self, path: Path):
        self.path = path
        self.lines: dict[KeyPath, int] = {}
        self._nodes = 0

    def value(self, node: yaml.Node, at: KeyPath) -> Any:
        """What a node stands for; ``at`` is where."""
        self._nodes += 1
        if len(at) > MAX_DEPTH:
            raise _too_deep(self.path, node)
        if self._nodes > MAX_NODES:
            raise _refused(
                self.path, node, f"more than {MAX_NODES:,} values, aliases counted as often as they stand", "shorten it"
            )
        match node:
            case yaml.ScalarNode():
                return self._scalar(node)
            case yaml.SequenceNode(tag=tag) if tag == f"{_TAG}seq":
                return [self._entry(child, (*at, index)) for index, child in enumerate(node.value)]
            case yaml.MappingNode(tag=tag) if tag == f"{_TAG}map":
                return self._mapping(node, at)
        raise self._no_plain_value(node)

    def _entry(self, node: yaml.Node, at: KeyPath) -> Any:
        self.lines[at] = node.start_mark.line + 1
        return self.value(node, at)

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":
                merged = self._merged(child, at) | merged
                continue
            if key.tag != f"{_TAG}str":
                what = f"the key {key.value!r}" if isinstance(key, yaml.ScalarNode) else "a key"
                raise _refused(self.path, key, f"{what} is no text", "write it in quotes")
            name = key.value
            if name in own:
                raise DataFileError(
                    f"{show((*at, name))} is given twice, in lines {self.lines[(*at, name)]} and {line}",
                    where=f"{self.path}:{line}",
                    fix="keep one of them (YAML would silently take the last)",
                )
            self.lines[(*at, name)] = line
            own[name] = self.value(child, (*at, name))
        return merged | own

    def _merged(self, node: yaml.Node, at: KeyPath) -> dict[str, Any]:
        """The mapping behind a merge key, or those of a list, of which the first wins."""
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found: dict[str, Any] = {}
        for part in parts:
            value = self.value(part, (*at, "<<"))
            if not isinstance(value, dict):
                raise _refused(self.path, node, "what `<<` merges is no mapping", "name the anchor of a mapping")
            found = value | found
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool" if text.lower() in ("true", "false", "yes", "no", "on", "off"):
                return text.lower() in ("true", "yes", "on")
            case "int" if _WHOLE.fullmatch(text):
                return int(text)
            case "float" if _DECIMAL.fullmatch(text) and math.isfinite(float(text)):
                return float(text)
        raise self._no_plain_value(node)

    def _no_plain_value(self, node: yaml.Node) -> DataFileError:
        shown = repr(node.value[:40]) if isinstance(node, yaml.ScalarNode) else "a collection"
        kind = node.tag.removeprefix(_TAG)
        return _refused(
            self.path,
            node,
            f"{shown} is no plain value (YAML reads it as {kind})",
            "write a decimal number (18 digits at most), or a text in quotes",
        )
