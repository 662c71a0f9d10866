"""``ffrepro audit``: its exit codes and what it prints."""

import json
from pathlib import Path

import pytest

from ffrepro.cli.main import main

EXAMPLE = str(Path(__file__).parents[2] / "examples/audit_example.yaml")


def test_without_a_name_all_papers_are_audited(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the papers' files are the package's
    assert main(["audit"]) == 0
    out = capsys.readouterr().out
    assert "chikhachev2025_rnn: " in out and "ortiz2025_advancements: " in out


def test_one_paper_or_ones_own_file(capsys):
    assert main(["audit", "chikhachev2025_rnn"]) == 0
    assert "ortiz2025" not in capsys.readouterr().out
    assert main(["audit", EXAMPLE, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["made_up"]
    assert {row["result"] for row in rows} == {"consistent", "inconsistent", "cannot be checked"}


def test_strict_ends_with_1_where_something_is_inconsistent(capsys, tmp_path):
    assert main(["audit", EXAMPLE, "--strict"]) == 1
    clean = tmp_path / "clean.yaml"
    clean.write_text(
        "schema: 1\npaper: clean\ntitle: t\nchecks:\n"
        "  - {id: a, place: p, quote: two and two is four, kind: number, printed: '4', from: 2 + 2}\n"
    )
    assert main(["audit", str(clean), "--strict"]) == 0


@pytest.mark.parametrize("name", ["no_such_paper", "no_such_file.yaml"])
def test_a_name_that_is_nowhere_is_an_error(name, capsys):
    assert main(["audit", name]) == 1
    assert name in capsys.readouterr().err
