"""Errors say what, where and how; files are whole or old; hashes do not depend on key order."""

import errno
import json
import os
import tempfile

import pytest

from ffrepro.base import files, plans
from ffrepro.base.errors import FfreproError, explain_os_error
from ffrepro.base.names import unknown


def test_error_lines():
    error = FfreproError("broken", where="data/x.csv", fix="fetch it again")
    assert str(error) == "broken\n  where: data/x.csv\n  fix:   fetch it again"
    assert str(FfreproError("broken")) == "broken"


def test_unknown_name_suggests_and_lists():
    message = str(unknown("data set", "dolar", ["raton", "dollar"]))
    assert "unknown data set 'dolar'" in message
    assert "Did you mean 'dollar'? Available: dollar, raton" in message
    assert "Did you mean" not in str(unknown("data set", "zzz", ["raton"]))


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EACCES, "no permission")])
def test_os_errors_are_explained(number, words):
    message = str(explain_os_error(OSError(number, os.strerror(number), "runs/x")))
    assert words in message
    assert "runs/x" in message
    assert "fix:" in message


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.atomic_writer(path) as file:
        file.write(b"new, half of it")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError) as error, files.atomic_writer(tmp_path / "result.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    message = str(explain_os_error(error.value))
    assert "no space left" in message
    assert "result.json" in message


@pytest.mark.parametrize("step", ["mkstemp", "chmod", "replace"])
def test_a_read_only_folder_names_the_file_asked_for(tmp_path, monkeypatch, step):
    """root may write everywhere: the refusal is made here, with the names that the system gives."""

    def refuse(*arguments, **options):
        name = str(tmp_path / ".a.txt.x1y2") if step == "mkstemp" else arguments[0]
        other = arguments[1] if step == "replace" else None
        raise OSError(errno.EROFS, "Read-only file system", name, None, other and str(other))

    monkeypatch.setattr(tempfile if step == "mkstemp" else os, step, refuse)
    with pytest.raises(OSError) as error:
        files.write_text(tmp_path / "a.txt", "new")
    assert error.value.errno == errno.EROFS
    assert explain_os_error(error.value).where == str(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(OSError) as error, files.atomic_writer(tmp_path / "a.txt"):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "b.txt")
    assert error.value.filename == "b.txt"


def test_file_names_that_are_no_utf8_can_be_written(tmp_path):
    name = os.fsdecode(b"caf\xe9.csv")
    files.write_json(tmp_path / "a.json", {"file": name})
    assert files.read_json(tmp_path / "a.json") == {"file": name}
    assert not files.write_text_if_changed(tmp_path / "a.json", files.dump_json({"file": name}))
    assert files.sha256_json(name) != files.sha256_json("caf.csv")


def test_unchanged_text_keeps_its_time_stamp(tmp_path):
    path = tmp_path / "a.txt"
    assert files.write_text_if_changed(path, "x")
    os.utime(path, (1, 1))
    assert not files.write_text_if_changed(path, "x")
    assert path.stat().st_mtime == 1
    assert files.write_text_if_changed(path, "y")


def test_json_refuses_nan_and_keeps_unicode(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    files.write_json(tmp_path / "a.json", {"ñ": 1})
    assert files.read_json(tmp_path / "a.json") == {"ñ": 1}
    assert json.loads((tmp_path / "a.json").read_text()) == {"ñ": 1}


def test_hash_of_json_ignores_key_order():
    assert files.sha256_json({"a": 1, "b": 2}) == files.sha256_json({"b": 2, "a": 1})
    assert files.sha256_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_substance_of_a_plan_is_without_its_notes_and_protocol_without_the_code():
    plan = {"lr": 1, "origin": {"lr": "paper"}, "tags": {}, "code": "a"}
    noted, recoded, changed = plan | {"origin": {}}, plan | {"code": "b"}, plan | {"lr": 2}
    assert plans.result_hash(plan) == plans.result_hash(noted) != plans.result_hash(recoded)
    assert plans.protocol(plan) == plans.protocol(recoded) != plans.protocol(changed)


def test_protocol_of_a_plan_of_schema_1_is_that_of_the_plan_it_would_be_today():
    old = {"schema": 1, "data": {"length": 70}, "training": {"lr": 1}}
    new = {
        "schema": 2,
        "data": {"name": "trajectories", "length": 70},
        "training": {"schedule": "plateau", "lr": 1},
    }
    assert plans.protocol(old) == plans.protocol(new)
    assert plans.protocol(old) != plans.protocol(new | {"data": {"name": "other", "length": 70}})
    bench = {"schema": 1, "data": {"length": 70}}
    assert plans.protocol(bench) == plans.protocol({"schema": 2, "data": new["data"]})
    assert old["data"] == {"length": 70}
