"""What a report is made of, independent of HTML and Markdown.

Texts may hold `code` in backticks and [links](#anchor) within the report; everything else is literal, whatever a
record or a claim brings: no markup, no other link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

INLINE = re.compile(r"`([^`]+)`|\[([^\]]+)\]\((#[^)\s]+)\)")  # `code`, or a link's text and target


@dataclass(frozen=True)
class Heading:
    """A section's title; level 1 is the report's own."""

    text: str
    level: int
    anchor: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: list[str]


@dataclass(frozen=True)
class Code:
    """Commands or output, verbatim."""

    text: str


@dataclass(frozen=True)
class Notice:
    """A text nobody may miss."""

    text: str


@dataclass(frozen=True)
class Line:
    """A line of a table's cell; ``kind`` is a verdict's, which HTML colours."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; a cell is a text or lines. Numbers are right-aligned in the columns named by ``numeric``."""

    header: list[str]
    rows: list[list[str | list[Line]]]
    numeric: frozenset[int] = frozenset()
    anchors: list[str] = field(default_factory=list)  # of the rows, where something links to them


@dataclass(frozen=True)
class Picture:
    """An image: its file relative to the report, its bytes, and what a reader sees in it."""

    path: str
    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class Folded:
    """Blocks behind a summary that a reader may open."""

    summary: str
    blocks: list[Block]


Block = Heading | Paragraph | Bullets | Code | Notice | Table | Picture | Folded


def text_of(cell: str | list[Line], between: str = " ") -> str:
    """A cell as one text."""
    return cell if isinstance(cell, str) else between.join(line.text for line in cell)
