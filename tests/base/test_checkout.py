"""The commit that a record names is the project's own: of its checkout, or of the archive it came in."""

import os
import subprocess
from pathlib import Path

import pytest

from ffrepro.base import checkout

REPOSITORY = Path(__file__).parents[2]
MARK = "node: $Format:%H$\n"


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)
    return done.stdout


@pytest.fixture(autouse=True)
def no_other_settings(monkeypatch):
    """A user's own git configuration plays no part."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def skeleton(root):
    (root / "src/ffrepro").mkdir(parents=True)
    (root / "src/ffrepro/__init__.py").write_text("VERSION = 1\n")
    (root / "params.yaml").write_text("scale: smoke\n")
    (root / ".gitattributes").write_text((REPOSITORY / ".gitattributes").read_text())
    (root / checkout.ARCHIVED).write_text(MARK)
    return root


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A checkout of a small project, whose package is the one that runs."""
    root = skeleton(tmp_path / "project")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "project")
    use(monkeypatch, root)
    return root


def use(monkeypatch, root):
    monkeypatch.setattr(checkout, "PACKAGE", root.resolve() / "src/ffrepro")


def head(root):
    return git(root, "rev-parse", "HEAD").decode().strip()


def unpack(project, target):
    target.mkdir()
    subprocess.run(["tar", "x", "-C", target], input=git(project, "archive", "HEAD"), check=True)
    return target


def test_a_checkout_names_its_commit_and_what_differs(project):
    assert checkout.commit(project) == checkout.Commit(head(project), False, "git")
    (project / "notes.txt").write_text("no code\n")
    assert checkout.commit(project).dirty is False
    (project / "src/ffrepro/__init__.py").write_text("VERSION = 2\n")
    assert checkout.commit(project).as_record() == {"commit": head(project), "dirty": True}


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("src/ffrepro/studies/paper/study.yaml", True),
        ("src/ffrepro/core/new.py", True),
        ("src/ffrepro/studies/paper/docs.yaml", False),
        ("src/ffrepro/studies/paper/claims.yaml", False),
        ("src/ffrepro/claims/templates/report.html", False),
        ("docs/page.md", False),
    ],
)
def test_code_and_settings_make_a_checkout_dirty_pages_do_not(project, name, counts):
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text("new\n")
    assert checkout.commit(project).dirty is counts


def test_a_worktree_and_a_link_to_the_folder_are_the_project_too(project, tmp_path, monkeypatch):
    git(project, "worktree", "add", "--quiet", tmp_path / "second")
    (tmp_path / "link").symlink_to(project)
    assert checkout.commit(tmp_path / "link").sha == head(project)
    use(monkeypatch, tmp_path / "second")
    assert checkout.commit(tmp_path / "second").sha == head(project)


@pytest.mark.parametrize("ignored", [True, False])
def test_an_archive_in_a_repository_of_the_users_has_its_own_commit(project, tmp_path, monkeypatch, ignored):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    git(thesis, "init", "--quiet")
    root = unpack(project, thesis / "ffrepro-main")
    (thesis / ".gitignore").write_text("ffrepro-main/\n" if ignored else "")
    git(thesis, "add", ".")
    git(thesis, "commit", "--quiet", "-m", "own")
    use(monkeypatch, root)
    assert checkout.commit(root) == checkout.Commit(head(project), None, "archive")
    (root / checkout.ARCHIVED).write_text(MARK)  # copied out of a checkout, not archived: nothing says a commit
    found = checkout.commit(root)
    assert found.as_record() == {"commit": None, "dirty": None} and str(thesis) in found.source and found.fix


def test_a_project_poured_into_a_repository_that_does_not_hold_it(project, tmp_path, monkeypatch):
    mine = skeleton(tmp_path / "mine")
    (mine / ".gitignore").write_text("src\n")
    git(mine, "init", "--quiet")
    git(mine, "add", ".gitignore")
    git(mine, "commit", "--quiet", "-m", "own")
    use(monkeypatch, mine)
    assert checkout.commit(mine).sha is None


@pytest.mark.parametrize("text", ["", "node: $Format:%H$", "node: 12ab", "<html>", "node: " + "g" * 40])
def test_what_is_no_commit_is_not_taken_for_one(tmp_path, monkeypatch, text):
    root = skeleton(tmp_path / "zip")
    (root / checkout.ARCHIVED).write_text(text)
    use(monkeypatch, root)
    assert checkout.commit(root).as_record() == {"commit": None, "dirty": None}


def test_the_code_that_runs_must_be_the_folders(project, tmp_path, monkeypatch):
    monkeypatch.setattr(checkout, "PACKAGE", tmp_path / "elsewhere/src/ffrepro")
    found = checkout.commit(project)
    assert found.sha is None and str(tmp_path / "elsewhere") in found.source


def test_what_a_hook_sets_does_not_lead_elsewhere(project, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    own = head(project)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert checkout.commit(project) == checkout.Commit(own, False, "git")


def test_without_git(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    found = checkout.commit(project)
    assert found.sha is None and found.dirty is None and found.fix == "install git"


@pytest.mark.skipif(os.geteuid() != 0, reason="gives the checkout to another user")
def test_a_checkout_of_another_owner(project, monkeypatch):
    for path in (project, project / ".git"):
        os.chown(path, 4242, -1)
    found = checkout.commit(project)
    assert found.sha is None and found.fix == f"git config --global --add safe.directory {project}"
    for key, value in {"COUNT": "1", "KEY_0": "safe.directory", "VALUE_0": str(project)}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    assert checkout.commit(project).dirty is False


def test_this_repository_is_archived_with_its_commit():
    assert (REPOSITORY / checkout.ARCHIVED).read_text().startswith("node: ")
    attributes = (REPOSITORY / ".gitattributes").read_text().splitlines()
    assert f"{checkout.ARCHIVED} export-subst" in attributes
