"""What records and claims bring is text: no markup, no link, no formula, whatever the format."""

import csv
import io
import re

import pytest

from ffrepro.claims import html, markdown
from ffrepro.claims.blocks import (
    Bullets,
    Code,
    Entry,
    Finder,
    Folded,
    Heading,
    Line,
    Notice,
    Paragraph,
    Picture,
    Point,
    Strip,
    Strips,
    Switch,
    Table,
)
from ffrepro.claims.table_files import tex, write_csv

SCRIPT = f"<script>\n{(html.FOLDER / 'report.js').read_text()}</script>"
EVIL = (
    "<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](http://e/x.png)", "a | b", "`open", "*a* _b_ ~~c~~",
    "a\n\n# heading", "[x]: javascript:alert(1)", "&lt;b&gt;", "\x1b[2J", "[`x`](javascript:alert(1))",
)  # fmt: skip


def for_pages(text):
    """The blocks that only a page has."""
    strip = Strip(text, [Point(0, 1.0, 0.5, 2.0, text)], text, text)
    entry = Entry(text, {"what": text}, {"verdict": text}, text, [Paragraph(text)])
    inner = [Strips(text, [text], [(0.0, text)], [strip]), entry, Finder({"verdict": {text: text}}, 1)]
    return [Switch({text: inner, "b": []}), Table([text], [[[Line(text, text, text)]]], anchors=[text], stacked=True)]


@pytest.mark.parametrize("text", EVIL)
def test_markdown_and_html_show_it(text):
    content = [Heading(text, 1, "a"), Paragraph(text), Bullets([text]), Notice(text), Folded(text, [Paragraph(text)]),
               Picture("p.png", b"", text, text), Table([text, "b"], [[text, [Line(text), Line(text)]]])]  # fmt: skip
    shown = markdown.render(content)
    page = html.render(text, [*content, *for_pages(text)]).replace(SCRIPT, "")
    for made in (shown.replace("\\<", ""), page):
        assert "<script" not in made and "\x1b" not in made
    assert "\n# heading" not in shown
    outside = re.sub("<summary>.*?</summary>", "", shown)  # a line of HTML: no Markdown in it
    assert "](javascript" not in outside and "](http" not in outside and 'href="javascript' not in page
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(rows) == 3 and {row.replace("\\|", "").count("|") for row in rows} == {3}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b> & &amp; p < .05", "\\<b> & \\&amp; p < .05"),
        ("rnn_mcyt *x* _y_", "rnn_mcyt \\*x\\* \\_y\\_"),
        ("# a", "\\# a"),
        ("1. a", "1\\. a"),
        ("- a", "\\- a"),
        ("[a] note", "[a] note"),
        ("[a]: note", "\\[a]: note"),
        ("`a|b` [t](#x) [t](x)", "`a|b` [t](#x) [t]\\(x)"),
    ],
)
def test_what_markdown_needs_no_escape_for_stays(text, shown):
    assert markdown.render([Paragraph(text)]) == f"{shown}\n"


def test_code_cannot_end_its_block():
    assert markdown.render([Code("a\n```\n<b>")]) == "````\na\n```\n<b>\n````\n"


def test_csv_cells_are_no_formulas_and_numbers_stay():
    cells = ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "-0.5", "+1e-3", "-inf", "a=1", "", "−1"]
    (header, row) = csv.reader(io.StringIO(write_csv(("=a", "b"), [cells]), newline=""))
    assert header == ["'=a", "b"]
    assert row == ["'=1+1", "'+a", "'-a", "'@a", "'\ta", "'\na", "-0.5", "+1e-3", "-inf", "a=1", "", "−1"]
    assert write_csv(("a",), [[-0.5]]) == "a\n-0.5\n"


def test_latex_stays_in_its_cell():
    assert (
        tex("a\n\nb\x00") == "a  b "
        and tex("[a] x") == "{[}a] x"
        and tex("\\input{x}") == r"\textbackslash{}input\{x\}"
    )
