"""Markers of generated text: found, filled, and refused where they are wrong."""

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.claims.docs_markers import blocks, replace

PAGE = """# Page

<!-- ffrepro: table paper/errors -->
| old |
<!-- /ffrepro -->

Errors: <!-- ffrepro: value paper/error -->1.5<!-- /ffrepro --> <!-- ffrepro: value paper/other --><!-- /ffrepro -->.
"""


def test_blocks_in_order():
    found = blocks(PAGE, "page.md")
    assert [(block.kind, block.paper, block.name, block.line) for block in found] == [
        ("table", "paper", "errors", 3),
        ("value", "paper", "error", 7),
        ("value", "paper", "other", 7),
    ]
    assert [PAGE[block.start : block.end] for block in found] == ["\n| old |\n", "1.5", ""]
    assert blocks("no marker, <!-- a comment -->", "page.md") == []


def test_replace_changes_what_is_between_markers_and_nothing_else():
    made = {"errors": "| new |\n", "error": "1.5", "other": "2"}
    text, changed = replace(PAGE, blocks(PAGE, "page.md"), lambda block: made[block.name])
    expected = PAGE.replace("| old |", "| new |").replace("other --><!--", "other -->2<!--")
    assert text == expected
    assert [block.name for block in changed] == ["errors", "other"]
    again, changed = replace(text, blocks(text, "page.md"), lambda block: made[block.name])
    assert (again, changed) == (text, [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\n<!-- ffrepro: table paper/a -->\n", 2),
        ("<!-- ffrepro: table paper/a -->\n<!-- ffrepro: table paper/b -->\n<!-- /ffrepro -->\n", 1),
        ("a <!-- ffrepro: value p/a -->1 <!-- ffrepro: value p/b -->2<!-- /ffrepro --><!-- /ffrepro -->", 1),
        ("text\n\n<!-- /ffrepro -->\n", 3),
        ("<!-- ffrepro: tabel paper/a -->\n<!-- /ffrepro -->\n", 1),
        ("<!-- ffrepro: table a -->\n<!-- /ffrepro -->\n", 1),
        ("<!-- ffrepro table paper/a -->\n<!-- /ffrepro -->\n", 1),
        ("text\n<!-- ffrepro: value paper/a -->1<!-- /ffrepro --> ends the paragraph before it\n", 2),
        ("text <!-- ffrepro: table paper/a -->\n<!-- /ffrepro -->\n", 1),
    ],
)
def test_wrong_markers_are_refused_with_their_line(text, line):
    with pytest.raises(FfreproError) as caught:
        blocks(text, "docs/page.md")
    assert caught.value.where == f"docs/page.md, line {line}"
