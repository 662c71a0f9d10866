"""Fixtures that tests of several folders share; their conftest.py imports them."""

import pytest
from helpers.net_records import Nets
from helpers.plans import prepare_standin
from helpers.world import World

from ffrepro.training import record_check
from ffrepro.training.parts import Place


@pytest.fixture(autouse=True, scope="module")
def chosen_numbers():
    """Made-up records state the numbers that a test chose, not those of their arrays."""
    patch = pytest.MonkeyPatch()
    patch.setattr(record_check, "check_measured", lambda *_: None)
    yield
    patch.undo()


@pytest.fixture
def world(tmp_path):
    """An empty project."""
    return World(tmp_path)


@pytest.fixture
def nets(world):
    return Nets(world)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Folder of prepared data."""
    folder = tmp_path_factory.mktemp("data")
    prepare_standin(folder, "mnist")
    return prepare_standin(folder)


@pytest.fixture
def place(tmp_path, prepared):
    """An empty place to run in."""
    return Place(tmp_path, tmp_path / "runs", prepared)
