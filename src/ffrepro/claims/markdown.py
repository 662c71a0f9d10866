"""Blocks as Markdown (GitHub's tables)."""

from __future__ import annotations

import re
from html import escape

from ffrepro.claims import blocks as b

# What GitHub's Markdown would act on within a line: a tag's or an entity's beginning, emphasis (an underscore within
# a word is none), strikethrough, code, a picture, the middle of a link, a backslash.
_ACTIVE = re.compile(r"\\|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\*|(?<!\w)_|_(?!\w)|~~|`|!(?=\[)|(?<=\])\(")
# What it would act on at the beginning of a block: a heading, a quotation, a list, a definition, a table, a fence.
_FIRST = re.compile(r"#{1,6}\s|>|[-+]\s|\d+(?=[.)]\s)|\[(?=[^\]]*\]:)|\||=+$|-+$|:?-+:?\|")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # line ends too: a text is one line


def render(content: list[b.Block]) -> str:
    """The blocks as one Markdown text, ending in a newline."""
    return "\n\n".join(_block(block) for block in content) + "\n"


def _block(block: b.Block) -> str:
    match block:
        case b.Heading(text, level, _):
            return f"{'#' * level} {_inline(text)}"
        case b.Paragraph(text):
            return _begin(_inline(text))
        case b.Notice(text):
            return f"> **{_inline(text)}**"
        case b.Bullets(items):
            return "\n".join(f"- {_begin(_inline(item))}" for item in items)
        case b.Code(text):
            return _code(text.rstrip())
        case b.Table():
            return _table(block)
        case b.Picture(path, _, alt, caption):
            return f"![{_inline(alt)}]({path})\n\n*{_inline(caption)}*"
        case b.Folded(summary, inner):
            title = escape(_NO_TEXT.sub(" ", summary), quote=False)  # in a line of HTML there is no Markdown
            return f"<details><summary>{title}</summary>\n\n{render(inner)}\n</details>"
        case b.Either(_, text):
            return render(text).rstrip("\n")
        case _:
            raise TypeError(f"{type(block).__name__} is for pages alone: put it into an Either")


def _table(table: b.Table) -> str:
    rule = ["---:" if column in table.numeric else "---" for column in range(len(table.header))]
    rows = [[_cell(cell) for cell in row] for row in [table.header, *table.rows]]
    rows.insert(1, rule)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: str | list[b.Line]) -> str:
    lines = [b.Line(cell)] if isinstance(cell, str) else cell
    return "<br>".join(_inline(line.text) for line in lines).replace("|", r"\|")


def _code(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"


def _begin(text: str) -> str:
    """A block's text that begins no other kind of block."""
    first = _FIRST.match(text)
    if not first:
        return text
    end = first.end() if first[0].isdigit() else 0  # 1\. and \#
    return f"{text[:end]}\\{text[end:]}"


def _inline(text: str) -> str:
    """One line with `code` and [links](#anchor) in it, everything else literal."""
    text = _NO_TEXT.sub(" ", text)
    parts, end = [], 0
    for match in b.INLINE.finditer(text):
        code, label, target = match.groups()
        parts.append(_literal(text[end : match.start()]))
        parts.append(f"`{code}`" if code else f"[{_literal(label)}]({target})")
        end = match.end()
    return "".join(parts) + _literal(text[end:])


def _literal(text: str) -> str:
    return _ACTIVE.sub(lambda found: f"\\{found[0]}" if found[0] != "~~" else r"\~\~", text)
