"""``ffrepro docs``: lists, checks and writes the generated parts of pages."""

import pytest
import yaml

from ffrepro.claims import docs, results
from ffrepro.cli import main

PAPER = "chikhachev2025_rnn"
PAGE = f"n = <!-- ffrepro: value {PAPER}/n -->3<!-- /ffrepro -->\n"


@pytest.fixture
def project(tmp_path, project_root, monkeypatch):
    """A folder with this project's schemas, a definition, a page that is out of date, and no records."""
    (tmp_path / "workflow").symlink_to(project_root / "workflow")
    definitions = tmp_path / docs.STUDIES / PAPER / docs.FILE
    definitions.parent.mkdir(parents=True)
    definitions.write_text(yaml.safe_dump({"values": {"n": {"of": "lite/cpu/rnn_mcyt_corrected/bptt", "n": "runs"}}}))
    (tmp_path / "README.md").write_text(PAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ffrepro.cli.docs.all_plans", lambda *_: (None, []))
    return tmp_path


def test_only_write_writes_and_only_check_fails(project, capsys):
    page = project / "README.md"
    place = f"README.md:1: value {PAPER}/n: "
    assert main.main(["docs"]) == 0
    assert capsys.readouterr().out.startswith(f"{place}out of date\n")
    assert main.main(["docs", "--check"]) == 1
    assert capsys.readouterr().out.startswith(f"{place}out of date\n")
    assert page.read_text() == PAGE
    assert main.main(["docs", "--write"]) == 0
    assert capsys.readouterr().out.splitlines() == ["README.md", results.VERDICTS, results.VERSION]
    assert page.read_text() == PAGE.replace("3", "not run")
    assert main.main(["docs", "--check"]) == 0
    assert place not in capsys.readouterr().out
    assert main.main(["docs"]) == 0
    assert capsys.readouterr().out.startswith(f"{place}up to date\n")


def test_a_wrong_marker_fails_and_writes_nothing(project, capsys):
    broken = PAGE.replace("/ffrepro", "ffrepro")
    (project / "README.md").write_text(broken)
    assert main.main(["docs", "--write"]) == 1
    assert "README.md, line 1" in capsys.readouterr().err
    assert (project / "README.md").read_text() == broken


def test_write_and_check_exclude_each_other():
    assert main.main(["docs", "--write", "--check"]) == 2
