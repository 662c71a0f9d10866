"""Blocks as one self-contained HTML page: style, script and images inside, nothing fetched."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path
from string import Template

from ffrepro.claims import blocks as b
from ffrepro.claims import html_parts as parts
from ffrepro.claims.html_parts import inline, slug

FOLDER = Path(__file__).parent / "templates"
LONG = 60  # characters from which a cell gets room, instead of a tall narrow column
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # control characters: HTML has no way to write them


def render(title: str, content: list[b.Block]) -> str:
    """The page: a section for every heading of level 2, and a bar with those that name themselves for it.

    Args:
        title: of the window.
    """
    template, style, script = (
        (FOLDER / name).read_text(encoding="utf-8") for name in ("report.html", "report.css", "report.js")
    )
    flat = _for_a_page(content)
    bar = "\n".join(
        f'<a href="#{escape(block.anchor)}">{escape(block.nav)}</a>'
        for block in flat
        if isinstance(block, b.Heading) and block.nav
    )
    text = Template(template).substitute(
        title=escape(title), style=style, script=script, bar=bar, body="\n".join(map(_section, _sections(flat)))
    )
    return _NO_TEXT.sub("�", text)


def _for_a_page(content: list[b.Block]) -> list[b.Block]:
    """The blocks without those that are for text."""
    return [one for block in content for one in (_for_a_page(block.page) if isinstance(block, b.Either) else [block])]


def _sections(content: list[b.Block]) -> list[list[b.Block]]:
    found: list[list[b.Block]] = [[]]
    for block in content:
        if isinstance(block, b.Heading) and block.level == 2:
            found.append([])
        found[-1].append(block)
    return [section for section in found if section]


def _section(content: list[b.Block]) -> str:
    """A section, with what is in it after its title where that are several things."""
    first, *others = (block for block in content if isinstance(block, b.Heading))
    inner = [heading for heading in others if heading.level == 3]
    shown = list(map(_block, content))
    if first.level == 2 and len(inner) > 1:
        links = " ".join(f'<a href="#{escape(h.anchor)}">{escape(h.text)}</a>' for h in inner)
        shown.insert(1, f'<p class="contents">{links}</p>')
    return "<section>\n" + "\n".join(shown) + "\n</section>"


def _block(block: b.Block) -> str:
    match block:
        case b.Heading(text, level, anchor):
            return f'<h{level} id="{escape(anchor)}">{escape(text)}</h{level}>'
        case b.Paragraph(text):
            return f"<p>{inline(text)}</p>"
        case b.Notice(text):
            return f'<p class="notice">{inline(text)}</p>'
        case b.Bullets(items):
            return "<ul>" + "".join(f"<li>{inline(item)}</li>" for item in items) + "</ul>"
        case b.Code(text):
            return f"<pre><code>{escape(text.rstrip())}</code></pre>"
        case b.Table():
            return _table(block)
        case b.Picture(_, png, alt, caption):
            data = base64.b64encode(png).decode()
            image = f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" loading="lazy">'
            return f"<figure>{image}<figcaption>{inline(caption)}</figcaption></figure>"
        case b.Folded(summary, inner):
            return f"<details><summary>{escape(summary)}</summary>\n{_blocks(inner)}\n</details>"
        case b.Switch(options):
            return _switch(options)
        case b.Either(page, _):
            return _blocks(page)
        case b.Strips():
            return parts.strips(block)
        case b.Entry():
            return parts.entry(block, _blocks(block.blocks))
        case b.Finder():
            return parts.finder(block)


def _blocks(content: list[b.Block]) -> str:
    return "\n".join(map(_block, content))


def _switch(options: dict[str, list[b.Block]]) -> str:
    if len(options) == 1:
        return _blocks(*options.values())
    shown = "\n".join(
        f'<div class="option" data-name="{escape(name)}">\n<p class="name">{escape(name)}</p>\n{_blocks(inner)}\n</div>'
        for name, inner in options.items()
    )
    return f'<div class="switch">\n{shown}\n</div>'


def _table(table: b.Table) -> str:
    head = "".join(
        f'<th scope="col"{_class(column, name, table)}>{escape(name)}</th>' for column, name in enumerate(table.header)
    )
    rows = []
    for index, row in enumerate(table.rows):
        anchor = f' id="{escape(table.anchors[index])}"' if table.anchors else ""
        rows.append(f"<tr{anchor}>{''.join(_cell(table, column, cell) for column, cell in enumerate(row))}</tr>")
    body, style = "\n".join(rows), ' class="stacked"' if table.stacked else ""
    return f'<div class="wide"><table{style}><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _cell(table: b.Table, column: int, cell: str | list[b.Line]) -> str:
    name = f' data-label="{escape(table.header[column])}"' if table.stacked else ""
    return f"<td{_class(column, cell, table)}{name}>{_content(cell)}</td>"


def _class(column: int, cell: str | list[b.Line], table: b.Table) -> str:
    if column in table.numeric:
        return ' class="number"'
    return ' class="long"' if len(b.text_of(cell)) > LONG else ""


def _content(cell: str | list[b.Line]) -> str:
    return inline(cell) if isinstance(cell, str) else "".join(map(_line, cell))


def _line(line: b.Line) -> str:
    text = inline(line.text)
    if line.target:
        text = f'<a href="#{escape(line.target)}">{text}</a>'
    return f'<div class="{slug(line.kind)}">{text}</div>'
