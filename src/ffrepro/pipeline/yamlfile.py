"""YAML with line numbers: a key that is given twice is an error, and every key's line is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ffrepro.base.errors import FfreproError

try:
    from yaml import CSafeLoader as Loader  # ten times faster; absent where libyaml is
except ImportError:  # pragma: no cover
    from yaml import SafeLoader as Loader

KeyPath = tuple[str | int, ...]


def show(path: KeyPath) -> str:
    """A key's path as people write it: ``papers.x.settings[3].set.theta``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def load(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """Read a YAML file.

    Returns:
        the value, and the line (from 1) of every key and list entry.

    Raises:
        FfreproError: no such file, a syntax error (with its line), or a key given twice in one mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FfreproError(f"{path.name} is missing", where=path, fix="run ffrepro in the project's folder") from None
    try:
        loader = Loader(text)
        try:
            node = loader.get_single_node()
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise FfreproError(
            f"{path.name} is not valid YAML: {error.problem or error.context}",
            where=f"{path}{line}",
            fix="look at that line and the one before: indentation, a missing colon, an open bracket or quote",
        ) from None
    lines: dict[KeyPath, int] = {}
    if node is not None:
        _walk(node, (), lines, path)
    return value, lines


def _walk(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int], file: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*at, key.value)
            line = key.start_mark.line + 1
            if here in lines:
                raise FfreproError(
                    f"{show(here)} is given twice, in lines {lines[here]} and {line}",
                    where=f"{file}:{line}",
                    fix="keep one of them (YAML would silently take the last)",
                )
            lines[here] = line
            _walk(child, here, lines, file)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            lines[(*at, index)] = child.start_mark.line + 1
            _walk(child, (*at, index), lines, file)
