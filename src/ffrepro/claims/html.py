"""Blocks as one self-contained HTML page: images inside, no scripts, nothing fetched."""

from __future__ import annotations

import base64
import re
from html import escape
from pathlib import Path
from string import Template

from ffrepro.claims import blocks as b

TEMPLATE = Path(__file__).parent / "templates" / "report.html"
LONG = 60  # characters from which a cell gets room, instead of a tall narrow column
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # control characters: HTML has no way to write them


def render(title: str, content: list[b.Block]) -> str:
    """The page.

    Args:
        title: of the window.
        content: blocks; headings of level 2 and 3 make the table of contents.
    """
    headings = [block for block in content if isinstance(block, b.Heading) and block.level in (2, 3)]
    toc = "\n".join(
        f'<li class="level{h.level}"><a href="#{escape(h.anchor)}">{escape(h.text)}</a></li>' for h in headings
    )
    start = content.index(headings[0]) if headings else len(content)
    intro, body = ("\n".join(map(_block, part)) for part in (content[:start], content[start:]))
    page = Template(TEMPLATE.read_text(encoding="utf-8"))
    return _NO_TEXT.sub("�", page.substitute(title=escape(title), intro=intro, toc=toc, body=body))


def _block(block: b.Block) -> str:
    match block:
        case b.Heading(text, level, anchor):
            return f'<h{level} id="{escape(anchor)}">{escape(text)}</h{level}>'
        case b.Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case b.Notice(text):
            return f'<p class="notice">{_inline(text)}</p>'
        case b.Bullets(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case b.Code(text):
            return f"<pre><code>{escape(text.rstrip())}</code></pre>"
        case b.Table():
            return _table(block)
        case b.Picture(_, png, alt, caption):
            data = base64.b64encode(png).decode()
            image = f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" loading="lazy">'
            return f"<figure>{image}<figcaption>{_inline(caption)}</figcaption></figure>"
        case b.Folded(summary, inner):
            inside = "\n".join(_block(one) for one in inner)
            return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"


def _table(table: b.Table) -> str:
    head = "".join(
        f'<th scope="col"{_class(column, name, table)}>{escape(name)}</th>' for column, name in enumerate(table.header)
    )
    rows = []
    for index, row in enumerate(table.rows):
        anchor = f' id="{escape(table.anchors[index])}"' if table.anchors else ""
        cells = (f"<td{_class(column, cell, table)}>{_cell(cell)}</td>" for column, cell in enumerate(row))
        rows.append(f"<tr{anchor}>{''.join(cells)}</tr>")
    body = "\n".join(rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _class(column: int, cell: str | list[b.Line], table: b.Table) -> str:
    if column in table.numeric:
        return ' class="number"'
    return ' class="long"' if len(b.text_of(cell)) > LONG else ""


def _cell(cell: str | list[b.Line]) -> str:
    if isinstance(cell, str):
        return _inline(cell)
    return "".join(f'<div class="{_slug(line.kind)}">{_inline(line.text)}</div>' for line in cell)


def _slug(kind: str) -> str:
    """A verdict's name as a class: ``v-setting-met``."""
    return "v-" + (re.sub(r"[^a-z]+", "-", kind.lower()).strip("-") or "none")


def _inline(text: str) -> str:
    """Escaped text with `code` and [links](#anchor) in it."""

    def markup(match: re.Match) -> str:
        code, label, target = match.groups()
        return f"<code>{code}</code>" if code else f'<a href="{target}">{label}</a>'

    return b.INLINE.sub(markup, escape(text, quote=True))
