"""``ffrepro report`` and ``ffrepro trace`` on this project's own params.yaml, in an empty project folder."""

import shutil
from types import SimpleNamespace

import pytest

from ffrepro import tracking
from ffrepro.base import files
from ffrepro.claims import bad_records, report
from ffrepro.claims import records as claim_records
from ffrepro.cli import main
from ffrepro.cli import report as report_command
from ffrepro.pipeline import hardware


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
    assert main.main(["trace", "chikhachev2025_rnn/999"]) == 1
    assert "nearest: chikhachev2025_rnn/" in capsys.readouterr().err


RUN = "lite/cpu/rnn_dollar_corrected/ff_std/seed0"


@pytest.mark.parametrize(
    "command",
    [
        ["report", "--scale", "lite", "--table", "chikhachev2025_rnn/table1"],
        ["trace", "table1", "mcyt", "ff_std", "auc"],
        ["docs"],
        ["track", "--scale", "lite"],
        ["plan", "--scale", "lite", "--experiment", "rnn_dollar_corrected"],
        ["export", "out.tar.gz", "--scale", "lite", "--experiment", "rnn_dollar_corrected"],
    ],
    ids=lambda command: command[0],
)
def test_a_bad_record_is_left_out_by_name_and_the_rest_is_done(project, project_root, capsys, monkeypatch, command):
    """One that states another accuracy than its arrays have; its twin is a true one."""
    monkeypatch.setattr(hardware, "this_machine", lambda: hardware.Machine("Test CPU"))
    monkeypatch.setattr(tracking, "_client", lambda uri: None)
    monkeypatch.setattr(tracking, "_mirror", lambda client, root, finished: tracking.Mirrored({}, len(finished)))
    place = "reports/reference" if command[0] == "docs" else "runs"
    twin = RUN.replace("ff_std", "bptt")
    for run in (RUN, twin):
        shutil.copytree(project_root / "reports/reference" / run, project / place / run)
    result = files.read_json(project / place / RUN / "result.json")
    result["metrics"]["test/accuracy"] = 0.999
    files.write_json(project / place / RUN / "result.json", result)
    index = {
        run: {path.name: files.sha256_file(path) for path in (project / place / run).iterdir()} for run in (RUN, twin)
    }
    files.write_json(project / "reports/reference/index.json", index if command[0] == "docs" else {})
    assert main.main(command) == 1
    printed = capsys.readouterr()
    line, *others = printed.err.splitlines()
    assert line.startswith(f"left out: {RUN}: ") and "test/accuracy is 0.999" in line and "result.json" in line
    # Both end with an error of their own: nothing is left to export, a page wants runs that are not in this folder.
    assert (printed.out and not others) or command[0] in ("docs", "export")


def test_with_exit_zero_the_report_is_made_and_check_tells_afterwards(project, capsys, monkeypatch):
    monkeypatch.setattr(report, "build_report", lambda store, scale, hours: left_behind(project, store.bad))
    bad = [(RUN, "test/accuracy is 0.999")]
    monkeypatch.setattr(claim_records, "Store", lambda *arguments: SimpleNamespace(bad=list(bad)))
    planned = SimpleNamespace(scale="lite", hardware=["cpu"])
    monkeypatch.setattr(report_command, "all_plans", lambda *arguments: (planned, []))

    def ends_with(*options):
        code = main.main(["report", "--scale", "lite", *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    line = f"left out: {RUN}: test/accuracy is 0.999\n"
    code, _, said = ends_with("--check")
    assert code == 1 and "ffrepro report --scale lite" in said  # there is no report yet
    assert ends_with() == (1, "reports/lite/report.html\n", line)
    assert ends_with("--exit-zero") == (0, "reports/lite/report.html\n", line)
    code, out, said = ends_with("--check")
    assert (code, out) == (1, "") and said.endswith(line) and not (project / "reports/lite/check.txt").exists()
    bad.clear()
    assert ends_with() == (0, "reports/lite/report.html\n", "")
    assert ends_with("--check") == (0, "reports/lite/check.txt\n", "")
    assert (project / "reports/lite/check.txt").is_file()
    files.write_json(project / "reports/lite/bad_records.json", {"bad_records": [RUN]})
    code, out, said = ends_with("--check")
    assert (code, out) == (1, "") and "bad_records.json" in said and not (project / "reports/lite/check.txt").exists()


def left_behind(root, found):
    """What a report's folder has to have; the page's path."""
    folder = root / "reports/lite"
    folder.mkdir(parents=True, exist_ok=True)
    bad_records.write(folder, found)
    return folder / "report.html"


@pytest.mark.parametrize("command", ["report", "trace"])
def test_help_has_an_example(capsys, command):
    assert main.main([command, "--help"]) == 0
    assert f"example:\n  ffrepro {command}" in capsys.readouterr().out
