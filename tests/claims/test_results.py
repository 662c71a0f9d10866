"""The results version: it moves with a published number, ours or a verdict, and with nothing else."""

import csv
import io
import json

import pytest

from ffrepro.claims import results

ROW = {"claim": "p/001", "where": "Table 1", "row": "r", "metric": "m", "treatment": "t", "published": "0.9",
       "ours": "0.91", "n": "3", "verdict": "compatible", "reason": "why"}  # fmt: skip


def text(**changes):
    out = io.StringIO()
    writer = csv.DictWriter(out, results.COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerow(ROW | changes)
    return out.getvalue()


@pytest.mark.parametrize("change", [{"published": "0.91"}, {"ours": "0.92"}, {"n": "5"}, {"verdict": "better"}])
def test_it_moves(tmp_path, change):
    place = tmp_path / results.VERSION
    place.parent.mkdir(parents=True)
    place.write_text(results.version(tmp_path, text()))
    assert json.loads(place.read_text())["version"] == 1
    assert results.version(tmp_path, text()) == place.read_text()
    assert json.loads(results.version(tmp_path, text(reason="in other words"))) == json.loads(place.read_text())
    assert json.loads(results.version(tmp_path, text(**change)))["version"] == 2


def test_what_moved():
    assert results.moved(text(), text()) == []
    (found,) = results.moved(text(), text(verdict="better", reason="by .1"))
    assert found == ("p/001", "t", "compatible", "better", "by .1")
    (gone,) = results.moved(text(), text(claim="p/002"))[1:]
    assert (gone.claim, gone.after) == ("p/001", "")


def test_the_committed_version_is_that_of_the_committed_table(project_root):
    table = (project_root / results.VERDICTS).read_text(encoding="utf-8")
    committed = json.loads((project_root / results.VERSION).read_text(encoding="utf-8"))
    assert committed["sha256"] == results.digest(table) and committed["version"] >= 1
