"""Progress where there is no terminal: plain lines, not too many."""

from ffrepro.data import progress


def test_plain_lines_with_amounts(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.Progress("fetch", total=4_000_000, unit="bytes", done=1_000_000) as bar:
        bar.advance(2_000_000)
    with progress.Progress("prepare", total=None, unit="files") as bar:
        bar.advance(1200)
    assert capsys.readouterr().err == "fetch: 3 of 4 MB\nprepare: 1,200 files\n"


def test_short_work_prints_nothing(capsys):
    with progress.Progress("fetch", total=10, unit="files") as bar:
        for _ in range(10):
            bar.advance(1)
    assert capsys.readouterr().err == ""
