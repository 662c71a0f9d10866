"""Blocks as Markdown (GitHub's tables)."""

from __future__ import annotations

from ffrepro.claims import blocks as b


def render(content: list[b.Block]) -> str:
    """The blocks as one Markdown text, ending in a newline."""
    return "\n\n".join(_block(block) for block in content) + "\n"


def _block(block: b.Block) -> str:
    match block:
        case b.Heading(text, level, _):
            return f"{'#' * level} {text}"
        case b.Paragraph(text):
            return text
        case b.Notice(text):
            return f"> **{text}**"
        case b.Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case b.Code(text):
            return f"```\n{text.rstrip()}\n```"
        case b.Table():
            return _table(block)
        case b.Picture(path, _, alt, caption):
            return f"![{alt}]({path})\n\n*{caption}*"
        case b.Folded(summary, inner):
            return f"<details><summary>{summary}</summary>\n\n{render(inner)}\n</details>"


def _table(table: b.Table) -> str:
    rule = ["---:" if column in table.numeric else "---" for column in range(len(table.header))]
    rows = [table.header, rule, *([b.text_of(cell, "<br>") for cell in row] for row in table.rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
