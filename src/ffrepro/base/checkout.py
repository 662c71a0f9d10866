"""Which commit of the project the code in a folder is."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]  # the package that is running
ARCHIVED = ".git_archival.txt"  # `git archive` writes the commit into it, see .gitattributes
_CODE = "src/ffrepro"
# A change of these makes a checkout dirty: code and settings, no page, figure, template or published number.
_COUNTED = (":(glob)src/**/*.py", ":(glob)src/**/study.yaml", "params.yaml")
_TIMEOUT = 20  # seconds


@dataclass(frozen=True)
class Commit:
    """The commit of a project folder.

    Attributes:
        sha: its hash; None where nothing says it.
        dirty: whether code or settings differ from it; None where that cannot be known.
        source: ``git``, ``archive`` or, without a hash, why there is none.
        fix: what would give one.
    """

    sha: str | None
    dirty: bool | None
    source: str
    fix: str = ""

    def as_record(self) -> dict[str, str | bool | None]:
        """What a run's record says."""
        return {"commit": self.sha, "dirty": self.dirty}


def commit(root: Path) -> Commit:
    """The commit that the project in ``root`` is at, of the project's own checkout or of the archive it came in.

    A checkout counts only if its top level is ``root``, its commit holds the package and the package that runs is
    the one in ``root``: a folder unpacked inside another repository has that repository around it, not its commit.
    """
    root = root.resolve()
    if root / _CODE != PACKAGE:
        return Commit(None, None, f"the ffrepro that runs is {PACKAGE}", "install the one in this folder: make setup")
    found = _of_checkout(root)
    if found.sha is None and (archived := _of_archive(root)) is not None:
        return Commit(archived, None, "archive")
    return found


def _of_checkout(root: Path) -> Commit:
    fix = "clone the project with git, or take an archive made by `git archive`"
    try:
        top = _git(root, "rev-parse", "--show-toplevel")
        if not os.path.samefile(top, root):
            return Commit(None, None, f"the repository around this folder is another one, {top}", fix)
        sha, _ = _git(root, "rev-parse", "--verify", "HEAD"), _git(root, "rev-parse", f"HEAD:{_CODE}/__init__.py")
        return Commit(sha, bool(_git(root, "status", "--porcelain", "--", *_COUNTED)), "git")
    except FileNotFoundError:
        return Commit(None, None, "git is not installed", "install git")
    except subprocess.CalledProcessError as error:
        if "dubious ownership" in error.stderr:
            trust = f"git config --global --add safe.directory {root}"
            return Commit(None, None, "another user owns this checkout, and git does not trust it", trust)
        return Commit(None, None, error.stderr.strip().splitlines()[0] if error.stderr.strip() else "git fails", fix)
    except (OSError, subprocess.SubprocessError) as error:
        return Commit(None, None, f"git fails: {error}", fix)


def _of_archive(root: Path) -> str | None:
    try:
        text = (root / ARCHIVED).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    match = re.fullmatch(r"node: ([0-9a-f]{40}|[0-9a-f]{64})\s*", text)
    return match.group(1) if match else None


def environment() -> dict[str, str]:
    """The environment for a program that asks git about the repository its folder is in.

    A hook runs its programs with GIT_DIR and more of that kind set, which would name the hook's repository.
    """
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or "CONFIG" in key}


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=root, env=environment() | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        capture_output=True, encoding="utf-8", errors="surrogateescape", check=True, timeout=_TIMEOUT,
    )  # fmt: skip
    return done.stdout.strip()
