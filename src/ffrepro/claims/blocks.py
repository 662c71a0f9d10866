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
    """A section's title; level 1 is the report's own. ``nav``: what the page's bar calls it, where it stands there."""

    text: str
    level: int
    anchor: str
    nav: str = ""


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
    """A line of a table's cell; ``kind`` is a verdict's, which HTML colours; ``target``: the anchor it leads to."""

    text: str
    kind: str = ""
    target: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; a cell is a text or lines. Numbers are right-aligned in the columns named by ``numeric``.

    ``stacked``: on a narrow page each row is a card, its cells one below the other.
    """

    header: list[str]
    rows: list[list[str | list[Line]]]
    numeric: frozenset[int] = frozenset()
    anchors: list[str] = field(default_factory=list)  # of the rows, where something links to them
    stacked: bool = False


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


@dataclass(frozen=True)
class Switch:
    """Parts of which a page shows one at a time, by name; text, print and a page without scripts show all."""

    parts: dict[str, list[Block]]


@dataclass(frozen=True)
class Either:
    """The same for a page, which can fold and link, and for text, which cannot."""

    page: list[Block]
    text: list[Block]


@dataclass(frozen=True)
class Point:
    """A mark of a strip: which series, where between 0 and 100, its interval there, and its numbers in words."""

    series: int
    at: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Strip:
    """A row of a plot; ``target``: the anchor that its label leads to."""

    label: str
    points: list[Point]
    note: str = ""
    target: str = ""


@dataclass(frozen=True)
class Strips:
    """A plot of rows over one axis: names of the series, ticks (place, text), rows."""

    axis: str
    series: list[str]
    ticks: list[tuple[float, str]]
    rows: list[Strip]


@dataclass(frozen=True)
class Entry:
    """A claim that a reader may search for and open.

    Attributes:
        head: its parts by what they are: mark, number, what, published, ours, verdict.
        facets: what it is filtered by: paper, sum, verdict. words: what a search looks through.
    """

    anchor: str
    head: dict[str, str]
    facets: dict[str, str]
    words: str
    blocks: list[Block]


@dataclass(frozen=True)
class Finder:
    """The controls that search and filter entries; ``facets``: name -> value -> what it is called."""

    facets: dict[str, dict[str, str]]
    entries: int


Block = (
    Heading | Paragraph | Bullets | Code | Notice | Table | Picture | Folded | Switch | Either | Strips | Entry | Finder
)


def text_of(cell: str | list[Line], between: str = " ") -> str:
    """A cell as one text."""
    return cell if isinstance(cell, str) else between.join(line.text for line in cell)
