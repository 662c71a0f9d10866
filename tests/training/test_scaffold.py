"""A method made by ``ffrepro new method``: it passes the conformance tests and learns, and nothing is overwritten."""

import subprocess
import sys

import pytest
from sklearn.datasets import load_digits

import ffrepro
from ffrepro import methods
from ffrepro.base import extensions
from ffrepro.base.errors import FfreproError
from ffrepro.cli import main
from ffrepro.nets import MLP
from ffrepro.training import scaffold


@pytest.fixture(autouse=True)
def no_extensions(monkeypatch):
    """As before, for the tests that follow."""
    monkeypatch.setenv(extensions.VARIABLE, "")
    monkeypatch.setattr(methods, "__path__", list(methods.__path__))


def test_it_passes_the_conformance_tests_as_made(tmp_path, project_root, monkeypatch, capsys):
    assert main.main(["new", "method", "made_here", "--to", str(tmp_path / "lab")]) == 0
    assert "  made_here:\n    method: made_here\n" in capsys.readouterr().out
    monkeypatch.setenv(extensions.VARIABLE, str(tmp_path / "lab"))
    suite = [f"tests/methods/test_{name}.py" for name in ("conformance", "locality")]
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *suite, "-k", "made_here"]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    dots = done.stdout.partition("[")[0].count(".")
    assert dots >= 20 and "s" not in done.stdout.partition("[")[0]


def test_it_learns_digits(tmp_path):
    scaffold.method("made_too", tmp_path)
    X, y = load_digits(return_X_y=True)
    learner = ffrepro.fit(MLP(64, (50, 50)), (X[:900] / 16, y[:900]), "made_too", epochs=10)
    assert learner.score(X[900:1300] / 16, y[900:1300]) > 0.8


@pytest.mark.parametrize("name", ["Mine", "2nd", "my-ff", "a/b", "../up", "class", ""])
def test_bad_names(tmp_path, name):
    with pytest.raises(FfreproError) as error:
        scaffold.method(name, tmp_path)
    assert error.value.where == "NAME" and not list(tmp_path.iterdir())


def test_names_that_are_taken(tmp_path):
    with pytest.raises(FfreproError, match=r"methods/ff\.py"):
        scaffold.method("ff", tmp_path)
    with pytest.raises(FfreproError, match=r"methods/local\.py"):  # a module that methods share
        scaffold.method("local", tmp_path)
    file, cases, _ = scaffold.method("made_once", tmp_path)
    before = file.read_bytes(), cases.read_bytes()
    with pytest.raises(FfreproError) as error:
        scaffold.method("made_once", tmp_path)
    assert error.value.where == file and (file.read_bytes(), cases.read_bytes()) == before
    file.unlink()
    with pytest.raises(FfreproError) as error:
        scaffold.method("made_once", tmp_path)
    assert "made_once" in error.value.what
