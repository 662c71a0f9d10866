"""What keeps an engine from starting is found beforehand, with its cure, and looking leaves nothing behind."""

import os
import subprocess
import sys
import tempfile

import pytest

from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import engines, startup
from ffrepro.pipeline.finding import FAIL, OK, WARN
from ffrepro.pipeline.workspace import open_workspace

REAL_RUN = engines.run
SAYS = {  # what the engines said where they could not start
    "ERROR: /home/me/ffrepro is not a git repository": "core.no_scm",
    "ERROR: bad DVC file name 'dvc.yaml' is git-ignored.": "core.no_scm",
    "ERROR: unexpected error - 'getpwuid(): uid not found: 12345'": "LOGNAME",
    "RuntimeError: could not determine the home directory for '~/.config', set an absolute HOME": "HOME",
    "ERROR: unexpected error - [Errno 13] Permission denied: '/x/.dvc/tmp/lock'": "writable",
    "fatal: detected dubious ownership in repository at '/x'": "safe.directory",
    "OSError: [Errno 28] No space left on device": "free some space",
    "Error: Directory cannot be locked.": "--unlock",
    "No module named dvc": "make setup",
}


@pytest.fixture(autouse=True)
def no_engines(monkeypatch, project):
    """Both engines start, unless a test says otherwise."""
    (project / "Snakefile").touch()
    monkeypatch.setattr(engines, "run", lambda *arguments, **options: "")


def found(root):
    """Name -> finding; everything is looked at once."""
    return {finding.name: finding for finding in startup.examine(root)}


def files(root):
    return {path.relative_to(root): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_where_all_is_well_nothing_is_wrong_and_nothing_left_behind(project):
    (project / "dvc.yaml").touch()
    before = files(project)
    assert {finding.state for finding in startup.examine(project) if finding.name != "commit"} == {OK}
    assert files(project) == before


@pytest.mark.parametrize("said", SAYS)
def test_an_engine_that_does_not_start_fails_with_its_cure(project, monkeypatch, said):
    def fail(root, module, *arguments, **options):
        raise FfreproError(f"`{module}` failed: {said}", fix="run it by hand")

    monkeypatch.setattr(engines, "run", fail)
    (project / "dvc.yaml").touch()
    for name in ("Snakemake", "DVC"):
        finding = found(project)[name]
        assert finding.state == FAIL and SAYS[said] in finding.fix and said in finding.detail


def test_an_unknown_complaint_is_passed_on(project, monkeypatch):
    def fail(*arguments, **options):
        raise FfreproError("`snakemake` failed: something new", fix="run it by hand")

    monkeypatch.setattr(engines, "run", fail)
    assert found(project)["Snakemake"].fix == "run it by hand"


def test_a_lock_that_a_killed_snakemake_left(project):
    lock = project / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    assert found(project)["Snakemake's lock"].state == OK
    lock.write_text("runs/x/result.json\n")
    stale = found(project)["Snakemake's lock"]
    assert stale.state == FAIL and "snakemake --unlock" in stale.fix


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_the_lock_of_a_snakemake_at_work_is_no_failure(project):
    lock = project / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("runs/x/result.json\n")
    line = ["sh", "-c", "echo ready; read x", "snakemake"]
    with subprocess.Popen(line, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()  # from here on the system knows its command line
        held = found(project)["Snakemake's lock"]
        process.stdin.close()
    assert held.state == OK and str(process.pid) in held.detail


def test_a_user_without_a_name_and_without_a_home(project, monkeypatch, tmp_path):
    def nobody(*arguments):
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(startup.getpass, "getuser", nobody)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    findings = found(project)
    assert findings["user"].state == FAIL and "LOGNAME" in findings["user"].fix
    assert findings["home folder"].state == FAIL and "HOME=" in findings["home folder"].fix
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # neither HOME nor an entry
    assert found(project)["home folder"].state == FAIL


def test_folders_that_take_no_file(project, monkeypatch):
    full = {project / "runs", project / ".dvc"}
    for folder in full:
        folder.mkdir()
    real = tempfile.TemporaryFile

    def make(dir):
        if dir in full:
            raise OSError(28, "No space left on device", str(dir))
        return real(dir=dir)

    monkeypatch.setattr(startup.tempfile, "TemporaryFile", make)
    findings = found(project)
    assert [findings[name].state for name in ("runs/", ".dvc/", "data/")] == [FAIL, FAIL, OK]
    assert findings["runs/"].detail == "No space left on device" and str(project / "runs") in findings["runs/"].fix


def test_a_temporary_folder_that_is_not_there(project, monkeypatch):
    monkeypatch.setenv("TMPDIR", "/no/such/folder")
    monkeypatch.setattr(tempfile, "tempdir", None)  # what Python found at the first use
    findings = found(project)
    assert findings["temporary folder"].state == OK and findings["TMPDIR"].state == WARN
    assert "/no/such/folder" in findings["TMPDIR"].detail


def test_no_commit_is_a_warning_that_says_why(project):
    finding = found(project)["commit"]  # the package that runs is not the small project's
    assert finding.state == WARN and "ffrepro" in finding.detail and finding.fix


@pytest.mark.pipeline
def test_both_engines_for_real_outside_git(project, monkeypatch):
    """As in an unpacked zip: Snakemake starts, DVC needs the setting that the finding names."""
    from ffrepro.pipeline.refresh import refresh

    refresh(open_workspace(project))
    (project / ".dvc").mkdir()
    (project / ".dvc/config").touch()
    before = files(project)
    monkeypatch.setattr(engines, "run", REAL_RUN)
    findings = found(project)
    assert findings["Snakemake"].state == OK
    assert findings["DVC"].state == FAIL
    cure = findings["DVC"].fix.rpartition(": ")[2]
    assert cure == "dvc config --local core.no_scm true"
    (project / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")  # what that command does
    assert startup._dvc(project).state == OK
    left = {path for path in set(files(project)) - set(before) if path.parts[:2] != (".dvc", "tmp")}
    assert {path.as_posix() for path in left} <= {".dvc/config.local", ".dvc/plots", ".dvc/.gitignore"}
