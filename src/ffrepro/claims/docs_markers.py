"""Markers in Markdown pages: the text between an opening and a closing one is generated.

A table stands on lines of its own, a value in the middle of a line::

    <!-- ffrepro: table PAPER/NAME -->
    <!-- /ffrepro -->

    ... an error of <!-- ffrepro: value PAPER/NAME -->1.57<!-- /ffrepro --> percent ...

``table PAPER/directions`` shows a study's ``directions`` (``docs_directions``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ffrepro.base.errors import FfreproError

TABLE, VALUE = "table", "value"
_MARKER = re.compile(r"<!--\s*(/?)ffrepro\b(.*?)-->", re.DOTALL)
_OPENING = re.compile(rf":\s+({TABLE}|{VALUE})\s+([\w-]+)/([\w-]+)\s*")
_FORM = "<!-- ffrepro: table PAPER/NAME --> ... <!-- /ffrepro -->, or value instead of table"


@dataclass(frozen=True)
class Block:
    """A generated part of a page.

    Attributes:
        kind: ``TABLE`` or ``VALUE``.
        paper, name: whose definition and which.
        line: where the opening marker is, from 1.
        start, end: of the text between the markers.
    """

    kind: str
    paper: str
    name: str
    line: int
    start: int
    end: int


def blocks(text: str, page: str) -> list[Block]:
    """The generated parts of a page, in its order.

    Args:
        page: the page's name, for errors.

    Raises:
        FfreproError: a marker that is malformed, without its other half, inside another pair, or in a place where
            Markdown would break the text around it.
    """
    found: list[Block] = []
    opened: tuple[str, str, str, int, int] | None = None  # kind, paper, name, line, end of the marker
    for marker in _MARKER.finditer(text):
        line = text.count("\n", 0, marker.start()) + 1
        where = f"{page}, line {line}"
        closing, content = marker.groups()
        if closing:
            if opened is None:
                raise FfreproError("a closing marker without an opening one", where=where, fix=f"write {_FORM}")
            found.append(Block(*opened[:4], start=opened[4], end=marker.start()))
            opened = None
            continue
        opening = _OPENING.fullmatch(content)
        if opening is None:
            raise FfreproError(f"not a marker: {marker.group()}", where=where, fix=f"write {_FORM}")
        if opened is not None:
            raise _unclosed(page, opened[3])
        kind, paper, name = opening.groups()
        begins = not text[: marker.start()].rpartition("\n")[2].strip()
        if begins != (kind == TABLE):
            # A line that begins with a comment ends the paragraph before it.
            rule = "begins a line" if kind == TABLE else "stands behind a word of its line"
            raise FfreproError(f"the marker of a {kind} {rule}", where=where, fix="move it")
        opened = kind, paper, name, line, marker.end()
    if opened is not None:
        raise _unclosed(page, opened[3])
    return found


def replace(text: str, found: list[Block], make: Callable[[Block], str]) -> tuple[str, list[Block]]:
    """The page with every generated part made anew, and the blocks that changed.

    Args:
        found: the page's ``blocks``.
        make: a block's text, without the line breaks around a table.
    """
    parts, changed, at = [], [], 0
    for block in found:
        made = make(block)
        if block.kind == TABLE:
            made = f"\n{made.strip()}\n"
        if made != text[block.start : block.end]:
            changed.append(block)
        parts += [text[at : block.start], made]
        at = block.end
    return "".join([*parts, text[at:]]), changed


def _unclosed(page: str, line: int) -> FfreproError:
    return FfreproError("an opening marker without a closing one", where=f"{page}, line {line}", fix=f"write {_FORM}")
