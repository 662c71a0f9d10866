"""Can both engines start here? What they need of user, folders and git, and each of them tried on nothing."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ffrepro.base import checkout
from ffrepro.base.errors import FfreproError
from ffrepro.pipeline import dvcfiles, engines
from ffrepro.pipeline.finding import FAIL, OK, WARN, Finding, verdict

_FOLDERS = ("data", "runs", "logs", "plan", "reports", ".snakemake", ".dvc")
_SECONDS = 120.0  # an engine's answer may take on a loaded machine
_SPACE_GB = 2.0  # raw and prepared data of one paper, its records, a report
_PROBE = bytes(2**20)  # what must fit into every folder
_NO_NAME = "export LOGNAME=me: this user has no entry in the system's list of users"
_NO_HOME = "export HOME=/a/folder/of/yours that exists and is writable"
_NO_GIT = "clone the project with git, or let DVC do without: dvc config --local core.no_scm true"
# What an engine says when it cannot start -> what mends it.
_CURES = {
    r"not a git repository": _NO_GIT,
    r"git-ignored": f"the git repository around this folder ignores it; {_NO_GIT}",
    r"dubious ownership|not owned by": "git config --global --add safe.directory {root}",
    r"uid not found|getpwuid": _NO_NAME,
    r"home directory": _NO_HOME,
    r"No space left|quota": "free some space on the disk of that folder",
    r"Permission denied|Read-only": f"make that path writable for this user; if it is below HOME: {_NO_HOME}",
    r"No module named": "make setup",
    r"lock": "wait for the engine that is running here; if none is: snakemake --unlock, or remove .dvc/tmp/rwlock",
}


def examine(root: Path) -> Iterator[Finding]:
    """Look at everything, cheapest first. Leaves no file behind that was not there before."""
    yield from _user()
    yield from _folders(root)
    yield _commit(root)
    yield _snakemake_lock(root)
    yield _snakemake(root)
    yield _dvc(root)


def _user() -> Iterator[Finding]:
    try:
        yield Finding(OK, "user", getpass.getuser())
    except (KeyError, OSError):  # OSError from Python 3.13 on
        yield Finding(FAIL, "user", f"number {os.getuid()} without a name", _NO_NAME)
    home = Path(os.path.expanduser("~"))
    good = home.is_absolute() and _refusal(home) is None
    yield verdict(good, "home folder", str(home) if good else f"{home}: not there or not writable", _NO_HOME)


def _folders(root: Path) -> Iterator[Finding]:
    """Space, and whether files can be made: tried, since rights, quotas and read-only disks all play a part."""
    free = shutil.disk_usage(root).free / 2**30
    yield verdict(free > _SPACE_GB, "disk", f"{free:.1f} GB free", f"free some: {_SPACE_GB:.0f} GB are needed")
    try:
        place = Path(tempfile.gettempdir())
        refusal = _refusal(place)
    except FileNotFoundError as error:
        place, refusal = Path(os.environ.get("TMPDIR", "/tmp")), error.strerror
    fix = "export TMPDIR=/a/folder/of/yours that exists, is writable and has space"
    yield verdict(refusal is None, "temporary folder", f"{place}{f': {refusal}' if refusal else ''}", fix)
    wanted = os.environ.get("TMPDIR")
    if wanted and Path(wanted).resolve() != place.resolve():
        yield Finding(WARN, "TMPDIR", f"{wanted} cannot be used, {place} is", fix)
    for name in _FOLDERS:
        folder = root / name
        existing = folder if folder.is_dir() else root
        refusal = _refusal(existing)
        detail = refusal or ("writable" if folder.is_dir() else "will be made")
        yield verdict(refusal is None, f"{name}/", detail, f"make {existing} writable, with space on its disk")


def _refusal(folder: Path) -> str | None:
    """Why no file can be made in a folder; None where one can. The file has no name, so none is left behind."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(_PROBE)
    except OSError as error:
        return error.strerror
    return None


def _commit(root: Path) -> Finding:
    """What records will say about the code."""
    found = checkout.commit(root)
    if found.sha is None:
        return Finding(WARN, "commit", f"none in records: {found.source}", found.fix)
    changed = {True: ", with changes", False: "", None: ", changes unknown"}[found.dirty]
    return Finding(OK, "commit", f"{found.sha[:12]} (from {found.source}){changed}")


def _snakemake_lock(root: Path) -> Finding:
    locks = [path for path in (root / ".snakemake/locks").glob("*.lock") if path.stat().st_size]
    if not locks:
        return Finding(OK, "Snakemake's lock", "free")
    if process := _running(root):
        return Finding(OK, "Snakemake's lock", f"held by process {process}, which is running here")
    detail = "held; no Snakemake of this user runs here" if Path("/proc/self").exists() else "held"
    return Finding(FAIL, "Snakemake's lock", detail, "if none is running here (it was killed): snakemake --unlock")


def _running(root: Path) -> str | None:
    """The id of a Snakemake that works in the folder, where the system tells."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if any(b"snakemake" in word for word in words[:4]) and (process / "cwd").samefile(root):
                return process.name
        except OSError:
            continue
    return None


def _snakemake(root: Path) -> Finding:
    """The project's own workflow is parsed, which reads all that it is made from; ``look_only``: nothing is written."""
    if not (root / "Snakefile").is_file():
        return Finding(WARN, "Snakemake", "not tried: no Snakefile", "run ffrepro in the project's folder")
    there = (root / ".snakemake").exists()
    try:
        return _tried("Snakemake", root, "snakemake", "--list-rules", "--cores", "1", "--config", "look_only=1")
    finally:
        if not there:
            shutil.rmtree(root / ".snakemake", ignore_errors=True)


def _dvc(root: Path) -> Finding:
    """The state of the one stage that has no data: the plan files."""
    if not (root / dvcfiles.ROOT_FILE).is_file():
        return Finding(WARN, "DVC", f"not tried: no {dvcfiles.ROOT_FILE}", "ffrepro plan --write")
    return _tried("DVC", root, "dvc", "status", "--json", "plan")


def _tried(name: str, root: Path, module: str, *arguments: str) -> Finding:
    try:
        engines.run(root, module, *arguments, seconds=_SECONDS)
    except FfreproError as error:
        return Finding(FAIL, name, error.what, _cure(error.what, root) or error.fix or "")
    return Finding(OK, name, "starts")


def _cure(said: str, root: Path) -> str | None:
    return next((fix.format(root=root) for words, fix in _CURES.items() if re.search(words, said)), None)
