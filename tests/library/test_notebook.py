"""The notebook of five minutes: it runs as it is shown.

After a change of its cells, ``pytest -n0 tests/library/test_notebook.py --write-golden`` writes its outputs anew.
"""

import base64
import copy
import re
from urllib.parse import urlsplit

import nbformat
import pytest
from helpers import notebooks

NAME = "five_minutes.ipynb"
MAX_IMAGE_BYTES = 150_000  # all images together


@pytest.fixture
def path(project_root):
    return project_root / "examples" / NAME


@pytest.fixture
def shown(path):
    return nbformat.read(path, as_version=4)


def test_it_prints_what_it_shows(path, tmp_path, request):
    made = notebooks.run(path, tmp_path)
    if request.config.getoption("--write-golden"):
        nbformat.write(made, path)
    assert notebooks.differences(nbformat.read(path, as_version=4), made) == []


def test_it_is_valid_whole_and_small(path, shown):
    assert [other.name for other in path.parent.glob("*.ipynb")] == [NAME]
    nbformat.validate(shown)
    code = [cell for cell in shown.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert {output.output_type for output in outputs} == {"stream", "display_data"}
    images = [output.data["image/png"] for output in outputs if output.output_type == "display_data"]
    assert images and sum(len(base64.b64decode(image)) for image in images) < MAX_IMAGE_BYTES


def test_its_links_lead_to_files(path, shown):
    texts = "\n".join(cell.source for cell in shown.cells if cell.cell_type == "markdown")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", texts) if not urlsplit(link).scheme]
    assert len(links) >= 3
    assert [link for link in links if not (path.parent / link).exists()] == []


def printed(shown, pattern):
    """The first group of a pattern in what the cells print."""
    text = "\n".join(output.text for cell in shown.cells for output in cell.get("outputs", []) if "text" in output)
    found = re.search(pattern, text)
    assert found, pattern
    return found[1]


def test_what_its_text_says_is_what_it_prints(shown):
    for method in ("by hand", "ff", "backprop", "sff"):
        assert float(printed(shown, rf"\n?{method} +test accuracy (\d\.\d+)")) > 0.8
    assert float(printed(shown, r"right labels (\d+\.\d+)")) > 20 > float(printed(shown, r"wrong labels (\d+\.\d+)"))
    assert printed(shown, r"ff\n(?:.*\n)block0((?:  [x.])+)") == "  x  ."
    assert printed(shown, r"backprop\n(?:.*\n)block0((?:  [x.])+)") == "  x  x"


CHANGES = {
    "a word": lambda text: text.replace("accuracy", "error"),
    "a decimal": lambda text: re.sub(r"0\.9\d+", "0.800", text),
    "a line": lambda text: text + "more\n",
    "a cross": lambda text: text.replace("block0  x  .", "block0  x  x"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_is_printed_is_found(shown, change):
    other = copy.deepcopy(shown)
    (output, *_) = [
        output
        for cell in other.cells
        for output in cell.get("outputs", [])
        if "text" in output and CHANGES[change](output.text) != output.text
    ]
    output.text = CHANGES[change](output.text)
    assert len(notebooks.differences(shown, other)) == 1
    assert notebooks.differences(shown, shown) == []


def test_a_missing_picture_is_found_and_a_last_digit_is_none(shown):
    other = copy.deepcopy(shown)
    for cell in other.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output.text = re.sub(r"(\d\.\d)\d+", r"\g<1>5", output.text)
    assert notebooks.differences(shown, other) == []
    for cell in other.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if "text" in output]
    assert len(notebooks.differences(shown, other)) == sum(
        output.output_type == "display_data" for cell in shown.cells for output in cell.get("outputs", [])
    )
