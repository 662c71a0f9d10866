"""The parts of the HTML page that are more than text and tables: plots, entries to search for, inline markup."""

from __future__ import annotations

import math
import re
from html import escape

from ffrepro.claims import blocks as b

_COLOURED = ("mark", "verdict")
SHAPES = ("diamond", "disc", "square", "bar")  # of the first, second, third and fourth series: no colour is needed


def inline(text: str) -> str:
    """Escaped text with `code` and [links](#anchor) in it."""

    def markup(match: re.Match) -> str:
        code, label, target = match.groups()
        return f"<code>{code}</code>" if code else f'<a href="{target}">{label}</a>'

    return b.INLINE.sub(markup, escape(text, quote=True))


def slug(kind: str) -> str:
    """A verdict's or a word's name as a class: ``v-setting-met``."""
    return "v-" + (re.sub(r"[^a-z]+", "-", kind.lower()).strip("-") or "none")


def entry(found: b.Entry, inner: str) -> str:
    """A claim that opens; what it is filtered by and searched through is in its attributes."""
    kind = slug(found.facets.get("verdict", ""))
    head = "".join(
        f'<span class="{name}{f" {kind}" if name in _COLOURED else ""}">{inline(text)}</span> '
        for name, text in found.head.items()
    )
    facets = " ".join(f'data-{name}="{escape(value)}"' for name, value in found.facets.items())
    return (
        f'<details class="claim" id="{escape(found.anchor)}" {facets} data-words="{escape(found.words)}">'
        f"<summary>{head}</summary>\n{inner}\n</details>"
    )


def finder(found: b.Finder) -> str:
    """The controls; without scripts they would do nothing, and stay hidden."""
    choices = []
    for name, values in found.facets.items():
        options = "".join(f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in values.items())
        select = f'<select data-facet="{escape(name)}"><option value="">all</option>{options}</select>'
        choices.append(f"<label>{escape(name)} {select}</label>")
    return (
        '<div class="finder" hidden><label>search <input type="search" id="words" placeholder="table 1 mcyt auc" '
        f'autocomplete="off"></label> {" ".join(choices)} <output id="found">{found.entries} claims</output></div>'
    )


def strips(plot: b.Strips) -> str:
    """A plot whose text keeps its size on every page: each row is a drawing as wide as there is room."""
    ticks = "".join(f'<line class="grid" x1="{at:.2f}%" x2="{at:.2f}%" y1="0" y2="100%"/>' for at, _ in plot.ticks)
    legend = "".join(
        f'<span class="key"><svg width="18" height="14" aria-hidden="true">{_mark(shape, "9", index)}</svg> '
        f"{escape(name)}</span>"
        for index, (name, shape) in enumerate(zip(plot.series, SHAPES, strict=False))
    )
    rows = "\n".join(_strip(row, plot, ticks) for row in plot.rows)
    numbers = "".join(
        f'<span style="left:{at:.2f}%"{" class=end" if at > 95 else ""}>{escape(text)}</span>'
        for at, text in plot.ticks
    )
    return (
        f'<div class="plot"><p class="legend">{legend}</p>\n{rows}\n'
        f'<div class="strip axis"><span></span><div class="numbers">{numbers}</div>'
        f'<span class="note">{escape(plot.axis)}</span></div></div>'
    )


def _strip(row: b.Strip, plot: b.Strips, ticks: str) -> str:
    label = f'<a href="#{escape(row.target)}">{escape(row.label)}</a>' if row.target else escape(row.label)
    said = "; ".join(f"{plot.series[point.series]} {point.text}" for point in row.points)
    drawn = "".join(map(_point, row.points))
    return (
        f'<div class="strip"><span class="label">{label}</span>'
        f'<svg width="100%" height="26" role="img" aria-label="{escape(said)}">{ticks}{drawn}</svg>'
        f'<span class="note">{escape(row.note)}</span></div>'
    )


def _point(point: b.Point) -> str:
    line = ""
    y = 7 + 6 * min(point.series, 2)
    if not math.isnan(point.low) and point.high > point.low:
        ends = f'x1="{point.low:.2f}%" x2="{point.high:.2f}%"'
        line = f'<line class="s{point.series}" {ends} y1="{y}" y2="{y}"/>'
    mark = _mark(SHAPES[point.series], f"{point.at:.2f}%", point.series, y)
    return f"<g><title>{escape(point.text)}</title>{line}{mark}</g>"


def _mark(shape: str, x: str, series: int, y: int = 7) -> str:
    """A mark at a place that may be a percentage: what is no circle is drawn in a drawing of its own there."""
    inner = {
        "diamond": '<path d="M0-5 5 0 0 5-5 0Z"/>',
        "disc": '<circle r="4"/>',
        "square": '<rect x="-3.5" y="-3.5" width="7" height="7"/>',
        "bar": '<rect x="-1" y="-8" width="2" height="16"/>',
    }[shape]
    return f'<svg x="{x}" y="{y}" overflow="visible" class="s{series}">{inner}</svg>'
