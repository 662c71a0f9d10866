"""``ffrepro report`` and ``ffrepro trace`` on this project's own params.yaml, in an empty project folder."""

import pytest

from ffrepro.cli import main


@pytest.fixture
def project(tmp_path, project_root, monkeypatch):
    """A folder with this project's parameters, schemas and code, and no records."""
    for name in ("params.yaml", "workflow", "src"):
        (tmp_path / name).symlink_to(project_root / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_table(project, capsys):
    assert main.main(["report", "--scale", "lite", "--table", "chikhachev2025_rnn/table1"]) == 0
    printed = capsys.readouterr().out.split()
    assert printed == [f"reports/lite/tables/chikhachev2025_rnn/table1.{suffix}" for suffix in ("csv", "md", "tex")]
    assert "corrected: not run" in (project / printed[1]).read_text()
    assert not (project / "reports/lite/report.html").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("chikhachev2025_rnn/tabel1", "Did you mean 'table1'"),
        ("table1", "name paper and table"),
        ("chikachev/table1", "Did you mean 'chikhachev2025_rnn'"),
    ],
)
def test_unknown_tables(project, capsys, table, message):
    assert main.main(["report", "--scale", "lite", "--table", table]) == 1
    assert message in capsys.readouterr().err


def test_trace_by_words_and_by_id(project, capsys):
    assert main.main(["trace", "table1", "mcyt", "ff_std", "auc"]) == 0
    assert "1. claim chikhachev2025_rnn/036: Table 1, MCYT" in capsys.readouterr().out
    assert main.main(["trace", "table3", "raton"]) == 0
    assert capsys.readouterr().out.startswith("6 claims fit")
    assert main.main(["trace", "chikhachev2025_rnn/099"]) == 1
    assert "nearest: chikhachev2025_rnn/0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["report", "trace"])
def test_help_has_an_example(capsys, command):
    assert main.main([command, "--help"]) == 0
    assert f"example:\n  ffrepro {command}" in capsys.readouterr().out
